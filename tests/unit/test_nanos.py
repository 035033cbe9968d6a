"""The Nanos walker on a guest of RAM whose structures are of our own making, whole and damaged."""

import random
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from support.nanos_shapes import IDT_AT, KERNEL_AT, PROGRAM_AT, SLIDE, Machine, built, needs_gcc
from uniobs.errors import ImageMismatch, NotOffered, UniobsError
from uniobs.model.findings import findings
from uniobs.model.guest import Verdict

pytestmark = needs_gcc

CRASHED = (
    b"program: hello\n\n*** signal 11 received by tid 3, errno 0, code 1\n"
    b"    fault address 0x10\n\n   core dump\n"
)
ABORTED = b"program: x == y failed\n\n*** signal 6 received by tid 4, errno 0, code -6\n\n   core dump\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def both(machine: Machine) -> Any:
    return machine.guest(built("kernel"), built("program"))


def alone(machine: Machine) -> Any:
    return machine.guest(built("kernel"))


def threads(guest: Any) -> dict[str | None, Any]:
    return {t.name: t for t in guest.walker("threads").threads()}


def named(guest: Any, name: str) -> Verdict:
    found, _ = findings(guest)
    return next(verdict for verdict in found if verdict.name == name)


def log(machine: Machine, text: bytes) -> None:
    at = machine.at("klog", "buf")
    machine.ram.data[at : at + 256] = text.ljust(256, b"\0")
    machine.put("klog", "count", len(text))


# --- where it lies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registers", "idt"), [(True, True), (True, False), (False, False)], ids=["registers", "no IDT", "text"]
)
@pytest.mark.parametrize("slide", [SLIDE, 0xFFFFFFFF80000000, 0x7000000, 0])
def test_slide(slide: int, registers: bool, idt: bool) -> None:
    """By the page-fault gate; by relocated words and page tables where there are no registers, or no IDT."""
    machine = Machine(slide, registers, idt)
    guest = both(machine)
    kernel, program = guest.modules
    assert (kernel.bias, program.bias) == (slide, 0)
    assert kernel.proof.proven and not kernel.proof.differing and not kernel.proof.missing
    assert set(threads(guest)) == {"server", "worker-a", "worker-b", "ticker"}


def test_each_image_is_proven_by_itself() -> None:
    for at, path in ((KERNEL_AT, built("kernel")), (PROGRAM_AT, built("program"))):
        machine = Machine()
        module = machine.kernel if at == KERNEL_AT else machine.program
        low = min(s.vaddr for s in module.elf.segments if s.type == 1) & -4096
        machine.ram.data[at + module.elf.text[0][0] - low + 2] ^= 1
        with pytest.raises(ImageMismatch, match=path.name):
            both(machine).modules  # noqa: B018


def test_started_from_a_stripped_kernel(tmp_path: Path) -> None:
    """The boot file proves the text; what was remembered of the same text tells the rest."""
    stripped = tmp_path / "kernel.img"
    subprocess.run(["strip", "-g", "-o", stripped, built("kernel")], check=True)
    machine = Machine()
    (module,) = machine.guest(started_from=stripped).modules
    assert (module.path, module.bias, module.dwarf) == (stripped, SLIDE, None)
    both(Machine(0)).modules  # noqa: B018  remembered
    guest = machine.guest(started_from=stripped)
    assert [module.name for module in guest.modules] == [built("kernel").name, built("program").name]
    assert set(threads(guest)) == {"server", "worker-a", "worker-b", "ticker"}


def test_the_right_program_is_named() -> None:
    machine = Machine()
    both(machine).modules  # noqa: B018  remembered
    wrong = built("program", "-DLOCK_TAKEN=lock_b")
    with pytest.raises(
        ImageMismatch, match=rf"{wrong.name} is not the image.*; \S*{built('program').name} is"
    ):
        machine.guest(built("kernel"), wrong).modules  # noqa: B018


