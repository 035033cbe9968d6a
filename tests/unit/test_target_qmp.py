"""QMP against monitors that lie, and QEMU's register text."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from uniobs.errors import NotOffered, TargetError
from uniobs.target import qmp

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
READY = GREETING + b'{"return": {}, "id": 1}\r\n'

TEXT = """
CPU#0
RAX=0000000080000011 RBX=00000000000f31e0 RCX=00000000c0000080 RDX=0000000000000000
R8 =0000000000000001 R9 =0000000000000002 R10=0000000000000003 R15=1122334455667788
RIP=0000000000101052 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
CS =0008 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]
FS =0000 00007f0000001000 00000000 00000000
LDT=0000 0000000000000000 0000ffff 00008200 DPL=0 LDT
GDT=     0000000000103000 00000017
CR0=80000011 CR2=0000000000000000 CR3=0000000000104000 CR4=00000020
CPU#1
EAX=00000001 EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0
CS =f000 ffff0000 0000ffff 00009b00
CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000
"""


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A socket that sends what is in the list to one client, then waits for it to leave."""
    says: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    path = str(tmp_path / "qmp")
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(10)

    def serve() -> None:
        client = listener.accept()[0]
        with client:
            client.settimeout(10)
            try:
                for part in says:
                    client.sendall(part)
                while client.recv(4096):
                    pass
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    yield path, says
    thread.join(15)
    listener.close()


def test_registers() -> None:
    first, second = qmp.parse_registers(TEXT)
    assert (first.cpu, second.cpu) == (0, 1)
    wanted = {
        "rax": 0x80000011,
        "r8": 1,
        "r10": 3,
        "r15": 0x1122334455667788,
        "rip": 0x101052,
        "rflags": 0x46,
        "cs": 8,
        "fs_base": 0x7F0000001000,
        "gdt_base": 0x103000,
        "cr3": 0x104000,
        "cr4": 0x20,
        "halted": 1,
    }
    assert {name: first.get(name) for name in wanted} == wanted
    assert second.get("rip") is None  # 32-bit mode: half a register is no register
    assert second.get("cr0") == 0x60000010
    assert qmp.parse_registers("") == []
    assert qmp.parse_registers("CPU#9\n\0\xff")[0].get("rip") is None


def test_one_that_is_held(monitor: tuple[str, list[bytes]]) -> None:
    with pytest.raises(NotOffered, match=r"unknown \(QMP in use\)"):
        qmp.Qmp(monitor[0])


@pytest.mark.parametrize(
    "says", [b"{}\n", b"[1]\n{}\n", b"not json\n", b'{"QMP": 5}\n', b"[" * 100_000 + b"\n", b"\xff\xfe\n"]
)
def test_what_is_no_qmp(monitor: tuple[str, list[bytes]], says: bytes) -> None:
    monitor[1].append(says)
    with pytest.raises(TargetError):
        qmp.Qmp(monitor[0])


def test_events_between_answers(monitor: tuple[str, list[bytes]]) -> None:
    path, says = monitor
    says += [READY, b'{"event": "STOP"}\r\n{"return": {"status": "old"}, "id": 1}\r\n']
    says += [b'{"return": {"status": "paused"}, "id": 2}\r\n{"error": {"desc": "no"}, "id": 3}\r\n']
    says += [b'{"return": [], "id": 4}\r\n']
    with qmp.opened(path) as connection:
        assert connection.status() == "paused"
        with pytest.raises(TargetError, match="QMP stop: no"):
            connection.stop()
        with pytest.raises(TargetError, match="without a status"):
            connection.status()
        with pytest.raises(TargetError, match="no answer within"):
            connection.call("cont", timeout=0.1)


def test_a_line_that_does_not_end(monitor: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "LINE_MAX", 1 << 16)
    path, says = monitor
    says += [READY, b"x" * (1 << 18)]
    with qmp.opened(path) as connection, pytest.raises(TargetError, match="doesn't end"):
        connection.status()
