"""Rows about a guest. None means unknown: it is printed as such, never guessed.

Times are guest TSC ticks where a field is named ``*_tsc`` and nanoseconds since the guest's boot
where it is named ``*_ns``; addresses are guest-virtual unless named otherwise. Text is as the guest
gave it: renderers make it safe for a terminal. ``torn`` marks a row whose writer was caught, or
died, in the middle of it, or that is garbled: its fields are then None, but for its key, which is 0 when
even that isn't known.
"""

from __future__ import annotations

from uniobs.lean import Literal
from uniobs.model.row import field, frozen

ThreadState = Literal["running", "ready", "blocked", "sleeping", "exited"]
WaitKind = Literal[
    "mutex",
    "cond",
    "sem",
    "sleep",
    "join",
    "accept",
    "recv",
    "send",
    "connect",
    "mbox",
    "poll",
    "irq",
    "other",
]
LockKind = Literal["mutex", "cond", "sem", "mbox"]
SocketKind = Literal["tcp", "udp", "raw", "file"]
CounterKind = Literal["counter", "gauge"]


@frozen
class Wait:
    """What a thread waits for. ``name`` is the object's; ``owner_tid`` who holds it."""

    kind: WaitKind
    object: int | None = None
    name: str | None = None
    owner_tid: int | None = None
    fd: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None


@frozen
class Thread:
    tid: int
    name: str | None = None
    state: ThreadState | None = None
    wait: Wait | None = None
    cpu: int | None = None
    cpu_time_ns: int | None = None
    switches: int | None = None
    started_ns: int | None = None
    entry: int | None = None
    stack_lo: int | None = None
    stack_hi: int | None = None
    stack_used: int | None = None
    saved_sp: int | None = None
    idle: bool | None = None
    current: bool | None = None
    os_tid: int | None = None
    torn: bool = False


@frozen
class Lock:
    address: int
    kind: LockKind | None = None
    name: str | None = None
    owner_tid: int | None = None  # 0 is nobody
    waiters: int | None = None
    value: int | None = None
    acquired_ns: int | None = None
    acquire_pc: int | None = None
    contended: int | None = None
    acquisitions: int | None = None
    torn: bool = False


@frozen
class Socket:
    id: int
    kind: SocketKind | None = None
    state: str | None = None  # ss's names: LISTEN, ESTAB, TIME-WAIT...; netstat's are made from them
    fd: int | None = None  # None: no descriptor (any more)
    owner_tid: int | None = None
    laddr: str | None = None
    lport: int | None = None
    raddr: str | None = None
    rport: int | None = None
    backlog: int | None = None
    backlog_max: int | None = None
    recvq: int | None = None
    sendq: int | None = None
    rx_bytes: int | None = None
    tx_bytes: int | None = None
    opened_ns: int | None = None
    retransmits: int | None = None
    cwnd: int | None = None  # bytes
    rtt_us: int | None = None
    mss: int | None = None
    path: str | None = None
    torn: bool = False


@frozen
class Interface:
    index: int
    name: str | None = None
    mac: str | None = None
    mtu: int | None = None
    addr: str | None = None
    prefix: int | None = None
    rx_packets: int | None = None
    rx_bytes: int | None = None
    rx_dropped: int | None = None
    rx_errors: int | None = None
    tx_packets: int | None = None
    tx_bytes: int | None = None
    tx_dropped: int | None = None
    tx_errors: int | None = None
    torn: bool = False


@frozen
class Counter:
    name: str | None
    kind: CounterKind | None = None
    unit: str | None = None
    value: int | None = None
    torn: bool = False


@frozen
class Heap:
    total: int | None = None
    used: int | None = None
    peak: int | None = None
    largest_free: int | None = None
    allocs: int | None = None
    frees: int | None = None
    failures: int | None = None
    torn: bool = False


@frozen
class AllocSite:
    pc: int
    live_bytes: int | None = None
    live_count: int | None = None
    total_bytes: int | None = None
    total_count: int | None = None
    torn: bool = False


@frozen
class LogLine:
    position: int
    time_ns: int | None
    level: int
    tid: int
    text: str
    truncated: bool = False


@frozen
class Arg:
    """One argument as carried. ``value``: an int, or bytes for paths and buffers (``length``: all of it)."""

    name: str | None
    kind: str  # the ABI's arg names, lower case: "fd", "path", "buf", "size"...
    pos: int
    value: int | bytes
    length: int | None = None


