"""What a small server did for some seconds, as a recording: calls, packets and lines that belong together."""

from pathlib import Path
from typing import Final

from tests.support.region_builder import RegionBuilder
from tests.support.server import Server, frame
from uniobs.export.recorder import Recorder
from uniobs.export.recording import RecordingWriter
from uniobs.region import _abi

S: Final = 1_000_000_000
STARTED: Final = 1_700_000_060 * S
FIN, SYN, PUSH, ACK = 1, 2, 8, 16


class Story(Server):
    def request(self, number: int, path: str, status: str, body: bytes) -> None:
        """A connection from its first packet to its last, and what a worker did for it."""
        tid, port = 3 + number % 2, 40000 + number
        seq, answer = 1000 * number, 5000 * number
        asked = f"GET {path} HTTP/1.1\r\nHost: kv\r\n\r\n".encode()
        told = f"HTTP/1.1 {status}\r\nServer: demo\r\n\r\n".encode() + body
        end = seq + len(asked)
        accept = self.accept(tid, port)
        self.packet(frame(port=port, seq=seq - 1, flags=SYN))
        self.packet(frame(port=port, seq=answer - 1, ack=seq, flags=SYN | ACK, out=True), 1)
        self.packet(frame(asked, port=port, seq=seq, ack=answer))
        accept.leave(5)
        filled = [(1, _abi.ARG_BUF, asked)]
        self.calls.call(self.trace_ring, tid, "recv", [(_abi.ARG_FD, 5)], len(asked), filled)
        name = (_abi.ARG_PATH, b"/data/" + path.rpartition("/")[2].encode())
        self.calls.call(
            self.trace_ring, tid, "open", [name, (_abi.ARG_OPEN_FLAGS, 0)], 6 if status[0] == "2" else -2
        )
        self.packet(frame(told, port=port, seq=answer, ack=end, out=True), 1)
        sent = [(_abi.ARG_FD, 5), (_abi.ARG_BUF, told)]
        self.calls.call(self.trace_ring, tid, "send", sent, len(told))
        self.call(tid, "close", 5, 0)
        self.packet(frame(port=port, seq=end, ack=answer + len(told), flags=FIN | ACK))
        level = 6 if status[0] == "2" else 4
        self.log(f"worker-{tid - 2} GET {path} {status[:3]}".encode(), level, tid)
        self.calls.time += S // 3

    def second(self, number: int) -> None:
        self.request(2 * number + 1, f"/kv/key-{number}", "200 OK", b"value %d\n" % number)
        self.request(2 * number + 2, "/kv/none", "404 Not Found", b"no such key\n")
        if number == 4:
            self.log(b"disk \x1b[31mfull\x07 \xe6\xbc\xa2\xe5\xad\x97", 3, 1)
        if number == 6:
            for extra in range(40):
                self.log(b"flood %d" % extra, 7, 4)
            waits = self.accept(3, 41000)
            assert waits


def told(path: Path, seconds: int = 8) -> Path:
    """The story, a moment a second from STARTED on."""
    story = Story(log=64, trace=512, packets=128)
    writer = RecordingWriter(str(path))
    try:
        recorder = Recorder(story.guest, writer.chunk)
        for number in range(seconds):
            story.second(number)
            story.sync()
            recorder.tick(STARTED + number * S)
        recorder.flush()
    finally:
        writer.close()
    assert isinstance(story.builder, RegionBuilder)
    return path