def test_a_gate_that_leads_elsewhere() -> None:
    machine = Machine()
    machine.ram.data[IDT_AT + 14 * 16] ^= 8
    with pytest.raises(ImageMismatch, match="page faults are handled at"):
        alone(machine).modules  # noqa: B018


def test_no_text_anywhere() -> None:
    machine = Machine(registers=False)
    machine.ram.data[KERNEL_AT : KERNEL_AT + 0x4000] = bytes(0x4000)
    with pytest.raises(UniobsError, match=r"kernel0\.elf"):
        alone(machine).modules  # noqa: B018


def test_images_are_remembered() -> None:
    both(Machine()).modules  # noqa: B018
    guest = Machine(0xFFFFFFFFA0000000).guest()
    assert [(module.name, module.bias) for module in guest.modules] == [
        (built("kernel").name, 0xFFFFFFFFA0000000),
        (built("program").name, 0),
    ]


# --- threads, waits, locks ----------------------------------------------------------------------------


def test_threads() -> None:
    found = threads(both(Machine()))
    assert [t.tid for t in found.values()] == [2, 3, 4, 5]
    assert {t.state for t in found.values()} == {"blocked", "sleeping"}
    a, b = found["worker-a"].wait, found["worker-b"].wait
    assert (a.kind, a.name, a.object, a.owner_tid) == ("mutex", "lock_b", 0x500040, 4)
    assert (b.kind, b.name, b.object, b.owner_tid) == ("mutex", "lock_a", 0x500000, 3)
    assert (found["server"].wait.kind, found["server"].wait.fd) == ("accept", 3)
    assert (found["ticker"].wait.kind, found["ticker"].wait.until_ns) == ("sleep", 9_500_000_000)
    assert found["worker-a"].cpu_time_ns == 500_000_000


def test_without_the_program_owners_are_unknown() -> None:
    guest = alone(Machine())
    found = threads(guest)
    assert (found["worker-a"].wait.kind, found["worker-a"].wait.object) == ("other", 0x500040)
    assert found["worker-a"].wait.owner_tid is None
    locks = guest.walker("locks").locks()
    assert [(lock.address, lock.kind, lock.owner_tid, lock.waiters) for lock in locks] == [
        (0x500000, None, None, 1),
        (0x500040, None, None, 1),
    ]
    verdict = named(guest, "lock-waits")
    assert set(verdict.threads) == {3, 4} and set(verdict.locks) == {0x500000, 0x500040}
    assert any("who holds these locks" in text for text in verdict.unknown)


def test_deadlock() -> None:
    verdict = named(both(Machine()), "deadlock")
    assert set(verdict.threads) == {3, 4} and set(verdict.locks) == {0x500000, 0x500040}
    assert all("take_both" in line for line in verdict.lines)


def test_one_contended_lock_is_no_finding() -> None:
    machine = Machine()
    machine.put("worker_a", "syscall", 0)
    assert not findings(alone(machine))[0]
    assert threads(alone(machine))["worker-a"].state == "ready"


def test_an_owner_that_is_no_thread_is_unknown() -> None:
    machine = Machine()
    machine.ram.data[PROGRAM_AT + 0x500008 - 0x3FF000] = 77
    guest = both(machine)
    assert threads(guest)["worker-b"].wait.owner_tid is None
    assert {lock.name: lock.owner_tid for lock in guest.walker("locks").locks()}["lock_a"] is None


def test_join() -> None:
    machine = Machine()
    machine.put("ticker", "clear_tid", 0x500040)
    wait = threads(both(machine))["worker-a"].wait
    assert (wait.kind, wait.object, wait.name) == ("join", 5, "ticker")


def test_running() -> None:
    machine = Machine()
    machine.put("cpu0", "state", 4, 4)
    machine.put("cpu0", "m.current_context", runtime(machine, "worker_a"))
    machine.put("worker_a", "syscall", 0)
    found = threads(both(machine))["worker-a"]
    assert (found.state, found.cpu, found.current, found.saved_sp) == ("running", 0, True, None)
    assert both(machine).walker("threads").vitals().idle is False


