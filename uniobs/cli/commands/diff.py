"""uniobs diff: what changed in a guest between two moments."""

from contextlib import ExitStack, closing
from typing import Any

from uniobs.cli import args, compared, render, session
from uniobs.cli.output import Output
from uniobs.errors import EXIT_FINDING, EXIT_INCOMPLETE, EXIT_OK, NotOffered, UsageError
from uniobs.model import registry
from uniobs.model.changes import Change
from uniobs.model.text import safe

DOC = """\
A and B: recordings, cores, guests. FILE@TIME is a moment of a recording, as --at has it: kv.uniobs@-10s.
One recording alone is compared with itself: uniobs diff kv.uniobs@start kv.uniobs@end, or @-10s for its end.
Exit 0: nothing differs; 1: something does, as diff has it.
"""


def make_parser() -> args.Parser:
    parser = args.parser(
        "diff", "What changed between two moments of a guest.", words="A [B]", target=False, doc=DOC
    )
    parser.add_argument("--image", action="append", default=[], metavar="FILE", help="an ELF of the guest")
    parser.add_argument("--view", metavar="NAMES", help=f"only these tables ({','.join(compared.VIEWS)})")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    if not 1 <= len(options.words) <= 2:
        raise UsageError("diff takes two moments: FILE@TIME FILE@TIME (uniobs diff --help)")
    names = _names(options.view)
    first, second = options.words if len(options.words) == 2 else _both_ends(options.words[0])
    out = session.out_for(options)
    with ExitStack() as stack:
        old, new = (stack.enter_context(closing(_opened(word, options.image))) for word in (first, second))
        for target in (old, new):
            session.say_notices(target, out)
        return _show(out, old, new, names)


def _both_ends(word: str) -> tuple[str, str]:
    """One recording, from a moment (its start) to its end."""
    path, at, moment = word.rpartition("@")
    return (word, f"{path}@end") if at and moment else (f"{word}@start", f"{word}@end")


def _names(text: str | None) -> list[str]:
    names = text.split(",") if text else list(compared.VIEWS)
    for name in names:
        if name not in registry.names(registry.VIEWS) or not hasattr(
            registry.load(registry.VIEWS, name), "identity"
        ):
            raise UsageError(f"diff has no table {name!r}: there are {', '.join(compared.VIEWS)}")
    return names


def _opened(word: str, images: list[str]) -> Any:
    import os

    from uniobs.target import open_target

    path, at, moment = word.rpartition("@")
    if not at or os.path.exists(word):
        return open_target(word, images=images)
    return open_target(path, images=images, at=moment)


def _show(out: Output, old: Any, new: Any, names: list[str]) -> int:
    told, notes = compared.compared(compared.look(old, names), compared.look(new, names), names)
    if not told:
        raise NotOffered("; ".join(notes))
    if out.json:
        out.object(render.envelope("diff", new.name, _json(told), notes, not notes))
    else:
        for name, found in told.items():
            _table(out, compared.title(name), found)
        for note in notes:
            out.notice(note)
    if any(told.values()):
        return EXIT_FINDING
    return EXIT_INCOMPLETE if notes else EXIT_OK


def _table(out: Output, title: str, found: list[Change]) -> None:
    if not found:
        out.line(f"{title}: the same")
        return
    out.line(title, "head")
    for change in found:
        key = safe(compared.label(change))
        if change.kind == "~":
            out.line(f"  ~ {key}   " + "   ".join(compared.moved_texts(change)))
        else:
            out.line(f"  {change.kind} {key}", "good" if change.kind == "+" else "bad")


def _json(told: dict[str, list[Change]]) -> list[dict[str, Any]]:
    return [
        {
            "table": name,
            "change": {"+": "added", "-": "removed", "~": "changed"}[change.kind],
            "key": list(change.key[:-1]),
            "values": {
                one.column.key: {"before": one.before, "after": one.after, "by": one.by}
                for one in change.moved
            },
        }
        for name, found in told.items()
        for change in found
    ]