@frozen
class Event:
    """One event of a trace ring, decoded. ``position`` orders events of one ring; time orders rings."""

    ring: int
    position: int
    time_tsc: int
    time_ns: int | None
    tid: int
    name: str | None
    phase: Literal["instant", "enter", "exit"]
    category: str
    pair: int  # the ENTER event's id, for both halves
    args: tuple[Arg, ...]


@frozen
class Loss:
    """What a reader of rings did not see, in slots: overwritten (``lost``) or never finished (``torn``).

    ``truncated`` events were cut by their writer; ``garbled`` rings contradict themselves, so that
    what they lost is unknown and nothing of them was given.
    """

    lost: int = 0
    torn: int = 0
    truncated: int = 0
    garbled: int = 0


@frozen
class Packet:
    position: int
    time_ns: int | None
    wall_ns: int | None
    iface: int
    direction: Literal["rx", "tx"]
    length: int
    data: bytes


@frozen
class Panic:
    # the ABI's panic names: "exception", "assert", "stack_smash", "stack_overflow", "oom", "abort"; of a
    # process "signal" too, with the message saying which and why
    kind: str
    vector: int | None = None
    error: int | None = None
    time_ns: int | None = None
    tid: int | None = None
    message: str | None = None
    registers: Registers | None = None
    stack_va: int | None = None
    stack: bytes = b""


@frozen
class Registers:
    """x86-64 registers of one vCPU or of a fault; a name that is missing is unknown."""

    values: dict[str, int] = field(
        default_factory=dict
    )  # rax..r15 rip rflags cs ss cr0 cr2 cr3 cr4 fs_base gs_base
    source: str = ""  # "QMP", "core note", "panic record", "saved by the scheduler"
    cpu: int | None = None

    def get(self, name: str) -> int | None:
        return self.values.get(name)


Trust = Literal["registers", "cfi", "frame-pointer", "scan", "return-address"]


@frozen
class Frame:
    """One frame, innermost first; inlined callees are frames of their own with the same pc."""

    level: int
    pc: int
    function: str | None  # demangled, without argument types
    file: str | None
    line: int | None
    trust: Trust
    inlined_into: str | None = None
    module: str | None = None
    offset: int | None = None  # pc - function's start
    unproven: bool = False  # the function's bytes in memory differ from the image's
    cfa: int | None = None
    sp: int | None = None
    linkage_name: str | None = None  # what ``function`` was demangled from


@frozen
class Stack:
    """A thread's frames, or why there are none (``error``); ``note`` qualifies them (where it stopped)."""

    tid: int
    frames: tuple[Frame, ...] = ()
    error: str | None = None
    note: str | None = None


@frozen
class Vitals:
    """Signs of life of a guest without a region, as its own structures tell them."""

    beat: int | None = None  # moves on with each pass of its scheduler
    now_ns: int | None = None  # since boot, as of that pass
    idle: bool | None = None  # its idle thread has the CPU
    ended: str | None = None  # "panicked", "exited": it runs nothing any more


State = Literal["live", "hung", "dead", "unknown"]


@frozen
class Status:
    """The state of a guest and how it is known."""

    state: State
    reason: str  # "idle", "running", "panicked", "exited", "VMM gone", "no progress"...
    for_at_least_s: float | None = None  # how long it has been so, as watched or proven
    snapshot: bool = False  # a core or file: the state as of the moment it was taken
    beat_age_s: float | None = None
    unknown: tuple[str, ...] = ()  # what could not be determined


@frozen
class Verdict:
    """One finding. severity orders them: 0 is worst; 5 and up is said but is no finding.

    ``headline`` is short (``deadlock: a <-> b``); ``title`` follows the guest's name in a sentence
    (``has DEADLOCKED threads``); ``lines`` are facts, one a line.
    """

    name: str  # "deadlock", "spinning", "crash", "oom", "assertion", "stack-overflow", "hung", "exited"...
    headline: str
    severity: int
    threads: tuple[int, ...] = ()
    locks: tuple[int, ...] = ()
    lines: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    title: str = ""
    for_at_least_s: float | None = None
    next: tuple[str, ...] = ()  # commands to type next, with {target} for the guest