def runtime(machine: Machine, name: str) -> int:
    address: int = machine.kernel.types.locate(name)[0] - machine.kernel.bias + machine.slide
    return address


def test_saved_registers() -> None:
    guest = both(Machine())
    walker, found = guest.walker("threads"), threads(guest)
    values = walker.saved_registers(found["worker-a"]).values
    assert (values["rip"], values["rdi"], values["rsp"]) == (0x400100, 0x500040, 0x600F00)
    stack = guest.stack(found["worker-a"])
    assert stack.frames[0].function == "take_both"


def test_a_frame_that_is_none() -> None:
    machine = Machine()
    machine.put("worker_a", "context.frame", 0)
    at = machine.at("worker_a", "context.frame") + 8 * 18
    machine.ram.data[at] = 0
    guest = both(machine)
    assert "keeps no user registers" in (guest.stack(threads(guest)["worker-a"]).error or "")


# --- the end, the log, memory -------------------------------------------------------------------------


def test_crash() -> None:
    machine = Machine()
    log(machine, CRASHED)
    machine.put("shutting_down", "", 2, 4)
    frame = machine.at("worker_a", "context.frame")
    for word, value in ((24, 14), (25, 6), (27, 0x10)):
        machine.ram.word(frame + 8 * word, value)
    guest = both(machine)
    panic = guest.walker("panic").panic()
    assert (panic.kind, panic.vector, panic.error, panic.tid) == ("exception", 14, 6, 3)
    assert panic.registers.get("cr2") == 0x10 and panic.registers.get("rip") == 0x400100
    assert guest.status().state == "dead"
    assert "write to 0x10 (not mapped)" in " ".join(named(guest, "crash").lines)


def test_abort() -> None:
    machine = Machine()
    log(machine, ABORTED)
    machine.put("shutting_down", "", 2, 4)
    panic = both(machine).walker("panic").panic()
    assert (panic.kind, panic.tid) == ("abort", 4)
    assert "SIGABRT" in panic.message and panic.message.endswith("program: x == y failed")


def test_a_program_that_prints_such_lines_is_no_crash() -> None:
    machine = Machine()
    log(machine, CRASHED)
    guest = both(machine)
    assert guest.walker("panic").panic() is None and guest.status().state == "live"


@pytest.mark.parametrize(("code", "severity"), [(7, 4), (0, 6)])
def test_exit(code: int, severity: int) -> None:
    machine = Machine()
    machine.put("shutting_down", "", 2, 4)
    at = machine.at("klog", "dump.header")
    machine.ram.data[at : at + 4] = b"KLOG"
    machine.put("klog", "dump.exit_code", code, 4)
    guest = both(machine)
    assert guest.status().reason == f"exited with {code}"
    assert named(guest, "exited").severity == severity


def test_an_exit_code_that_is_not_kept() -> None:
    machine = Machine()
    machine.put("shutting_down", "", 2, 4)
    verdict = named(both(machine), "exited")
    assert verdict.headline == "exited" and any("exit code" in text for text in verdict.unknown)


def test_log() -> None:
    lines = both(Machine()).walker("log").log().poll()
    assert [(line.time_ns, line.text) for line in lines] == [
        (500_000_000, "en1: assigned 10.0.2.15"),
        (None, "program: hello"),
    ]


def test_log_that_went_round() -> None:
    """Its first line is cut, and what was overwritten is counted; a line without its end is held back."""
    machine = Machine()
    whole = b"".join(b"line %03d\n" % n for n in range(100)) + b"halves"
    at = machine.at("klog", "buf")
    for index, byte in enumerate(whole):
        machine.ram.data[at + index % 256] = byte
    machine.put("klog", "count", len(whole))
    follow = both(machine).walker("log").log()
    lines = follow.poll()
    assert [line.text for line in lines[1:]] == [f"line {n:03}" for n in range(73, 100)]
    assert lines[0].truncated and not any(line.truncated for line in lines[1:])
    assert follow.loss.lost == len(whole) - 256
    assert [line.text for line in follow.flush()] == ["halves"]
    assert whole[lines[5].position :].startswith(lines[5].text.encode())


