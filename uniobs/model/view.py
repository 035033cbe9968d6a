"""The View, Walker and VerdictRule protocols: how tables about a guest are defined, found and rendered.

They're found through entry points (``uniobs.views``, ``uniobs.walkers``, ``uniobs.verdicts``), so that
neither the engine nor the command names a probe.
"""

from collections.abc import Callable, Sequence

from uniobs.lean import TYPE_CHECKING, Any, Literal, Protocol
from uniobs.model.row import frozen

if TYPE_CHECKING:
    from uniobs.model.guest import (
        AllocSite,
        Counter,
        Heap,
        Interface,
        Lock,
        Loss,
        Panic,
        Socket,
        Thread,
        Verdict,
    )

Cell = str | int | float | bool | None


@frozen
class Column:
    """``key`` is the JSON name and the row's attribute or key; ``header`` what text shows.

    ``text`` turns the row into its cell; without it str(value), and None is ``-``.
    """

    key: str
    header: str
    align: Literal["left", "right"] = "left"
    doc: str = ""
    text: Callable[[Any], str] | None = None
    width: int = 0  # at least so many cells, where a tool's layout is fixed


@frozen
class Table:
    """What a view answers: rows (mappings or dataclasses), and what it did not see."""

    columns: tuple[Column, ...]
    rows: Sequence[Any]
    notes: tuple[str, ...] = ()  # stale, dropped, unknown: for stderr and JSON
    complete: bool = True  # False: exit code 4
    caption: str = ""  # the line above the header, where a tool prints one
    under: Sequence[str] = ()  # a second line a row, in the rows' order ("" for none), as ss -i has it
    json_keys: tuple[str, ...] | None = None  # None: JSON carries every field of a row
    summary: tuple[str, ...] = ()  # lines above the table, as top has them; text only


class View(Protocol):
    """A named table. ``columns`` are all it can show, ``default`` the keys shown without being asked."""

    name: str
    title: str
    columns: tuple[Column, ...]
    default: tuple[str, ...]
    needs: frozenset[str]  # what a walker must answer, e.g. {"threads"}
    # Views of things that stay may have: identity: tuple[str, ...], the keys that tell rows apart over time.

    def rows(self, target: Any, **options: Any) -> Table: ...


class Follow(Protocol):
    """A cursor over a ring (or several merged by time): each poll gives what came since."""

    loss: "Loss"

    def poll(self) -> "Sequence[Any]":
        """New items, oldest first; the first call gives what is in the ring. Raises TargetGone."""

    def flush(self) -> "Sequence[Any]":
        """What was held back because an earlier one might still come."""

    def seek_end(self) -> None:
        """Before the first poll: begin with what comes from now on."""


class Stream(Protocol):
    """A ring's items as a tool's lines: made by the object behind an entry point ``uniobs.streams``,
    called as factory(target, **options). Lines aren't made safe for a terminal yet."""

    question: str  # what the walker is asked: "trace", "packets", "log"
    unit: str  # what one item is called: "call", "packet", "line"

    def feed(self, items: "Sequence[Any]") -> list[str]: ...

    def feed_json(self, items: "Sequence[Any]") -> "list[dict[str, Any]]": ...

    def close(self) -> list[str]:
        """What is still open, and a closing table."""

    def shown(self) -> int:
        """How many items were shown; -c ends a follow by it."""

    def closing(self, follow: Follow) -> list[str]:
        """The tool's closing lines, for stderr."""


class Walker(Protocol):
    """Answers questions about one kind of guest. What isn't in ``answers`` raises NotOffered."""

    name: str  # "stub", "unikraft"...: printed as provenance
    answers: frozenset[str]

    def threads(self) -> "Sequence[Thread]": ...
    def locks(self) -> "Sequence[Lock]": ...
    def sockets(self) -> "Sequence[Socket]": ...
    def interfaces(self) -> "Sequence[Interface]": ...
    def counters(self) -> "Sequence[Counter]": ...
    def heap(self) -> "Heap": ...
    def sites(self) -> "Sequence[AllocSite]": ...
    def panic(self) -> "Panic | None": ...
    def log(self) -> Follow:
        """Of LogLine."""

    def trace(self) -> Follow:
        """Of Event, rings merged by time."""

    def packets(self) -> Follow:
        """Of Packet."""


class WalkerFactory(Protocol):
    """The object behind an entry point ``uniobs.walkers``: a Walker when it fits the target, else None."""

    def __call__(self, target: Any) -> Walker | None: ...


class VerdictRule(Protocol):
    """The object behind an entry point ``uniobs.verdicts``."""

    def __call__(self, target: Any) -> "Sequence[Verdict]": ...
