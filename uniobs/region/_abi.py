# ruff: noqa
"""Generated from guest-stubs/abi/schema.toml by generate.py: change that instead."""

from struct import Struct
from uniobs.lean import Final, NamedTuple

MAGIC: Final = bytes.fromhex("8a556e694f62732d526567696f6e0d0a")
MAJOR: Final = 1
MINOR: Final = 0
LIVE_OFFSET: Final = 256
DIRECTORY_OFFSET: Final = 512
FRAME_MAGIC: Final = 0x46424F55

SECTION_STRINGS: Final = 1
SECTION_EVENTS: Final = 2
SECTION_COUNTERS: Final = 3
SECTION_THREADS: Final = 4
SECTION_LOCKS: Final = 5
SECTION_SOCKETS: Final = 6
SECTION_HEAP: Final = 7
SECTION_SITES: Final = 8
SECTION_IFACES: Final = 9
SECTION_LOG: Final = 10
SECTION_TRACE: Final = 11
SECTION_PACKETS: Final = 12
SECTION_PANIC: Final = 13
SECTION_NAMES: Final[dict[int, str]] = {1: "strings", 2: "events", 3: "counters", 4: "threads", 5: "locks", 6: "sockets", 7: "heap", 8: "sites", 9: "ifaces", 10: "log", 11: "trace", 12: "packets", 13: "panic"}

STATE_INIT: Final = 0
STATE_RUNNING: Final = 1
STATE_PANICKED: Final = 2
STATE_EXITED: Final = 3
STATE_NAMES: Final[dict[int, str]] = {0: "init", 1: "running", 2: "panicked", 3: "exited"}

FLAG_HOSTED: Final = 1
FLAG_NAMES: Final[dict[int, str]] = {1: "hosted"}

THREAD_STATE_FREE: Final = 0
THREAD_STATE_RUNNING: Final = 1
THREAD_STATE_READY: Final = 2
THREAD_STATE_BLOCKED: Final = 3
THREAD_STATE_SLEEPING: Final = 4
THREAD_STATE_EXITED: Final = 5
THREAD_STATE_NAMES: Final[dict[int, str]] = {0: "free", 1: "running", 2: "ready", 3: "blocked", 4: "sleeping", 5: "exited"}

THREAD_FLAG_IDLE: Final = 1
THREAD_FLAG_NAMES: Final[dict[int, str]] = {1: "idle"}

WAIT_NONE: Final = 0
WAIT_MUTEX: Final = 1
WAIT_COND: Final = 2
WAIT_SEM: Final = 3
WAIT_SLEEP: Final = 4
WAIT_JOIN: Final = 5
WAIT_ACCEPT: Final = 6
WAIT_RECV: Final = 7
WAIT_SEND: Final = 8
WAIT_CONNECT: Final = 9
WAIT_MBOX: Final = 10
WAIT_POLL: Final = 11
WAIT_IRQ: Final = 12
WAIT_OTHER: Final = 13
WAIT_NAMES: Final[dict[int, str]] = {0: "none", 1: "mutex", 2: "cond", 3: "sem", 4: "sleep", 5: "join", 6: "accept", 7: "recv", 8: "send", 9: "connect", 10: "mbox", 11: "poll", 12: "irq", 13: "other"}

LOCK_KIND_FREE: Final = 0
LOCK_KIND_MUTEX: Final = 1
LOCK_KIND_COND: Final = 2
LOCK_KIND_SEM: Final = 3
LOCK_KIND_MBOX: Final = 4
LOCK_KIND_NAMES: Final[dict[int, str]] = {0: "free", 1: "mutex", 2: "cond", 3: "sem", 4: "mbox"}

FD_KIND_FREE: Final = 0
FD_KIND_TCP: Final = 1
FD_KIND_UDP: Final = 2
FD_KIND_RAW: Final = 3
FD_KIND_FILE: Final = 4
FD_KIND_NAMES: Final[dict[int, str]] = {0: "free", 1: "tcp", 2: "udp", 3: "raw", 4: "file"}

