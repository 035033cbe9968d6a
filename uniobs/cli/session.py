"""Opening the target a command names, and running a view on it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from uniobs.cli import output, render
from uniobs.cli.args import split_target
from uniobs.cli.output import Output
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, OutputError, UniobsError, UsageError
from uniobs.lean import TYPE_CHECKING, Any
from uniobs.model import registry
from uniobs.model.view import Table

if TYPE_CHECKING:
    import argparse


def out_for(options: "argparse.Namespace") -> Output:
    return output.standard(options.json, options.color)


_HELD: ContextVar[tuple[Any, str] | None] = ContextVar("held", default=None)


@contextmanager
def held(target: Any, spec: str) -> Iterator[None]:
    """While it lasts, commands that run look at this target, and all of their words are the tool's."""
    token = _HELD.set((target, spec))
    try:
        yield
    finally:
        _HELD.reset(token)


@contextmanager
def opened(options: "argparse.Namespace", out: Output) -> Iterator[tuple[Any, list[str]]]:
    """(target, the tool's words). The target is closed at the end, its notices are on stderr."""
    if (found := _HELD.get()) is not None:
        if options.guest is not None or options.image:
            raise UsageError(f"the target is {found[1]} here: -g and --image go with uniobs shell itself")
        out.spec = found[1]
        yield found[0], list(options.words)
        return
    from uniobs.target import open_target

    spec, words = split_target(options)
    at = getattr(options, "at", None)
    target = open_target(spec if spec is not None else only_guest(), images=list(options.image), at=at)
    out.spec = spec if spec is not None else target.name
    target.force = bool(options.image) and getattr(options, "force", False)
    try:
        if options.image:
            # an image that was named must be the one in memory, whatever is asked
            forced = [module.proof.forced for module in target.modules if module.proof is not None]
            out.unproven = next(filter(None, forced), None)
        say_notices(target, out)
        yield target, words
        say_notices(target, out)
    finally:
        target.close()


@contextmanager
def redirected(out: Output, path: str | None) -> Iterator[None]:
    """Data goes to a file for a while (-o FILE). Raises OutputError."""
    if path is None:
        yield
        return
    before = out.stdout
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            out.stdout = file
            yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    finally:
        out.stdout = before


def only_guest() -> str:
    """The one guest there is. Raises UsageError that lists them when there are more, or none."""
    from uniobs.target import find_guests

    guests = list(find_guests())
    if len(guests) == 1:
        return str(guests[0].pid) if guests[0].pid is not None else str(guests[0].name)
    if not guests:
        raise UsageError(
            "no guest is running on this host (as far as this user can see): name a core or start one"
        )
    names = ", ".join(f"{guest.name} (pid {guest.pid})" for guest in guests[:8])
    more = f" and {len(guests) - 8} more" if len(guests) > 8 else ""
    raise UsageError(f"which guest? there are {names}{more}")


def say_notices(target: Any, out: Output) -> None:
    for text in list(target.notices):
        out.notice(text)


def say_state(target: Any, out: Output) -> None:
    """One notice when the guest isn't simply running: what is shown is then its last state."""
    if _HELD.get() is not None:
        return  # whoever holds it says so
    with suppress(UniobsError):
        status = target.status(watch=0)
        if status.state in ("dead", "hung"):
            out.notice(
                f"{target.name} is {status.state} ({status.reason}): this is its last state; "
                f"uniobs why {out.spec}"
            )


def refuse_words(words: Sequence[str], command: str) -> None:
    if words:
        raise UsageError(f"{command} takes no {words[0]!r} after the target (uniobs {command} --help)")


def show_view(
    out: Output, target: Any, view: str, *, headers: bool = True, name: str | None = None, **options: Any
) -> int:
    """Load a view, ask it, print it. 0, or 4 when some of it isn't known."""
    table: Table = registry.load(registry.VIEWS, view).rows(target, **options)
    say_state(target, out)
    render.show(out, name or view, target.name if target is not None else None, table, headers=headers)
    return EXIT_OK if table.complete else EXIT_INCOMPLETE
