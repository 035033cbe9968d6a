"""A guest that logs, makes calls and sends packets when a test says so: live, in this process."""

from struct import pack

from tests.support.calls import CallWriter, Open
from tests.support.region_builder import FakeMemory, RegionBuilder, pack_bytes, sockaddr
from uniobs.region import _abi
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin

CLIENT, SERVER = bytes([10, 0, 2, 2]), bytes([10, 0, 2, 15])
ROOM = 0x200000


class Server:
    """What is written is in the guest's memory after sync()."""

    def __init__(self, *, log: int = 64, trace: int = 256, packets: int = 64, name: str = "kv") -> None:
        self.builder = build = RegionBuilder()
        build.live["current_tid"] = 9
        for tid, thread in ((1, b"main"), (3, b"worker-1"), (4, b"worker-2")):
            build.thread(tid=tid, name=thread, state=_abi.THREAD_STATE_BLOCKED, wait=_abi.WAIT_ACCEPT)
        build.thread(tid=9, name=b"idle", state=_abi.THREAD_STATE_RUNNING, flags=_abi.THREAD_FLAG_IDLE)
        self.log_ring, self.trace_ring = build.log(log), build.trace(trace)
        self.packet_ring = build.packets(packets, 512)
        self.calls = CallWriter(build)
        self.calls.call(self.trace_ring, 1, "listen", [(_abi.ARG_FD, 3), (_abi.ARG_I64, 4)], 0)
        self.accept(1, 1, 1).leave(-4)
        self.memory = FakeMemory(b"", build.base, live=True)
        self.sync()
        place = build.base
        self.guest = Guest(Origin(name, "vm", "qemu microvm", self.memory, True, lambda _: place, pid=1))

    def sync(self) -> None:
        data = self.builder.build()
        self.memory.data[:] = data.ljust(max(len(data), len(self.memory.data)), b"\0")

    def reboot(self) -> None:
        """All begins anew."""
        self.builder.header["boot_id"] = b"another boot id!"
        for ring in self.builder.rings:
            ring.head = ring.events = 0
            ring.slots[:] = bytes(len(ring.slots))

    def log(self, text: bytes, level: int = 6, tid: int = 3) -> None:
        self.calls.time += 1000
        self.log_ring.put(_abi.EVENT_LOG, tid, self.calls.time, [level, *pack_bytes(text)])

    def accept(self, tid: int, port: int, fd: int = 5) -> Open:
        peer = (1, _abi.ARG_SOCKADDR, sockaddr(10, 0, 2, 2, port))
        return self.calls.enter(self.trace_ring, tid, "accept", [(_abi.ARG_FD, 3), None], [peer])

    def call(self, tid: int, name: str, fd: int, result: int) -> None:
        self.calls.call(self.trace_ring, tid, name, [(_abi.ARG_FD, fd)], result)

    def packet(self, frame: bytes, direction: int = 0) -> None:
        self.calls.time += 1000
        self.packet_ring.put_packet(frame, self.calls.time, direction)


def frame(
    payload: bytes = b"", *, port: int = 40000, seq: int = 1, ack: int = 1,
    flags: int = 0x18, out: bool = False,
) -> bytes:
    """A TCP segment between a client's port and the server's port 80."""
    ends = (SERVER, CLIENT) if out else (CLIENT, SERVER)
    ports = (80, port) if out else (port, 80)
    tcp = pack(">HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack, 5 << 4, flags, 1024, 0, 0) + payload
    ip = pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0x4000, 64, 6, 0) + ends[0] + ends[1]
    return bytes.fromhex("525400123456525500000202") + b"\x08\x00" + ip + tcp