TCP_NONE: Final = 0
TCP_ESTABLISHED: Final = 1
TCP_SYN_SENT: Final = 2
TCP_SYN_RECV: Final = 3
TCP_FIN_WAIT1: Final = 4
TCP_FIN_WAIT2: Final = 5
TCP_TIME_WAIT: Final = 6
TCP_CLOSE: Final = 7
TCP_CLOSE_WAIT: Final = 8
TCP_LAST_ACK: Final = 9
TCP_LISTEN: Final = 10
TCP_CLOSING: Final = 11
TCP_NAMES: Final[dict[int, str]] = {0: "none", 1: "established", 2: "syn_sent", 3: "syn_recv", 4: "fin_wait1", 5: "fin_wait2", 6: "time_wait", 7: "close", 8: "close_wait", 9: "last_ack", 10: "listen", 11: "closing"}

COUNTER_KIND_FREE: Final = 0
COUNTER_KIND_COUNTER: Final = 1
COUNTER_KIND_GAUGE: Final = 2
COUNTER_KIND_NAMES: Final[dict[int, str]] = {0: "free", 1: "counter", 2: "gauge"}

UNIT_NONE: Final = 0
UNIT_BYTES: Final = 1
UNIT_PACKETS: Final = 2
UNIT_NANOSECONDS: Final = 3
UNIT_EVENTS: Final = 4
UNIT_NAMES: Final[dict[int, str]] = {0: "none", 1: "bytes", 2: "packets", 3: "nanoseconds", 4: "events"}

PHASE_INSTANT: Final = 0
PHASE_ENTER: Final = 1
PHASE_EXIT: Final = 2
PHASE_NAMES: Final[dict[int, str]] = {0: "instant", 1: "enter", 2: "exit"}

CATEGORY_OTHER: Final = 0
CATEGORY_SYSCALL: Final = 1
CATEGORY_SCHED: Final = 2
CATEGORY_LOCK: Final = 3
CATEGORY_NET: Final = 4
CATEGORY_IRQ: Final = 5
CATEGORY_MEMORY: Final = 6
CATEGORY_NAMES: Final[dict[int, str]] = {0: "other", 1: "syscall", 2: "sched", 3: "lock", 4: "net", 5: "irq", 6: "memory"}

ARG_NONE: Final = 0
ARG_U64: Final = 1
ARG_I64: Final = 2
ARG_HEX: Final = 3
ARG_PTR: Final = 4
ARG_SIZE: Final = 5
ARG_FD: Final = 6
ARG_TID: Final = 7
ARG_LOCK: Final = 8
ARG_STRING: Final = 9
ARG_OPEN_FLAGS: Final = 10
ARG_MSG_FLAGS: Final = 11
ARG_MODE: Final = 12
ARG_SOCK_DOMAIN: Final = 13
ARG_SOCK_TYPE: Final = 14
ARG_SOCK_PROTO: Final = 15
ARG_SOCKADDR: Final = 16
ARG_RET: Final = 17
ARG_ENTER_TIME: Final = 18
ARG_NS: Final = 19
ARG_SHUT_HOW: Final = 20
ARG_SOCK_LEVEL: Final = 21
ARG_SOCK_OPT: Final = 22
ARG_WAIT: Final = 23
ARG_THREAD_STATE: Final = 24
ARG_PATH: Final = 32
ARG_BUF: Final = 33
ARG_NAMES: Final[dict[int, str]] = {0: "none", 1: "u64", 2: "i64", 3: "hex", 4: "ptr", 5: "size", 6: "fd", 7: "tid", 8: "lock", 9: "string", 10: "open_flags", 11: "msg_flags", 12: "mode", 13: "sock_domain", 14: "sock_type", 15: "sock_proto", 16: "sockaddr", 17: "ret", 18: "enter_time", 19: "ns", 20: "shut_how", 21: "sock_level", 22: "sock_opt", 23: "wait", 24: "thread_state", 32: "path", 33: "buf"}

