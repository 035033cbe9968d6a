"""Parts of the Unikraft walker that need no guest: switch frames, trace records, patches, known images."""

import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.flatspace import FlatSpace
from support.unikraft_shapes import built, needs_qemu
from uniobs.errors import ImageMismatch, NotOffered
from uniobs.image import store
from uniobs.image.module import Module
from uniobs.target.imagefile import beside, load_image
from uniobs_probes.kernels.lwip import Lwip
from uniobs_probes.kernels.macros import macro
from uniobs_probes.kernels.switched import resume
from uniobs_probes.kernels.unikraft_threads import Threads
from uniobs_probes.kernels.unikraft_trace import Point, TraceBuffer, formatted, points
from uniobs_probes.kernels.unikraft_waits import Waits, kind_of, member_at
from uniobs_probes.verdicts._loop import endless

pytestmark = needs_qemu


@pytest.fixture(scope="module")
def module() -> Module:
    return Module.load(built("deadlock"))


def memory_of(module: Module) -> FlatSpace:
    """Its segments as loaded, zeros where the file has none."""
    elf = module.debug or module.elf
    low = min(s.vaddr for s in elf.segments if s.type == 1)
    high = max(s.vaddr + s.memsz for s in elf.segments if s.type == 1)
    space = FlatSpace({low: bytes(high - low)})
    for segment in elf.segments:
        if segment.type == 1:
            at = segment.vaddr - low
            space.areas[low][at : at + segment.filesz] = elf.read(segment.vaddr, segment.filesz)
    return space


class Code:
    """A module that is code bytes at 0x1000."""

    name = "code"

    def __init__(self, code: bytes) -> None:
        self._code = code

    def text(self, address: int, size: int) -> bytes:
        at = address - 0x1000
        return self._code[at : at + size] if at >= 0 else b""

    def function(self, address: int) -> tuple[str, int, int] | None:
        return ("loop", 0x1000, len(self._code)) if 0x1000 <= address < 0x1000 + len(self._code) else None


POPS = bytes.fromhex("415f415e415d415c5b5dc3")  # r15 r14 r13 r12 rbx rbp, ret


def test_registers_come_from_the_switch_code() -> None:
    stack = FlatSpace({0x8000: struct.pack("<8Q", 15, 14, 13, 12, 3, 5, 0x4444, 9)})
    found = resume(Code(POPS), stack, 0x1000, 0x8000).values
    assert found == {"r15": 15, "r14": 14, "r13": 13, "r12": 12, "rbx": 3, "rbp": 5, "rip": 0x4444,
                     "rsp": 0x8038}  # fmt: skip
    fresh = resume(Code(b"\x5b\xff\xe3"), stack, 0x1000, 0x8000).values  # pop rbx; jmp rbx
    assert fresh == {"rip": 0x1000, "rsp": 0x8000}
    assert resume(Code(b""), stack, 0x9999, 0x8000).values == {"rip": 0x9999, "rsp": 0x8000}
    with pytest.raises(NotOffered, match="aren't in this memory"):
        resume(Code(POPS), stack, 0x1000, 0x8030)


@pytest.mark.parametrize(
    ("code", "spins"),
    [
        ("ebfe", True),  # jmp $
        ("48ffc0ebfb", True),  # inc rax; jmp back
        ("48ffc075fbebf9", True),  # inc rax; jne back; jmp back
        ("48ffc075fbc3", False),  # ...; ret
        ("e8fbffffffebf9", False),  # call
        ("f4ebfd", False),  # hlt
        ("ffe0", False),  # jmp rax
        ("eb10", False),  # out of the function
        ("48ffc0", False),  # runs on beyond its end
        ("cd80ebfc", False),  # int 0x80
        ("ff", False),  # no instruction
    ],
)
def test_code_that_cannot_be_left(code: str, spins: bool) -> None:
    assert endless(Code(bytes.fromhex(code)), 0x1000) == ("loop" if spins else None)


def definition(cookie: int, name: bytes, form: bytes, args: list[tuple[int, int]]) -> bytes:
    sizes, kinds = bytes(a for a, _ in args), bytes(b for _, b in args)
    rest = sizes + kinds + name + b"\0" + form + b"\0"
    head = struct.pack("<4sIQBBB", b"TPde", 19 + len(rest), cookie, len(args), len(name) + 1, len(form) + 1)
    return (head + rest).ljust(64, b"\0")


LIST = definition(0x10, b"trace_bind", b"%d %p", [(4, 0), (8, 0)]) + definition(
    0x20, b"trace_open", b"%s (%u)", [(8, 1), (2, 0)]
)


