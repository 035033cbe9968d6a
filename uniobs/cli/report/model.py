"""What a report holds. Text in it is as the guest gave it: renderers make it safe for where it goes.

A section is always there: what a guest doesn't offer has a status and a reason instead of a body.
"""

from typing import Any, Literal

from uniobs.model.guest import Status, Verdict
from uniobs.model.row import frozen

# "empty": asked and there is nothing; "not-offered": this guest or channel doesn't tell; "unknown": it
# would, but it can't be read
State = Literal["ok", "empty", "not-offered", "unknown"]


@frozen
class Fact:
    label: str
    text: str


@frozen
class Source:
    """Lines of a source file. ``file`` as the compiler named it, ``path`` where it was found (None: it
    wasn't, and ``note`` says why); ``first`` is the number of the first of ``lines``."""

    file: str
    line: int
    path: str | None = None
    first: int = 0
    lines: tuple[str, ...] = ()
    note: str | None = None


@frozen
class Insn:
    address: int
    where: str  # deref+0x4, or ""
    text: str
    marked: bool = False


@frozen
class Code:
    """Instructions around one; ``from_memory`` False: the image's, since memory doesn't hold them."""

    rows: tuple[Insn, ...]
    from_memory: bool = True
    note: str | None = None

    @property
    def function(self) -> str | None:
        """The function that all of it is of."""
        names = {row.where.partition("+0x")[0] for row in self.rows}
        return names.pop() or None if len(names) == 1 else None

    def offset(self, row: Insn) -> str:
        """+0x4 where all is of one function, else deref+0x4"""
        if self.function is None:
            return row.where
        return row.where[len(self.function) :] or "+0x0"


@frozen
class PageFacts:
    """The page of an address, as the page tables say. ``mapped`` None: it isn't known."""

    address: int
    mapped: bool | None
    start: int | None = None
    size: int | None = None
    physical: int | None = None
    present: bool | None = None
    writable: bool | None = None
    user: bool | None = None
    executable: bool | None = None
    level: int | None = None  # of the entry that decided: 1 a page, 2 a 2 MiB page or its table...
    entry: int | None = None  # that entry
    whose: str | None = None  # what lies there: "guard page below the stack of main"
    note: str | None = None


@frozen
class Cause:
    """Why it died. ``sentence`` is the whole of it in words."""

    sentence: str
    tid: int | None = None
    thread: str | None = None
    message: str | None = None
    time_ns: int | None = None
    facts: tuple[Fact, ...] = ()
    page: PageFacts | None = None


@frozen
class Around:
    """Where it happened: the innermost frame that isn't the machinery of dying."""

    place: str
    source: Source | None
    code: Code | None
    unproven: bool = False


@frozen
class Register:
    name: str
    value: int
    what: str | None = None  # what it points at; None: nothing that is known


@frozen
class RegisterSet:
    source: str
    cpu: int | None
    rows: tuple[Register, ...]
    unknown: tuple[str, ...] = ()  # general registers that aren't held


@frozen
class Registers:
    sets: tuple[RegisterSet, ...]


@frozen
class FrameRow:
    level: int
    pc: int
    function: str | None
    file: str | None
    line: int | None
    offset: int | None
    trust: str
    how: str  # the trust in words, what it is inlined into, what makes it doubtful
    module: str | None
    unproven: bool
    source: Source | None = None
    code: Code | None = None


@frozen
class StackThread:
    tid: int | None
    name: str | None
    words: str  # what it does: "mutex ledger (tid 9)"
    crashed: bool = False


@frozen
class StackGroup:
    """Threads with the same stack (or the same reason for having none)."""

    threads: tuple[StackThread, ...]
    frames: tuple[FrameRow, ...]
    error: str | None = None
    note: str | None = None
    place: str | None = None  # the frame that matters: transfer_a (breakage.c:75)
    told: bool = False  # a verdict is about it


@frozen
class Stacks:
    groups: tuple[StackGroup, ...]


@frozen
class ColumnHead:
    key: str
    header: str
    align: str


@frozen
class TableBody:
    """A view's table: cells for people, ``rows`` with typed values for JSON."""

    name: str  # what a row is: "sockets"
    caption: str
    columns: tuple[ColumnHead, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[dict[str, Any], ...]


@frozen
class Tables:
    tables: tuple[TableBody, ...]


@frozen
class LockRow:
    name: str
    kind: str
    address: int
    owner_tid: int | None
    text: str  # held by worker-a (tid 3), 1 waiting
    torn: bool = False


@frozen
class Edge:
    """Thread ``tid`` waits for ``what``, which thread ``owner`` holds (or is: a join)."""

    tid: int
    thread: str
    what: str
    kind: str  # "mutex", "join"
    owner: int
    owner_name: str
    cycle: int | None = None  # the number of the cycle that it is part of


@frozen
class Locks:
    rows: tuple[LockRow, ...]
    waits: tuple[Edge, ...] = ()


@frozen
class Facts:
    facts: tuple[Fact, ...]
    data: dict[str, Any]


@frozen
class Entry:
    """One line of a record. ``time_ns`` since boot."""

    time_ns: int | None
    text: str
    tid: int | None = None
    lane: str = ""  # of the timeline: "call", "log", "packet", "death"


@frozen
class Lines:
    """The newest lines of a record, oldest first; ``earlier`` more were recorded and aren't held here."""

    entries: tuple[Entry, ...]
    earlier: int = 0
    lost: int = 0
    torn: int = 0


@frozen
class Unknowns:
    texts: tuple[str, ...]


Body = Cause | Around | Registers | Stacks | Tables | Locks | Facts | Lines | Unknowns


@frozen
class Section:
    key: str
    title: str
    state: State
    body: Body | None = None
    source: str | None = None  # where it's from
    reason: str | None = None  # why there is nothing
    notes: tuple[str, ...] = ()  # what it couldn't see


@frozen
class Report:
    target: str
    version: str  # of uniobs
    headline: str
    style: str  # "bad", "warn", "good", "bold"
    about: str  # (demo on qemu microvm; image demo.elf, text proven)
    facts: tuple[Fact, ...]
    status: Status
    verdicts: tuple[Verdict, ...]
    finding: bool
    complete: bool
    sections: tuple[Section, ...]
    unproven: str | None = None  # why nothing of it is proven (--force)