LEVEL_EMERG: Final = 0
LEVEL_ALERT: Final = 1
LEVEL_CRIT: Final = 2
LEVEL_ERR: Final = 3
LEVEL_WARN: Final = 4
LEVEL_NOTICE: Final = 5
LEVEL_INFO: Final = 6
LEVEL_DEBUG: Final = 7
LEVEL_NAMES: Final[dict[int, str]] = {0: "emerg", 1: "alert", 2: "crit", 3: "err", 4: "warn", 5: "notice", 6: "info", 7: "debug"}

DIR_RX: Final = 0
DIR_TX: Final = 1
DIR_NAMES: Final[dict[int, str]] = {0: "rx", 1: "tx"}

PANIC_NONE: Final = 0
PANIC_EXCEPTION: Final = 1
PANIC_ASSERT: Final = 2
PANIC_STACK_SMASH: Final = 3
PANIC_STACK_OVERFLOW: Final = 4
PANIC_OOM: Final = 5
PANIC_ABORT: Final = 6
PANIC_NAMES: Final[dict[int, str]] = {0: "none", 1: "exception", 2: "assert", 3: "stack_smash", 4: "stack_overflow", 5: "oom", 6: "abort"}

EVENT_NONE: Final = 0
EVENT_LOG: Final = 1
EVENT_SWITCH: Final = 2
EVENT_FIRST: Final = 16
EVENT_NAMES: Final[dict[int, str]] = {0: "none", 1: "log", 2: "switch", 16: "first"}

SLOT_ID_MASK: Final = 4095
SLOT_N_SHIFT: Final = 12
SLOT_MAX: Final = 15
SLOT_CONT: Final = 15
SLOT_NAMES: Final[dict[int, str]] = {4095: "id_mask", 12: "n_shift", 15: "max", 15: "cont"}

FRAME_READ: Final = 1
FRAME_DATA: Final = 2
FRAME_REFUSED: Final = 3
FRAME_HELLO: Final = 4
FRAME_NAMES: Final[dict[int, str]] = {1: "read", 2: "data", 3: "refused", 4: "hello"}


class Header(NamedTuple):
    """Fixed once initialised; crc guards it and the directory."""

    magic: bytes
    major: int
    minor: int
    header_size: int
    self_pa: int
    self_va: int
    size: int
    section_count: int
    cpu_count: int
    tsc_khz: int
    arch: int
    flags: int
    anchor_tsc: int
    anchor_wall_ns: int
    boot_id: bytes
    image_id: bytes
    image_id_len: int
    image_bias: int
    kernel: bytes
    app: bytes
    switch_regs: bytes
    switch_size: int
    os_pid: int
    reserved: bytes
    crc: int


HEADER: Final = Struct("<16sHHIQQQIIIHHQQ16s20sIQ24s24s8sII60sI")
HEADER_SIZE: Final = 256
HEADER_OFFSETS: Final[dict[str, int]] = {"magic": 0, "major": 16, "minor": 18, "header_size": 20, "self_pa": 24, "self_va": 32, "size": 40, "section_count": 48, "cpu_count": 52, "tsc_khz": 56, "arch": 60, "flags": 62, "anchor_tsc": 64, "anchor_wall_ns": 72, "boot_id": 80, "image_id": 96, "image_id_len": 116, "image_bias": 120, "kernel": 128, "app": 152, "switch_regs": 176, "switch_size": 184, "os_pid": 188, "reserved": 192, "crc": 252}


class HeaderLive(NamedTuple):
    """At offset 256: what changes while the guest runs."""

    state: int
    exit_code: int
    beat_count: int
    beat_tsc: int
    tick_count: int
    tick_tsc: int
    current_tid: int
    ready_count: int
    thread_overflow: int
    lock_overflow: int
    socket_overflow: int
    site_overflow: int
    trace_off: int
    string_overflow: int
    check: int
    reserved: bytes


