"""Debug information that is compressed, shared with other files (dwz), or kept in the user's folders."""

import os
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from support.build import compile_c, need
from support.cli import uniobs
from support.crashlog import kernel
from uniobs.errors import BadFormat
from uniobs.image import separate
from uniobs.image.elf import Elf
from uniobs.image.inflate import inflate
from uniobs.image.module import Module, SourceFrame

Rows = dict[int, list[SourceFrame]]


def rows(path: Path) -> tuple[Rows, list[str]]:
    """What lies at each third byte of the code, and what couldn't be read."""
    module = Module.load(path)
    found = {
        address: module.symbolise(address)
        for low, high in module.code_ranges
        for address in range(low, high, 3)
    }
    return found, module.notes


@pytest.mark.parametrize("how", ["zlib", "zlib-gnu", "zstd"])
def test_compressed_sections(tmp_path: Path, how: str) -> None:
    need("objcopy")
    plain = kernel(tmp_path).path
    packed = tmp_path / how
    done = subprocess.run(
        ["objcopy", f"--compress-debug-sections={how}", plain, packed],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"this objcopy can't: {done.stderr.strip()}")
    names = {section.name for section in Elf(packed).sections}
    assert (".zdebug_info" in names) == (how == "zlib-gnu")
    assert rows(packed) == rows(plain)


def header(kind: int, size: int, packed: bytes) -> memoryview:
    return memoryview(struct.pack("<IIQQ", kind, 0, size, 1) + packed)


TEXT = b"debug information " * 100
ZEROS = bytes(1 << 22)


def zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def test_frames_and_flavours() -> None:
    assert inflate(header(1, len(TEXT), zlib.compress(TEXT)), False) == TEXT
    assert inflate(header(2, len(TEXT), zstd(TEXT)), False) == TEXT
    assert inflate(header(2, 2 * len(TEXT), zstd(TEXT) * 2), False) == TEXT * 2, "several frames"
    assert inflate(memoryview(b"ZLIB" + len(TEXT).to_bytes(8, "big") + zlib.compress(TEXT)), True) == TEXT
    assert inflate(header(1, 0, zlib.compress(b"")), False) == b""


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (memoryview(b"short"), "is too short"),
        (header(1, 1 << 40, zlib.compress(TEXT)), "claims"),
        (header(1, len(TEXT) * 100, zlib.compress(TEXT)), "claims"),
        (header(1, 100, zlib.compress(ZEROS)), "inflates to more than 100"),
        (header(2, 100, zstd(ZEROS)), "inflates to more than 100"),
        (header(2, len(ZEROS), zstd(ZEROS)), "claims"),  # 4 MiB out of 400 bytes is no debug information
        (header(1, len(TEXT) + 1, zlib.compress(TEXT)), "inflates to only"),
        (header(2, len(TEXT) + 1, zstd(TEXT)), "inflates to only"),
        (header(1, len(TEXT), zlib.compress(TEXT)[:-20]), "inflates to only|can't be inflated"),
        (header(2, len(TEXT), zstd(TEXT)[:-5]), "inflates to only|can't be inflated"),
        (header(1, len(TEXT), bytes(50)), "can't be inflated"),
        (header(2, len(TEXT), bytes(50)), "can't be inflated"),
        (header(9, len(TEXT), TEXT), "isn't known"),
    ],
)
def test_bombs_and_garbage(raw: memoryview, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        inflate(raw, False)
    for cut in range(0, len(raw), 7):
        with pytest.raises(ValueError):  # noqa: PT011 - any of them
            inflate(raw[:cut], True)


def test_a_bomb_in_a_file_is_one_line(tmp_path: Path) -> None:
    need("objcopy")
    plain, packed = kernel(tmp_path).path, tmp_path / "packed"
    subprocess.run(["objcopy", "--compress-debug-sections=zlib", plain, packed], check=True)
    data = bytearray(packed.read_bytes())
    section = Elf(packed).section(".debug_info")
    assert section is not None
    struct.pack_into("<Q", data, section.offset + 8, 1 << 50)
    packed.write_bytes(data)
    with pytest.raises(BadFormat, match=r"compressed section \.debug_info claims"):
        Elf(packed).data(".debug_info")
    module = Module.load(packed)
    start = (module.symbol("deref") or (0, 0))[0]
    assert [f.function for f in module.symbolise(start)] == ["deref"], "the symbol alone"
    assert any("claims" in note for note in module.notes)


SOURCE = """
#include <string>
#include <vector>
namespace shop {
template <typename T> struct cart {
	std::vector<T> rows;
	__attribute__((noinline)) T add(T one) { rows.push_back(one); return twice(one); }
	T twice(T x) { for (auto &r : rows) x += r; return x * 2; }
};
}
int main(int argc, char **argv)
{
	shop::cart<int> c;
	std::string s(argv[0]);
	for (auto ch : s) c.add(ch);
	return c.add(argc + NUMBER);
}
"""


@pytest.mark.parametrize("version", [(), ("--dwarf-5",)])
def test_information_that_dwz_shares(tmp_path: Path, version: tuple[str, ...]) -> None:
    need("dwz", "g++")
    (tmp_path / "shop.cc").write_text(SOURCE)
    programs = []
    for number in (1, 2):
        name = f"shop{number}"
        flags = ("-O1", "-g", f"-DNUMBER={number}")
        programs.append(compile_c(tmp_path, name, [tmp_path / "shop.cc"], *flags, compiler="g++"))
    before = [rows(program)[0] for program in programs]
    for program in programs:
        program.rename(tmp_path / "copy")  # another inode: what was opened before stays as it was
        program.write_bytes((tmp_path / "copy").read_bytes())
        program.chmod(0o755)
    subprocess.run(["dwz", *version, "-m", "common.dwz", *programs], check=True, cwd=tmp_path)
    link = Elf(programs[0]).supplement_link
    assert link is not None and link[0] == "common.dwz" and len(link[1]) == 20
    for program, expected in zip(programs, before, strict=True):
        assert rows(program) == (expected, [])

    (tmp_path / "common.dwz").rename(tmp_path / "away")
    (tmp_path / "common.dwz").write_bytes(kernel(tmp_path, "other.elf").path.read_bytes())  # a stranger's
    os.utime(programs[0])  # so that it is opened anew
    without, notes = rows(programs[0])
    assert any("some names are unknown" in note for note in notes)
    assert without != before[0]
    for address, frames in without.items():
        assert len(frames) == len(before[0][address])
        for mine, true in zip(frames, before[0][address], strict=True):
            assert (mine.file, mine.line, mine.inlined) == (true.file, true.line, true.inlined)
            assert mine.function is None or (true.function or "").endswith(mine.function)

    debug = tmp_path / "folder" / ".build-id" / link[1].hex()[:2]
    debug.mkdir(parents=True)
    (tmp_path / "away").rename(debug / f"{link[1].hex()[2:]}.debug")
    os.utime(programs[0], (1, 1))
    main = (Module.load(programs[0]).symbol("main") or (0, 0))[0]
    ran = uniobs("symbolise", "--image", programs[0], hex(main), "--debug-dir", tmp_path / "folder")
    assert ran.out.startswith(f"{main:#x}: main shop.cc:12")


@pytest.fixture
def stripped(tmp_path: Path) -> tuple[Path, Path]:
    """(an image without debug information, the debug information)"""
    need("objcopy", "strip")
    image = kernel(tmp_path, "app", "-Wl,--build-id=sha1").path
    debug = tmp_path / "elsewhere" / "app.debug"
    debug.parent.mkdir()
    subprocess.run(["objcopy", "--only-keep-debug", image, debug], check=True)
    subprocess.run(["strip", "-g", image], check=True)
    return image, debug


def test_folders_of_debug_files(stripped: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    image, debug = stripped
    start = (Module.load(image).symbol("deref") or (0, 0))[0]
    assert Module.load(image).debug is None
    identity = Elf(image).build_id
    assert identity
    folder = debug.parent / "tree"
    place = folder / ".build-id" / identity[:2] / f"{identity[2:]}.debug"
    place.parent.mkdir(parents=True)
    place.write_bytes(debug.read_bytes())
    monkeypatch.setenv(separate.VARIABLE, f"relative:{debug.parent / 'nothing'}:{folder}")
    found = Module.load(image)
    assert found.debug is not None and os.path.samefile(found.debug.path, place)
    assert found.symbolise(start)[0].line == 10
    monkeypatch.delenv(separate.VARIABLE)
    ran = uniobs("symbolise", "--image", image, "--debug-dir", folder, hex(start))
    assert "console.c:10" in ran.out
    assert "console.c" not in uniobs("symbolise", "--image", image, hex(start)).out
    place.write_bytes(kernel(debug.parent, "other", "-DOTHER").path.read_bytes())  # a stranger's
    monkeypatch.setenv(separate.VARIABLE, str(folder))
    assert Module.load(image).debug is None
