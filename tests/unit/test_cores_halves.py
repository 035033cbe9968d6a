"""A kernel with boot code low and the rest in the upper half, page 0 mapped: its core, and who it isn't."""

import struct
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from support.corewriters import PAGE, Snapshot, elf, sparse, xen
from uniobs.errors import ImageMismatch
from uniobs.image.elf import Elf
from uniobs.image.unwind import unwind
from uniobs.target import open_target

HIGH = 0xFFFFFFFF80100000
HIGH_AT, TABLES, STACK = 0x200000, 0x10000, 0x300000  # physical
WRITERS = {
    "qemu": elf.write_qemu,
    "virtualbox": elf.write_virtualbox,
    "cloud-hypervisor": elf.write_cloud_hypervisor,
    "xen": xen.write,
}
SOURCE = """
#define LABEL(name) __asm__ volatile(".globl " #name "\\n" #name ":")
__attribute__((section(".boot"), noinline)) int boot(int n) { return n * %(factor)d + 3; }
volatile int sink;
__attribute__((noinline)) void inner(void)
{
	while (sink >= 0) { sink++; LABEL(here); __asm__ volatile("hlt"); }
}
__attribute__((noinline)) void outer(void) { inner(); LABEL(in_outer); sink = 2; }
void _start(void) { sink = boot(sink); outer(); LABEL(in_start); for (;;); }
"""
FLAGS = f"""
-O1 -g -ffreestanding -nostdlib -static -no-pie -mcmodel=large -fcf-protection=none -mno-red-zone
-fno-omit-frame-pointer -fno-optimize-sibling-calls -Wl,--build-id=none -Wl,-Ttext={HIGH:#x}
-Wl,--section-start=.boot=0x100000 -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,-z,norelro
""".split()


def kernel(directory: Path, factor: int = 7) -> Path:
    source, path = directory / f"kernel{factor}.c", directory / f"kernel{factor}.elf"
    source.write_text(SOURCE % {"factor": factor})
    subprocess.run(["gcc", *FLAGS, "-o", path, source], check=True, capture_output=True)
    return path


def snapshot_of(path: Path) -> tuple[Snapshot, Elf]:
    """Its text where the tables map it; page 0 is mapped and full of what looks like frames."""
    image = Elf(path)
    tables = {
        TABLES: {0: TABLES + PAGE, 511: TABLES + 3 * PAGE},
        TABLES + PAGE: {0: TABLES + 2 * PAGE},
        TABLES + 2 * PAGE: {0: 0x80, 1: 0x200000 | 0x80},  # 2 MiB each, one to one
        TABLES + 3 * PAGE: {510: TABLES + 4 * PAGE},
        TABLES + 4 * PAGE: {0: TABLES + 5 * PAGE},
        TABLES + 5 * PAGE: {0x100 + n: HIGH_AT + n * PAGE for n in range(16)},
    }
    contents = [
        (at, b"".join(struct.pack("<Q", row[i] | 3 if i in row else 0) for i in range(512)))
        for at, row in tables.items()
    ]
    texts = [(address, bytes(data)) for address, data in image.text]
    assert {address >> 47 for address, _ in texts} == {0, HIGH >> 47}
    for address, data in texts:
        at = address if address < 1 << 47 else address - HIGH + HIGH_AT
        contents.append((at, data.ljust(-(-len(data) // PAGE) * PAGE, b"\0")))
    listed = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout.splitlines()
    places = {line.split()[2]: int(line.split()[0], 16) for line in listed}
    stack = struct.pack("<4Q", STACK + 16, places["in_outer"], 0, places["in_start"])
    contents.append((STACK, stack.ljust(PAGE, b"\0")))
    contents.append((0, struct.pack("<2Q", 16, places["in_outer"]) * (PAGE // 16)))
    registers = {"rip": places["here"], "rsp": STACK, "rbp": STACK, "cr3": TABLES, "cr0": 1 << 31}
    return sparse([(0, 4 << 20)], contents, [{**registers, "cr4": 0x20}]), image


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kernel(tmp_path_factory.mktemp("halves"))


@pytest.mark.parametrize("format", WRITERS)
def test_both_halves_are_proven_and_named(format: str, built: Path, tmp_path: Path) -> None:
    taken, image = snapshot_of(built)
    path = WRITERS[format](tmp_path / "core", taken)
    with closing(open_target(str(path), images=[str(built)])) as target:
        (module,) = target.modules
        assert module.proof is not None
        assert module.proof.proven
        assert module.proof.missing == 0
        assert module.proof.compared == sum(len(data) for _, data in image.text)
        for name, start in (("boot", 0), ("inner", HIGH), ("_start", HIGH)):
            symbol = image.symbols.find(name)
            assert symbol is not None
            assert symbol.address >= start
            (frame,) = module.symbolise(symbol.address)
            assert frame.function == name
            assert frame.line is not None
        (registers,) = target.registers()
        frames, _ = unwind(target.modules, target.space, registers)
        assert [frame.function for frame in frames] == ["inner", "outer", "_start"]
        assert target.space.read(0, 8) == struct.pack("<Q", 16)  # page 0 is there, and no frame came of it


def test_a_guest_in_32_bit_mode_is_not_walked(built: Path, tmp_path: Path) -> None:
    """Its tables are of another kind: no address is translated by them."""
    taken, _ = snapshot_of(built)
    for change in ({"cr4": 0}, {"efer": 0x100}):
        other = taken._replace(registers=({**taken.registers[0], **change},))
        path = elf.write_virtualbox(tmp_path / "core", other)
        with closing(open_target(str(path))) as target:
            assert target.space.translate(0x200000) == 0x200000
            assert target.space_note == "its page tables aren't known: its vCPU isn't in 64-bit mode"


def test_another_kernel_of_the_same_shape_is_not_it(built: Path, tmp_path: Path) -> None:
    other = kernel(tmp_path, factor=9)
    path = elf.write_qemu(tmp_path / "core", snapshot_of(built)[0])
    with (
        closing(open_target(str(path), images=[str(other)])) as target,
        pytest.raises(ImageMismatch, match="not the image in memory"),
    ):
        _ = target.modules