HEADER_LIVE: Final = Struct("<IiQQQQIIQQQQQQI28s")
HEADER_LIVE_SIZE: Final = 128
HEADER_LIVE_OFFSETS: Final[dict[str, int]] = {"state": 0, "exit_code": 4, "beat_count": 8, "beat_tsc": 16, "tick_count": 24, "tick_tsc": 32, "current_tid": 40, "ready_count": 44, "thread_overflow": 48, "lock_overflow": 56, "socket_overflow": 64, "site_overflow": 72, "trace_off": 80, "string_overflow": 88, "check": 96, "reserved": 100}


class Section(NamedTuple):
    """At offset 512: the directory."""

    kind: int
    index: int  # type: ignore[assignment]
    offset: int
    size: int
    entry_size: int
    entry_count: int


SECTION: Final = Struct("<IIQQII")
SECTION_SIZE: Final = 32
SECTION_OFFSETS: Final[dict[str, int]] = {"kind": 0, "index": 4, "offset": 8, "size": 16, "entry_size": 24, "entry_count": 28}


class Strings(NamedTuple):
    """Head of the string section. Strings follow: a u32 check, NUL-terminated UTF-8. Offsets count from the section's start to the text."""

    used: int
    reserved: int


STRINGS: Final = Struct("<II")
STRINGS_SIZE: Final = 8
STRINGS_OFFSETS: Final[dict[str, int]] = {"used": 0, "reserved": 4}


class EventArg(NamedTuple):
    """One event_arg row."""

    kind: int
    pos: int
    name: int


EVENT_ARG: Final = Struct("<BBH")
EVENT_ARG_SIZE: Final = 4
EVENT_ARG_OFFSETS: Final[dict[str, int]] = {"kind": 0, "pos": 1, "name": 2}


class Event(NamedTuple):
    """One event row."""

    name: int
    id: int
    pair: int
    phase: int
    category: int
    nargs: int
    enabled: int
    args: bytes
    check: int


EVENT: Final = Struct("<IHHBBBB48sI")
EVENT_SIZE: Final = 64
EVENT_OFFSETS: Final[dict[str, int]] = {"name": 0, "id": 4, "pair": 6, "phase": 8, "category": 9, "nargs": 10, "enabled": 11, "args": 12, "check": 60}


class Counter(NamedTuple):
    """inverse is ~value. check guards name, kind and unit."""

    name: int
    kind: int
    unit: int
    value: int
    inverse: int
    check: int
    reserved: int


COUNTER: Final = Struct("<IHHQQII")
COUNTER_SIZE: Final = 32
COUNTER_OFFSETS: Final[dict[str, int]] = {"name": 0, "kind": 4, "unit": 6, "value": 8, "inverse": 16, "check": 24, "reserved": 28}


class Thread(NamedTuple):
    """One thread row."""

    seq: int
    check: int
    tid: int
    cpu: int
    state: int
    wait: int
    flags: int
    pad: int
    wait_obj: int
    wait_since: int
    wait_until: int
    cpu_ticks: int
    on_cpu_since: int
    switches: int
    started: int
    entry: int
    stack_lo: int
    stack_hi: int
    saved_sp: int
    stack_low_mark: int
    os_tid: int
    wait_fd: int
    ticks_sampled: int
    name: bytes
    reserved: bytes


THREAD: Final = Struct("<IIIIBBHIQQQQQQQQQQQQIiQ32s24s")
THREAD_SIZE: Final = 192
THREAD_OFFSETS: Final[dict[str, int]] = {"seq": 0, "check": 4, "tid": 8, "cpu": 12, "state": 16, "wait": 17, "flags": 18, "pad": 20, "wait_obj": 24, "wait_since": 32, "wait_until": 40, "cpu_ticks": 48, "on_cpu_since": 56, "switches": 64, "started": 72, "entry": 80, "stack_lo": 88, "stack_hi": 96, "saved_sp": 104, "stack_low_mark": 112, "os_tid": 120, "wait_fd": 124, "ticks_sampled": 128, "name": 136, "reserved": 168}


class Lock(NamedTuple):
    """One lock row."""

    seq: int
    check: int
    va: int
    kind: int
    pad: int
    waiters: int
    owner_tid: int
    value: int
    pad2: int
    acquired: int
    acquire_pc: int
    contended: int
    acquisitions: int
    name: bytes


