"""Names on the addresses of console logs: every kernel's shapes, slides, and images that aren't the log's."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.build import need
from support.cli import UNIOBS, Ran, uniobs
from support.crashlog import SOURCE, Kernel, kernel
from uniobs.image.module import Module


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return kernel(tmp_path_factory.mktemp("fixed"))


@pytest.fixture(scope="module")
def movable(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return kernel(tmp_path_factory.mktemp("movable"), movable=True)


def symbolise(folder: Path, text: str, *words: object, expect: int = 0) -> Ran:
    log = folder / "console.log"
    log.write_bytes(text.encode())
    return uniobs("symbolise", *words, log, expect=expect)


def notes(ran: Ran) -> dict[str, str]:
    """line -> what was added to it."""
    rows = [line.partition("  <- ") for line in ran.out.splitlines() if "  <- " in line]
    return {line.strip(): note for line, _, note in rows}


def code_lines(of: Kernel, address: int) -> str:
    """The 16 bytes at an address, as Unikraft shows them."""
    with open(of.path, "rb") as file:
        file.seek(address - 0x100000)
        return f"[    0.1] CRIT: [libkvmplat] <trace.c @   66> {address:x}: {file.read(16).hex(' ')}\r\n"


def unikraft(of: Kernel) -> str:
    return (
        "Powered by Unikraft\r\n"
        f"[    0.1] CRIT: [libkvmplat] <trace.c @   41> RIP: {of.functions['deref']:016x} CS: 0008\r\n"
        "[    0.1] CRIT: [libkvmplat] <trace.c @ 44> RAX: 0000000000000000 RBX: 0000000000001052\r\n"
        f"[    0.1] CRIT: [kvm] <trace.c @ 86> base is 0x3e8fff0 caller is {of.calls['crash_here']:#x}\r\n"
        f"[    0.1] CRIT: [kvm] <trace.c @ 86> base is 0x3e90010 caller is {of.calls['worker']:#x}\r\n"
        "[    0.1] CRIT: [kvm] <trace.c @ 86> base is 0x3e90010 caller is 0\r\n"
    )


def test_unikraft(fixed: Kernel, tmp_path: Path) -> None:
    text = unikraft(fixed) + code_lines(fixed, fixed.functions["deref"])
    ran = symbolise(tmp_path, text, "--image", fixed.path)
    assert ran.err == ""
    found = list(notes(ran).values())
    assert found[0].startswith(POKE)
    assert found[1] == "deref console.c:15", "the outer frame has a line of its own"
    assert found[2:] == [fixed.call("crash_here"), fixed.call("worker")]


@pytest.mark.parametrize("less", [0, 1])
def test_unikrafts_later_crash_dumps(fixed: Kernel, tmp_path: Path, less: int) -> None:
    """Written in the shape of lib/ukdebug's crash dumps; versions differ in what they print of a return."""
    text = (
        f"Registers:\n rip: 0008:{fixed.functions['deref']:016x}\n"
        " rsp: 0010:0000000003e8ffe8 eflags: 00000246 orig_rax: 0000000000000000\n"
        f"Call Trace:\n [0x{fixed.functions['deref']:016x}]\n"
        f" [0x{fixed.calls['crash_here'] - less:016x}]\n [0x{fixed.calls['worker'] - less:016x}]\n"
    )
    ran = symbolise(tmp_path, text, "--image", fixed.path)
    found = [note for note in notes(ran).values() if not note.startswith("deref")]
    assert found == [POKE, POKE, fixed.call("crash_here"), fixed.call("worker")] and ran.err == ""


def test_rusts_exception_frames(fixed: Kernel, tmp_path: Path) -> None:
    pc = fixed.functions["deref"]
    for pointer in (f"{pc:#x}", f"VirtAddr({pc:#x})", f"VirtAddr(\n        {pc:#x},\n    )"):
        text = f"InterruptStackFrame {{\n    instruction_pointer: {pointer},\n    code_segment: 0x8,\n"
        assert f"<- {POKE}" in symbolise(tmp_path, text, "--image", fixed.path).out


def test_another_build_is_told_by_its_code(fixed: Kernel, tmp_path: Path) -> None:
    other = kernel(tmp_path, "other.elf", "-DOTHER", "-O2")
    address = fixed.functions["crash_here"]
    ran = symbolise(tmp_path, unikraft(fixed) + code_lines(fixed, address), "--image", other.path, expect=7)
    assert f"the code that the log shows at {address:#x} isn't other.elf's" in ran.err
    assert "console.c" not in ran.out