def test_trace_definitions() -> None:
    assert points(LIST) == {
        0x10: Point("trace_bind", "%d %p", ((4, False), (8, False))),
        0x20: Point("trace_open", "%s (%u)", ((8, True), (2, False))),
    }
    for cut in range(len(LIST)):
        assert set(points(LIST[:cut])) <= {0x10, 0x20}
    assert points(b"TPde" * 100) == {}


class Traced:
    """A module with a trace buffer of 256 bytes at 0x4000."""

    name = "traced"
    debug = None

    class elf:
        @staticmethod
        def data(name: str) -> bytes:
            return LIST if name == ".uk_tracepoints_list" else b""

    def symbol(self, name: str) -> tuple[int, int] | None:
        places = {"uk_trace_buffer": 0x4000, "uk_trace_buffer_free": 0x4100, "uk_trace_buffer_writep": 0x4108}
        return (places[name], 256) if name in places else None


def record(cookie: int, when: int, body: bytes) -> bytes:
    return struct.pack("<4sIQQ", b"TRhd", len(body), when, cookie) + body


def traced(records: bytes, left: int | None = None, write: int | None = None) -> Any:
    left = 256 - len(records) if left is None else left
    write = 0x4000 + len(records) if write is None else write
    space = FlatSpace({0x4000: records.ljust(256, b"\0") + struct.pack("<QQ", left, write)})
    return TraceBuffer(Traced(), lambda: space), space


def test_trace_records() -> None:
    bind = record(0x10, 1000, struct.pack("<iQ", -3, 0xABC))
    opened = record(0x20, 2000, b"\4/etc" + struct.pack("<H", 65535))
    follow, _ = traced(bind + opened + record(0x99, 3000, b"??"))
    first, second, third = follow.poll()
    assert (first.name, first.time_ns, first.args[0].value) == ("bind", 1000, 0xFFFFFFFD)
    assert first.args[-1].value == b"-3 0xabc"
    assert second.args[0].value == b"/etc" and second.args[-1].value == b"/etc (65535)"
    assert (third.name, third.args) == (None, ())
    assert follow.poll() == [] and not follow.full and not follow.loss.garbled
    follow, _ = traced(bind, left=0)
    assert len(follow.poll()) == 1 and follow.full


@pytest.mark.parametrize(
    ("left", "write"), [(5, None), (None, 0x3FFF), (None, 0x4101), (1 << 63, None), (None, 0)]
)
def test_a_trace_buffer_that_contradicts_itself(left: int | None, write: int | None) -> None:
    follow, _ = traced(record(0x10, 1, bytes(12)), left, write)
    assert follow.poll() == []


def test_trace_records_cut_short() -> None:
    follow, _ = traced(record(0x10, 1, bytes(12)) + struct.pack("<4sIQQ", b"TRhd", 5000, 2, 0x10))
    assert len(follow.poll()) == 1 and follow.loss.garbled == 1
    follow, _ = traced(record(0x10, 1, b"\1"))  # fewer arguments than its definition has
    assert follow.poll()[0].args == ()


def test_formats() -> None:
    assert formatted("%d%% %#x %s %c %lu", [5, 255, b"x", 65, 1 << 40], [4, 4, 8, 1, 8]) == (
        "5% 0xff x A 1099511627776"
    )
    assert formatted("%f", [1], [8]) is None
    assert formatted("%d %d", [1], [4]) is None


def test_numbers_of_macros(module: Module) -> None:
    assert macro(module, "UK_THREADF_RUNNABLE") == 8
    assert macro(module, "UK_THREADF_EXITED") == 16
    assert macro(module, "CPUS") == 2
    assert macro(module, "STACK_SIZE") is None  # an expression
    assert macro(module, "NOTHING") is None


def test_names_of_members(module: Module) -> None:
    shelf, mutex = module.types.type("struct shelf"), module.types.type("struct uk_mutex")
    assert member_at(shelf, shelf.offset("locks"), mutex) == ".locks[0]"
    assert member_at(shelf, shelf.offset("locks") + (mutex.size or 0), mutex) == ".locks[1]"
    assert member_at(shelf, shelf.offset("locks") + 8, mutex) is None
    assert member_at(shelf, 0, mutex) is None
    assert member_at(mutex, 0, mutex) == ""


def test_waits_by_functions() -> None:
    assert kind_of(["uk_pollq_poll_until", "uk_socket_accept", "accept", "main"]) == "accept"
    assert kind_of(["uk_semaphore_down_to", "uk_mbox_recv_to", "tcpip_thread"]) == "mbox"
    assert kind_of(["main"]) is None
    assert kind_of([]) is None