def test_heap() -> None:
    heap = both(Machine()).walker("heap").heap()
    assert (heap.total, heap.used) == (64 << 20, 5 << 20)


def test_what_it_does_not_offer() -> None:
    walker = both(Machine()).walker("threads")
    for question in ("counters", "sites", "trace", "packets", "sockets", "interfaces"):
        with pytest.raises(NotOffered):
            getattr(walker, question)()


# --- damage -------------------------------------------------------------------------------------------


def everything(guest: Any) -> None:
    """All that is asked of it; nothing but our own errors may come of it."""
    asked: list[Callable[[], object]] = [
        lambda: guest.walker("threads").threads(),
        lambda: guest.walker("locks").locks(),
        lambda: guest.walker("heap").heap(),
        lambda: guest.walker("panic").panic(),
        lambda: guest.walker("log").log().poll(),
        lambda: [guest.stack(t) for t in guest.walker("threads").threads()],
        lambda: guest.status(),
        lambda: findings(guest),
    ]
    for ask in asked:
        with suppress(UniobsError):
            ask()


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("worker_b", "n.c", -1),
        ("worker_b", "n.parent_color", 8),
        ("program", "threads", 0x1000),
        ("processes", "", 1 << 40),
        ("call_a", "uc.blocked_on", 0xDEAD0000),
        ("futices", "buckets", (1 << 31) - 1),
        ("futices", "entries", 0xFFFFC00000000000),
        ("files", "end", 1 << 62),
        ("files", "contents", 8),
        ("cpus", "start", 1 << 63),
        ("klog", "count", (1 << 64) - 1),
        ("on_a", "waiters_head", 16),
        ("key_a", "next", 0),
    ],
)
def test_a_wild_word(name: str, member: str, value: int) -> None:
    machine = Machine()
    machine.put(name, member, value & (1 << 64) - 1)
    everything(both(machine))


def test_a_tree_that_leads_back() -> None:
    machine = Machine()
    machine.put("worker_a", "n.c", runtime(machine, "worker_b") + node(machine))
    guest = both(machine)
    guest.walker("threads").threads()
    assert any("threads may be missing" in text for text in guest.notices)


def node(machine: Machine) -> int:
    offset: int = machine.kernel.types.type("struct thread").offset("n")
    return offset


def test_futexes_that_lead_back() -> None:
    machine = Machine()
    machine.put("key_a", "next", runtime(machine, "key_b"))
    assert len(both(machine).walker("locks").locks()) == 2


@pytest.mark.parametrize("seed", range(60))
def test_damage_at_random(seed: int) -> None:
    """Words of the kernel's data and of the program's locks are overwritten."""
    chance = random.Random(seed)
    machine = Machine()
    data = [s for s in machine.kernel.elf.segments if s.type == 1 and s.flags & 2]
    low = min(s.vaddr for s in machine.kernel.elf.segments if s.type == 1) & -4096
    for _ in range(chance.randint(1, 12)):
        segment = chance.choice(data)
        at = KERNEL_AT + segment.vaddr - low + 8 * chance.randrange(segment.filesz // 8)
        old = int.from_bytes(machine.ram.read(at, 8), "little")
        machine.ram.word(at, chance.choice((0, (1 << 64) - 1, old ^ 1 << chance.randrange(64), old + 8)))
    everything(both(machine))


def test_a_kernel_that_gives_up() -> None:
    """Its own exit code, and no thread of the program that asked for an end."""
    machine = Machine()
    machine.put("shutting_down", "", 2, 4)
    at = machine.at("klog", "dump.header")
    machine.ram.data[at : at + 4] = b"KLOG"
    machine.put("klog", "dump.exit_code", 127, 4)
    guest = both(machine)
    assert guest.walker("panic").panic().kind == "abort"
    assert "the kernel itself gave up" in " ".join(named(guest, "abort").lines)
