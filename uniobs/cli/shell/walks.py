"""::walk: the guest's tables as rows, and any list, queue, tree or container of its own."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from uniobs.cli import render, session
from uniobs.cli.shell.guest import alive, lock_table
from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, Dot, command
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, NotOffered, UniobsError, UsageError
from uniobs.image import types_std, types_walk
from uniobs.image.types_expr import Operand, evaluate, type_of
from uniobs.image.types_leaf import address
from uniobs.image.types_model import RECORDS, Kind, Type
from uniobs.image.types_plain import Plain
from uniobs.image.types_walk import Walk
from uniobs.model import registry

GROUP = "values"
TABLES: Final = {"threads": "ps", "sockets": "netstat", "interfaces": "interfaces", "counters": "counters"}
_PRINT: Final = re.compile(r"(?:^|\s)(?:::)?print(?:/([a-z]))?\s+", re.ASCII)
_OPTION: Final = re.compile(r"-n\s*(\d{1,6})\s+")


class Wanted(NamedTuple):
    """HEAD, MEMBER or TYPE.MEMBER, and what is printed of each."""

    head: str
    link: str
    expression: str
    letter: str
    limit: int


def _parsed(shell: Shell, call: Call) -> Wanted:
    text = call.arguments
    limit = shell.settings.rows
    if (match := _OPTION.match(text)) is not None:
        limit, text = int(match.group(1)), text[match.end() :]
    expression = letter = ""
    if (match := _PRINT.search(text)) is not None and text[: match.start()].strip():
        expression, letter = text[match.end() :].strip(), match.group(1) or ""
        text = text[: match.start()]
    if not text.strip():
        if not isinstance(call.dot, Operand):
            raise UsageError("walk what? ::walk threads, ::walk HEAD MEMBER [print EXPR with $it]")
        return Wanted("$it", "", expression, letter, limit)
    head, link = _cut(text.strip(), call.dot is not None)
    return Wanted(head, link, expression, letter, limit)


def _cut(text: str, has_dot: bool) -> tuple[str, str]:
    """The head's expression, and the words after it: a member, or "struct T.member"."""
    if has_dot:
        return "$it", text
    depth, cut = 0, len(text)
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char.isspace() and not depth and at and text[at - 1] not in "&*-!~":
            cut = at
            break
    return text[:cut], text[cut:].strip()


def found_in(head: Operand, link: str, shell: Shell, limit: int) -> Walk:
    """Raises NotOffered when it is no list that is known."""
    value = head.value
    if value.type.kind is Kind.ARRAY:
        items = tuple(value[index] for index in range(min(len(value), limit)))
        whole = len(items) == len(value)
        return Walk(items, whole, None if whole else f"the array is longer than {limit}")
    if value.type.kind is Kind.POINTER and value.type.target.kind in RECORDS:
        return _from_pointer(head, link, shell, limit)
    if value.type.kind not in RECORDS:
        raise NotOffered(f"{value.type} is no list: a struct, a pointer to one, an array or a container is")
    held = types_std.known(value)
    if isinstance(held, types_std.Held):
        return Walk(tuple(held.items), held.problem is None, held.problem)
    if any(value.has(first) for first in ("tqh_first", "stqh_first", "slh_first", "sqh_first", "lh_first")):
        if not link:
            raise UsageError(f"{value.type} needs its elements' link: ::walk HEAD MEMBER")
        return types_walk.queue(value, link, limit)
    kind, member = _container(link, shell)
    if kind is not None and value.has("next", "prev"):
        return types_walk.circular(value, kind, member, limit)
    if link and value.has(link):  # the first element itself
        with shell.with_dot(head):
            return types_walk.chain(evaluate("&$it", shell.scope).value, link, limit)
    if value.has("next", "prev"):
        raise UsageError(f"{value.type} is a ring of nodes: say whose, ::walk HEAD struct TYPE.MEMBER")
    raise NotOffered(f"{value.type} is no list that is known: which member leads on? ::walk HEAD MEMBER")