def test_an_image_whose_memory_was_never_set_up(module: Module) -> None:
    """Zeros everywhere: no threads, no locks that nobody made, no sockets but those that are variables."""
    space = memory_of(module)
    assert Threads(module).look(space).threads == ()
    assert all(row.owner in (0, None) for row in Waits(module).globals(space, frozenset()))
    lwip = Lwip.of(module)
    assert lwip is not None
    notices: list[str] = []
    assert {s.state for s in lwip.sockets(space, notices)} == {"LISTEN", "ESTAB", "UNCONN"}
    assert notices == []


def test_a_list_of_sockets_that_leads_back(module: Module) -> None:
    space = memory_of(module)
    address = (module.symbol("connection") or (0, 0))[0]
    following = module.types.type("struct tcp_pcb").offset("next")
    space.write(address + following, address)
    lwip = Lwip.of(module)
    assert lwip is not None
    notices: list[str] = []
    assert len(lwip.sockets(space, notices)) == 3
    assert "leads back" in notices[0]


def test_page_tables_may_be_touched_and_nothing_else(tmp_path: Path) -> None:
    """Accessed and dirty bits are the processor's, other changes another build's."""
    source = tmp_path / "t.S"
    source.write_text(
        ".text\n.globl _start\n.type _start,@function\n_start: xor %eax,%eax\n ret\n"
        ".size _start, .-_start\n.globl other\n.type other,@function\nother: .byte 0x0f,0x1f,0x44,0,0\n"
        " mov $42,%eax\n ret\n.size other,.-other\n"
        '.balign 4096\n.globl pml4\npml4: .quad 0x2003\n.fill 511,8,0\n.section .note.GNU-stack,""\n'
    )
    path = tmp_path / "t"
    command = ["gcc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-e,_start"]
    subprocess.run([*command, "-o", path, source], check=True, capture_output=True)
    module = Module.load(path)
    table = (module.symbol("pml4") or (0, 0))[0]
    space = memory_of(module)
    assert module.prove(space).note is None
    space.write(table, 0x2063)
    assert module.prove(space).note is None  # the processor touched it
    space.write(table, 0x3003)
    with pytest.raises(ImageMismatch):
        module.prove(space)
    space.write(table, 0x2003)
    other = (module.symbol("other") or (0, 0))[0]
    code = space.read(other, 5)
    for patched, right in ((b"\xcc" + code[1:], True), (b"\xe8\1\2\3\4", True), (code[:2] + b"\x99", False)):
        area = next(area for start, area in space.areas.items())
        at = other - next(iter(space.areas))
        area[at : at + 5] = patched.ljust(5, b"\0")[:5] if len(patched) != 5 else patched
        if right:
            assert [name for _, _, name in module.prove(space).differing] == ["other"]
            assert module.differs(other)
        else:
            with pytest.raises(ImageMismatch, match=r"1 of \d functions"):
                module.prove(space)
        area[at : at + 5] = code
    assert module.prove(space).note is None


def test_known_images_by_their_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.known() == []
    for scenario in ("deadlock", "run"):
        assert store.remember(Module.load(built(scenario)))
    rows = store.known()
    assert {Path(row.path) for row in rows} == {built("deadlock"), built("run")}
    space = memory_of(Module.load(built("run")))
    fitting = [row for row in rows if all(space.read(at, len(data)) == data for at, data in row.samples)]
    assert built("run") in [Path(row.path) for row in fitting]
    for garbage in (
        b"{}",
        b"[]",
        b'{"path": 3, "samples": []}',
        b'{"path": "x", "samples": [[1, "zz"]]}',
        b"\xff",
    ):
        (store.directory() / "00000000.json").write_bytes(garbage)
        assert len(store.known()) == 2


def test_a_boot_file_leads_to_its_debug_file(tmp_path: Path) -> None:
    whole = built("run").with_name(built("run").name + ".dbg")
    boot = tmp_path / "app_qemu-x86_64"
    subprocess.run(["objcopy", "-O", "elf32-i386", "-S", whole, boot], check=True, capture_output=True)
    with pytest.raises(NotOffered, match="32-bit boot file without symbols"):
        load_image(str(boot))
    copy = tmp_path / "app_qemu-x86_64.dbg"
    copy.write_bytes(whole.read_bytes())
    assert beside(str(boot)) == [copy]
    assert load_image(str(boot)).path == copy
    link = tmp_path / "link"
    link.symlink_to(boot)
    assert load_image(str(link)).path == copy
    assert beside(str(whole)) == []


def test_forced_answers_are_unproven() -> None:
    module = Module.load(built("run"))
    module.force("it differs")
    assert module.proof is not None and not module.proof.proven
    assert module.differs(0x1234)
    assert "UNPROVEN" in (module.proof.note or "")