def test_return_addresses_that_follow_no_call_are_not_named(fixed: Kernel, tmp_path: Path) -> None:
    inside = fixed.functions["crash_here"] + 1
    text = f"[1.0] base is 0x10 caller is {inside:#x}\n"
    ran = symbolise(tmp_path, text, "--image", fixed.path, expect=7)
    assert "(kernel.elf: no call ends there)" in ran.out and "crash_here" not in ran.out
    assert "1 of 1 return addresses don't follow a call in kernel.elf" in ran.err


POKE = "poke console.c:10 (inlined into deref)"
SLIDE = 0xFFFFFFFF9B000000


def nanos(of: Kernel, slide: int) -> str:
    call = of.calls["worker"] + slide
    return (
        "*** Thread context:\n"
        "lastvector: 000000000000000e (Page fault)\n"
        f"   rbx: 00000000ffcdcf68\n   rip: {of.functions['deref'] + slide:016x}\nrflags: 0000000000000246\n"
        f"\nframe trace: \nffffc00000001000:   {of.calls['crash_here'] + slide:016x}\n"
        f"\nkernel load offset {slide:016x}\n\nstack trace:\n"
        f"ffffc00000001000:   {call:016x}\nffffc00000001008:   {call + 1:016x}\n"
    )


@pytest.mark.parametrize("live", [False, True])
def test_nanos_says_its_slide_late(tmp_path: Path, live: bool) -> None:
    """In a file the slide is known from the first line on; a live console's earlier lines follow it."""
    fixed = kernel(tmp_path, "kernel.elf", "-DMARK=kas_kern_offset")
    text = nanos(fixed, SLIDE) + nanos(fixed, SLIDE + 0x5000)
    if live:
        done = subprocess.run(
            [UNIOBS, "symbolise", "--image", fixed.path],
            input=text.encode(), capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0 and done.stderr == b""
        out = done.stdout.decode()
        pc = fixed.functions["deref"] + SLIDE
        assert out.splitlines()[9:11] == [f"kernel load offset {SLIDE:016x}", f"    <- {pc:#x} {POKE}"]
    else:
        out = symbolise(tmp_path, text, "--image", fixed.path).out
        assert f"rip: {fixed.functions['deref'] + SLIDE + 0x5000:016x}  <- poke" in out
    assert out.count("deref console.c:15") == 2
    assert out.count(fixed.call("crash_here")) == 2
    assert out.count(fixed.call("worker")) == 2, "a word of the stack counts where it follows a call"


def test_words_of_a_stack_that_fit_no_call(tmp_path: Path) -> None:
    mine = kernel(tmp_path)
    inside = [mine.functions[name] + 1 for name in ("deref", "crash_here", "worker")]
    words = "".join(f"ffffc00000001000:   {word:016x}\n" for word in inside)
    text = f"   rip: {mine.functions['deref']:016x}\nstack trace:\n{words}"
    ran = symbolise(tmp_path, text, "--image", mine.path, expect=7)
    assert "only 0 of the 3 words of a stack" in ran.err and "console.c" not in ran.out


def test_an_image_without_names_says_so(tmp_path: Path) -> None:
    need("strip")
    mine = kernel(tmp_path)
    subprocess.run(["strip", mine.path], check=True)
    ran = symbolise(tmp_path, f"rip={mine.functions['deref']:#x}\n", "--image", mine.path)
    assert ran.out.endswith("  <- (kernel.elf: no name)\n")


def test_hermit_is_found_where_its_loader_put_it(movable: Kernel, tmp_path: Path) -> None:
    at = 0x1C00000
    text = (
        f"[LOADER] Loading kernel to {at:#x}\n"
        "[0][ERROR] Page Fault (#PF) Exception: ExceptionStackFrame {\r\n"
        f"    instruction_pointer: {movable.functions['deref'] + at:#x},\r\n"
        f"   1:          {movable.calls['crash_here'] + at:#x} - <unknown>\n"
    )
    found = list(notes(symbolise(tmp_path, text, "--image", movable.path)).values())
    assert found[0].startswith("poke console.c:10") and found[2] == movable.call("crash_here")


def test_an_image_that_can_lie_anywhere_needs_its_place(movable: Kernel, tmp_path: Path) -> None:
    text = f"rip={movable.functions['deref'] + 0x400000:#x} rsp=0x3fdff90\n"
    ran = symbolise(tmp_path, text, "--image", movable.path, expect=4)
    assert "where kernel.elf lies, this log doesn't say: --bias kernel.elf=ADDR" in ran.err
    assert "<-" not in ran.out
    for words in (("--bias", "kernel.elf=0x400000"), ("--slide", "400000")):
        ran = symbolise(tmp_path, text, "--image", movable.path, *words)
        assert f"<- {POKE}" in ran.out


def test_osv_prints_the_byte_before(tmp_path: Path) -> None:
    os_kernel = kernel(tmp_path, "loader.elf", "-DMARK=_ZN5sched10thread_mapE")
    program = kernel(tmp_path, "program", movable=True)
    entry, base = os_kernel.functions, 0x100000000000
    call = os_kernel.calls["crash_here"]
    text = (
        f"[backtrace]\r\n0x{call - 1:016x} <crash_here+{call - 1 - entry['crash_here']}>\r\n"
        f"0x{os_kernel.calls['worker'] - 1:016x} <???+1076911186>\r\n"
        f"0x{base + program.calls['crash_here'] - 1:016x} <???+5695>\r\n"
    )
    ran = symbolise(tmp_path, text, "--image", os_kernel.path, "--image", program.path)
    expected = [os_kernel.call("crash_here"), os_kernel.call("worker"), program.call("crash_here")]
    assert list(notes(ran).values()) == expected
    assert "program is taken to lie at 0x100000000000" in ran.err


def test_includeos_prints_functions_and_offsets(fixed: Kernel, tmp_path: Path) -> None:
    begin, call = fixed.functions["worker"], fixed.calls["worker"]
    text = f"\n*** Backtrace:\n[0]   {begin:x} + 0x{call - begin:03x}: worker\n[1]        0 + 0x000: (null)\n"
    assert list(notes(symbolise(tmp_path, text, "--image", fixed.path)).values()) == [fixed.call("worker")]
    registers = f"  RDI:  0000000000000000  R15:  0000000000000000\n  RIP:  {begin:016x}  FLA:  0000\n"
    assert f"<- {fixed.says(begin)}" in symbolise(tmp_path, registers, "--image", fixed.path).out


def test_generic_numbers(fixed: Kernel, tmp_path: Path) -> None:
    begin, call = fixed.functions["worker"], fixed.calls["worker"]
    text = (
        f"#1 {call:#x} in ??\nregion {begin:#x}-{begin + 0x1000:#x}\n"
        f"size {begin + 3:#x} bytes\nlr [<{call:x}>]\nversion 1.0x{call:x}\n"
    )
    rows = notes(symbolise(tmp_path, text, "--image", fixed.path))
    assert list(rows) == [f"#1 {call:#x} in ??", f"region {begin:#x}-{begin + 0x1000:#x}", f"lr [<{call:x}>]"]


def test_remembered_images_are_proven_by_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mine = kernel(tmp_path)
    text = unikraft(mine) + code_lines(mine, mine.functions["deref"])
    assert "no remembered image is proven" in symbolise(tmp_path, text, expect=2).one_line()
    symbolise(tmp_path, text, "--image", mine.path)
    ran = symbolise(tmp_path, text)
    assert mine.call("worker") in ran.out
    assert f"image {mine.path}: remembered, and proven by this log" in ran.err
    assert "no remembered image is proven" in symbolise(tmp_path, unikraft(mine), expect=2).one_line()
    twin = kernel(tmp_path, "twin.elf", "-Wl,--defsym=unused=1", "-Wl,--build-id=none", "-DTWIN")
    data = bytearray(twin.path.read_bytes())
    at = twin.functions["_start"] - 0x100000
    data[at + 1] ^= 1  # a build that differs where the log shows nothing
    twin.path.write_bytes(data)
    symbolise(tmp_path, text, "--image", twin.path)
    assert "fits 2 remembered images" in symbolise(tmp_path, text, expect=2).one_line()


def test_aarch64(tmp_path: Path) -> None:
    need("clang", "aarch64-linux-gnu-ld")
    flags = ("--target=aarch64-linux-gnu", "-O1", "-g", "-ffreestanding", "-fno-pic", "-c", "-o", "kernel.o")
    subprocess.run(["clang", *flags, SOURCE], check=True, cwd=tmp_path)
    link = ["aarch64-linux-gnu-ld", "-Ttext=0x40080000", "-e", "_start", "-o", "kernel.elf", "kernel.o"]
    subprocess.run(link, check=True, cwd=tmp_path)
    module = Module.load(tmp_path / "kernel.elf")
    begin, size = module.symbol("worker") or (0, 0)
    words = [(at, int.from_bytes(module.text(at, 4), "little")) for at in range(begin, begin + size, 4)]
    (call,) = [at + 4 for at, word in words if word >> 26 == 0x25]
    text = f"ELR_EL1={begin:#x}\nx1 : 0 lr : {call:016x}\ncaller is {call + 4:#x}\n"
    ran = symbolise(tmp_path, text, "--image", module.path)
    found = list(notes(ran).values())
    assert found[0].startswith("worker console.c:") and found[1].startswith("worker console.c:")
    assert found[2] == "(kernel.elf: no call ends there)"
    assert "1 of 2 return addresses" in ran.err


def test_addresses_as_words(fixed: Kernel) -> None:
    begin, call = fixed.functions["deref"], fixed.calls["worker"]
    ran = uniobs("symbolise", hex(begin), f"{call:x}", "0x1", "--image", fixed.path, expect=4)
    assert ran.out.splitlines() == [
        f"{begin:#x}: {POKE}",
        "  deref console.c:15",
        f"{call:#x}: {fixed.says(call)}",
        "0x1: in no code of kernel.elf",
    ]
    ran = uniobs("symbolise", "--calls", hex(call), "--image", fixed.path)
    assert ran.out == f"{call:#x}: {fixed.call('worker')}\n"
    ran = uniobs("symbolise", "--no-inlines", hex(begin), "--image", fixed.path)
    assert ran.out == f"{begin:#x}: deref console.c:15\n"
    (row,) = uniobs("symbolise", "--json", hex(begin), "--image", fixed.path).lines
    assert [f["function"] for f in row["frames"]] == ["poke", "deref"] and row["offset"] == 0


def test_bytes_pass_through_a_pipe_as_they_are(fixed: Kernel, tmp_path: Path) -> None:
    call = fixed.calls["worker"]
    data = b"\x1b[2J\xff\xfe caller is \0\r\n" + f"caller is {call:#x}\r\n".encode() + b"tail\x07"
    log = tmp_path / "log"
    log.write_bytes(data)
    done = subprocess.run([UNIOBS, "symbolise", "--image", fixed.path, log], capture_output=True, check=True)
    note = f"  <- {fixed.call('worker')}".encode()
    assert done.stdout == data.replace(b"\r\ntail", note + b"\r\ntail")
    only = subprocess.run(
        [UNIOBS, "symbolise", "--only", "--image", fixed.path, log], capture_output=True, check=True
    )
    assert only.stdout == f"caller is {call:#x}".encode() + note + b"\r\n"


def test_a_terminal_is_not_steered(fixed: Kernel, tmp_path: Path) -> None:
    need("script")
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[2Jhello\x9b\n")
    done = subprocess.run(
        ["script", "-qec", f"{UNIOBS} symbolise --image {fixed.path} {log}", "/dev/null"],
        capture_output=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert b"\\x1b[2Jhello" in done.stdout and b"\x1b[2J" not in done.stdout


def test_a_live_pipe_is_answered_line_by_line(fixed: Kernel) -> None:
    """Also the beginning of a line, before its end."""
    call = f"caller is {fixed.calls['worker']:#x}".encode()
    command = [UNIOBS, "symbolise", "--image", fixed.path]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=buffered) as process:
        assert process.stdin and process.stdout
        read, write = process.stdout.fileno(), process.stdin.fileno()
        os.write(write, call + b"\n")
        note = b""
        while not note.endswith(b"\n"):
            note += os.read(read, 4096)
        assert note == call + b"  <- " + fixed.call("worker").encode() + b"\n"
        os.write(write, b"login: ")
        assert os.read(read, 4096) == b"login: "
        os.write(write, call + b"\n")
        process.stdin.close()
        assert process.stdout.read() == call + b"  <- " + fixed.call("worker").encode() + b"\n"
    assert process.returncode == 0


def test_an_interrupt_and_a_reader_that_left_are_quiet(fixed: Kernel, tmp_path: Path) -> None:
    command = [UNIOBS, "symbolise", "--image", fixed.path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130 and process.stderr.read() == b""
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.close()
        process.stdin.write(b"hello\n" * 100)
        process.stdin.close()
        assert process.wait(20) == 3 and process.stderr.read() == b""


def test_mistakes_are_one_line(fixed: Kernel, tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    assert "no such file" in uniobs("symbolise", missing, expect=3).one_line()
    assert "name the image" in uniobs("symbolise", "0x1000", expect=2).one_line()
    assert "--bias takes IMAGE=ADDR" in uniobs("symbolise", "--bias", "x", missing, expect=2).one_line()
    assert "no --image of that name" in uniobs("symbolise", "--bias", "x=1", missing, expect=2).one_line()
    assert "--slide is that of the first" in uniobs("symbolise", "--slide", "1", missing, expect=2).one_line()
    done = subprocess.run([UNIOBS, "symbolise"], input=b"x\n", capture_output=True, check=False)
    assert done.returncode == 2 and b"a live console needs its image named" in done.stderr