def _from_pointer(head: Operand, link: str, shell: Shell, limit: int) -> Walk:
    value = head.value
    kind, member = _container(link, shell)
    if kind is not None:
        return types_walk.tree(value, kind, member, limit)
    if not link:
        link = next((name for name in ("next", "next_") if value.type.target.has(name)), "")
    if not link:
        raise UsageError(f"which member of {value.type.target} leads on? ::walk HEAD MEMBER")
    if not value.type.target.has(link):
        raise NotOffered(f"{value.type.target} has no member {link}")
    return types_walk.chain(value, link, limit)


def _container(link: str, shell: Shell) -> tuple[Type | None, str]:
    """ "struct thread.link" as (the type, "link"); (None, the words) for a member alone."""
    words, _, member = link.partition(".")
    if not member or (" " not in words and "::" not in words):
        return None, link
    return type_of(words, shell.scope), member


def _items(shell: Shell, wanted: Wanted, limit: int) -> tuple[list[Operand], Walk]:
    walk = found_in(evaluate(wanted.head, shell.scope), wanted.link, shell, limit)
    return [Operand(item, True) for item in walk.items], walk


def _values(shell: Shell, call: Call) -> Iterator[Dot]:
    if call.arguments.strip() == "threads":
        yield from alive(shell)
        return
    items, walk = _items(shell, _parsed(shell, call), types_walk.LIMIT)
    if walk.problem:
        shell.out.notice(walk.problem)
    yield from items


@command(
    "walk",
    "::walk threads|locks|sockets...   ::walk [-n N] HEAD [MEMBER|struct T.MEMBER] [print EXPR]",
    "rows of a table; or a list, queue, tree, container or array, each element as $it",
    completes="walk",
    produces=_values,
    group=GROUP,
)
def walk(shell: Shell, call: Call) -> int:
    name = call.arguments.strip()
    if name == "locks":
        render.show(shell.out, "locks", shell.target.name, lock_table(shell))
        return EXIT_OK
    if name in TABLES or name in registry.names(registry.VIEWS):
        more = {"all": True} if name == "sockets" else {}
        return session.show_view(shell.out, shell.target, TABLES.get(name, name), name=name, **more)
    wanted = _parsed(shell, call)
    items, found = _items(shell, wanted, types_walk.LIMIT)
    shown = items[: wanted.limit]
    notes = [found.problem] if found.problem else []
    if len(items) > len(shown):
        notes.append(f"{len(items) - len(shown)} more aren't shown (-n {len(items)})")
    if shell.out.json:
        rows = [_row(shell, item, wanted) for item in shown]
        shell.object("walk", rows, notes=tuple(notes), complete=not notes)
    else:
        for text in _lines(shell, shown, wanted):
            shell.lines(text)
        if not items and not notes:
            shell.out.notice("the list is empty")
        for note in notes:
            shell.out.notice(note)
    return EXIT_OK if found.complete else EXIT_INCOMPLETE


def _lines(shell: Shell, items: Iterable[Operand], wanted: Wanted) -> Iterator[str]:
    for item in items:
        place = address(item.value.address, shell.scope.symbol_at)
        if not wanted.expression:
            plain = item.type.kind not in (*RECORDS, Kind.ARRAY)
            yield f"{place}  " + (shell.printer().text(item.value) if plain else str(item.type))
            continue
        with shell.with_dot(item):
            try:
                operand = evaluate(wanted.expression, shell.scope)
                yield f"{place}  {shell.printer(wanted.letter).text(operand.value)}"
            except UsageError:
                raise
            except UniobsError as error:
                yield f"{place}  <unknown: {error}>"


def _row(shell: Shell, item: Operand, wanted: Wanted) -> dict[str, Any]:
    row: dict[str, Any] = {"address": item.value.address, "type": str(item.type)}
    if wanted.expression:
        with shell.with_dot(item):
            row["value"] = Plain().of(evaluate(wanted.expression, shell.scope).value)
    return row