LOCK: Final = Struct("<IIQBBHIiIQQQQ32s")
LOCK_SIZE: Final = 96
LOCK_OFFSETS: Final[dict[str, int]] = {"seq": 0, "check": 4, "va": 8, "kind": 16, "pad": 17, "waiters": 18, "owner_tid": 20, "value": 24, "pad2": 28, "acquired": 32, "acquire_pc": 40, "contended": 48, "acquisitions": 56, "name": 64}


class Socket(NamedTuple):
    """One socket row."""

    seq: int
    check: int
    id: int
    kind: int
    state: int
    family: int
    pad: int
    fd: int
    owner_tid: int
    pad2: int
    laddr: bytes
    raddr: bytes
    lport: int
    rport: int
    backlog: int
    backlog_max: int
    recvq: int
    sendq: int
    rx_bytes: int
    tx_bytes: int
    opened: int
    retransmits: int
    cwnd: int
    rtt_us: int
    mss: int
    path: bytes
    reserved: bytes


SOCKET: Final = Struct("<IIQBBBBiII16s16sHHHHIIQQQIIII48s24s")
SOCKET_SIZE: Final = 192
SOCKET_OFFSETS: Final[dict[str, int]] = {"seq": 0, "check": 4, "id": 8, "kind": 16, "state": 17, "family": 18, "pad": 19, "fd": 20, "owner_tid": 24, "pad2": 28, "laddr": 32, "raddr": 48, "lport": 64, "rport": 66, "backlog": 68, "backlog_max": 70, "recvq": 72, "sendq": 76, "rx_bytes": 80, "tx_bytes": 88, "opened": 96, "retransmits": 104, "cwnd": 108, "rtt_us": 112, "mss": 116, "path": 120, "reserved": 168}


class Heap(NamedTuple):
    """One heap row."""

    seq: int
    check: int
    total: int
    used: int
    peak: int
    largest_free: int
    allocs: int
    frees: int
    failures: int


HEAP: Final = Struct("<IIQQQQQQQ")
HEAP_SIZE: Final = 64
HEAP_OFFSETS: Final[dict[str, int]] = {"seq": 0, "check": 4, "total": 8, "used": 16, "peak": 24, "largest_free": 32, "allocs": 40, "frees": 48, "failures": 56}


class Site(NamedTuple):
    """Allocations by call site. One writer context at a time."""

    seq: int
    check: int
    pc: int
    live_bytes: int
    live_count: int
    total_bytes: int
    total_count: int


SITE: Final = Struct("<IIQQQQQ")
SITE_SIZE: Final = 48
SITE_OFFSETS: Final[dict[str, int]] = {"seq": 0, "check": 4, "pc": 8, "live_bytes": 16, "live_count": 24, "total_bytes": 32, "total_count": 40}


class Iface(NamedTuple):
    """One iface row."""

    seq: int
    check: int
    index: int  # type: ignore[assignment]
    name: bytes
    mac: bytes
    mtu: int
    flags: int
    prefix: int
    addr: bytes
    pad: int
    rx_packets: int
    rx_bytes: int
    rx_dropped: int
    tx_packets: int
    tx_bytes: int
    tx_dropped: int
    rx_errors: int
    tx_errors: int


IFACE: Final = Struct("<III16s6sHII16sIQQQQQQQQ")
IFACE_SIZE: Final = 128
IFACE_OFFSETS: Final[dict[str, int]] = {"seq": 0, "check": 4, "index": 8, "name": 12, "mac": 28, "mtu": 34, "flags": 36, "prefix": 40, "addr": 44, "pad": 60, "rx_packets": 64, "rx_bytes": 72, "rx_dropped": 80, "tx_packets": 88, "tx_bytes": 96, "tx_dropped": 104, "rx_errors": 112, "tx_errors": 120}


class Ring(NamedTuple):
    """Head of a log, trace or packet ring; slots follow."""

    head: int
    events: int
    truncated: int
    owner: int
    flags: int
    reserved: bytes


RING: Final = Struct("<QQQII32s")
RING_SIZE: Final = 64
RING_OFFSETS: Final[dict[str, int]] = {"head": 0, "events": 8, "truncated": 16, "owner": 24, "flags": 28, "reserved": 32}


class Slot(NamedTuple):
    """First slot of an event (log and trace rings)."""

    seq: int
    info: int
    tid: int
    time: int
    w0: int
    w1: int


SLOT: Final = Struct("<IHHQQQ")
SLOT_SIZE: Final = 32
SLOT_OFFSETS: Final[dict[str, int]] = {"seq": 0, "info": 4, "tid": 6, "time": 8, "w0": 16, "w1": 24}


class SlotCont(NamedTuple):
    """Second and further slots of an event."""

    seq: int
    info: int
    part: int
    w0: int
    w1: int
    w2: int


SLOT_CONT_ROW: Final = Struct("<IHHQQQ")
SLOT_CONT_ROW_SIZE: Final = 32
SLOT_CONT_ROW_OFFSETS: Final[dict[str, int]] = {"seq": 0, "info": 4, "part": 6, "w0": 8, "w1": 16, "w2": 24}


class Packet(NamedTuple):
    """Head of a packet slot; the first cap_len bytes of the frame follow."""

    seq: int
    iface: int
    dir: int
    pad: int
    time: int
    orig_len: int
    cap_len: int
    reserved: int


PACKET: Final = Struct("<IHBBQIIQ")
PACKET_SIZE: Final = 32
PACKET_OFFSETS: Final[dict[str, int]] = {"seq": 0, "iface": 4, "dir": 6, "pad": 7, "time": 8, "orig_len": 16, "cap_len": 20, "reserved": 24}


class Panic(NamedTuple):
    """The panic record; kind is stored last. The stack copy follows the struct inside its section."""

    kind: int
    vector: int
    error: int
    time: int
    tid: int
    cpu: int
    rax: int
    rbx: int
    rcx: int
    rdx: int
    rsi: int
    rdi: int
    rbp: int
    rsp: int
    r8: int
    r9: int
    r10: int
    r11: int
    r12: int
    r13: int
    r14: int
    r15: int
    rip: int
    rflags: int
    cs: int
    ss: int
    cr0: int
    cr2: int
    cr3: int
    cr4: int
    message: bytes
    stack_va: int
    stack_len: int
    check: int
    stack_check: int
    reserved: bytes


PANIC: Final = Struct("<IIQQIIQQQQQQQQQQQQQQQQQQQQQQQQ192sQQII72s")
PANIC_SIZE: Final = 512
PANIC_OFFSETS: Final[dict[str, int]] = {"kind": 0, "vector": 4, "error": 8, "time": 16, "tid": 24, "cpu": 28, "rax": 32, "rbx": 40, "rcx": 48, "rdx": 56, "rsi": 64, "rdi": 72, "rbp": 80, "rsp": 88, "r8": 96, "r9": 104, "r10": 112, "r11": 120, "r12": 128, "r13": 136, "r14": 144, "r15": 152, "rip": 160, "rflags": 168, "cs": 176, "ss": 184, "cr0": 192, "cr2": 200, "cr3": 208, "cr4": 216, "message": 224, "stack_va": 416, "stack_len": 424, "check": 432, "stack_check": 436, "reserved": 440}


class Frame(NamedTuple):
    """Head of every message on a channel. READ carries no payload; DATA carries size bytes. HELLO is a READ whose answer is DATA with the header page and address = self_pa."""

    magic: int
    type: int
    id: int
    size: int
    address: int
    time: int
    payload_crc: int
    crc: int


FRAME: Final = Struct("<IIIIQQII")
FRAME_SIZE: Final = 40
FRAME_OFFSETS: Final[dict[str, int]] = {"magic": 0, "type": 4, "id": 8, "size": 12, "address": 16, "time": 24, "payload_crc": 32, "crc": 36}
