"""The symbol index answers exactly as the DWARF reader does, and is never believed when it is damaged."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import build, symbolindex
from uniobs.image import store
from uniobs.image.frames import ELSEWHERE
from uniobs.image.index import build as index_build
from uniobs.image.index import keep
from uniobs.image.index.format import PAGE, VERSION, SymbolIndex
from uniobs.image.module import Module
from uniobs.image.opened import Opened

SOURCES = Path(__file__).parents[1] / "guest" / "image"
C = ("calls.c", "shapes.c")
VARIANTS = [
    ("gcc", C, ("-O2", "-gdwarf-4")),
    ("gcc", C, ("-O2", "-gdwarf-5")),
    ("gcc", C, ("-O0", "-g3")),
    ("gcc", C, ("-O2", "-g", "-ffunction-sections", "-Wl,--gc-sections")),
    ("gcc", C, ("-O2", "-g", "-gz=zlib")),
    ("gcc", C, ("-O3", "-g", "-flto")),
    ("gcc", C, ("-O2", "-gdwarf-2", "-gstrict-dwarf")),
    ("gcc", C, ("-O2", "-gdwarf-3")),
    ("gcc", C, ("-O2", "-gdwarf64", "-gdwarf-5")),
    ("gcc", C, ("-O2", "-gdwarf-5", "-fdebug-types-section")),
    ("gcc", C, ("-O2", "-gdwarf-4", "-fdebug-types-section")),
    ("clang", C, ("-O2", "-gdwarf-4")),
    ("clang", C, ("-O2", "-gdwarf-5")),
    ("clang", C, ("-O1", "-gdwarf-5", "-gdwarf-aranges")),
    ("clang", C, ("-O2", "-gdwarf-4", "-gdwarf64")),
    ("g++", ("store.cc",), ("-O2", "-gdwarf-5")),
    ("g++", ("store.cc",), ("-O0", "-gdwarf-4")),
    ("clang++", ("store.cc",), ("-O2", "-gdwarf-5")),
    ("clang++", ("store.cc",), ("-O2", "-gdwarf-4")),
]


@pytest.mark.parametrize(
    ("compiler", "sources", "flags"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "_".join(v)
)
def test_answers_as_the_reader_does(
    tmp_path: Path, compiler: str, sources: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    paths = [SOURCES / name for name in sources]
    opened = Opened(build.compile_c(tmp_path, "program", paths, *flags, compiler=compiler))
    index = symbolindex.index_of(opened)
    addresses = [a for low, high in opened.elf.code_ranges for a in range(low - 2, high + 2)]
    inlined = 0
    for address in random.Random(3).sample(addresses, min(len(addresses), 4000)):
        found = index.find(address)
        assert found is not ELSEWHERE
        assert found == symbolindex.by_reader(opened, address), hex(address)
        assert index.function(address) == opened.dwarf.function(address), hex(address)
        assert index.find(address) is found
        inlined += len(found) > 1
    assert inlined or "-O0" in flags


def test_other_images_of_this_machine(tmp_path: Path) -> None:
    """Whatever carries debug information here: Debian's, in other languages, by other compilers."""
    found = sorted(Path("/usr/lib/debug").rglob("*.debug"), key=lambda path: path.stat().st_size)[-2:]
    if not found:
        pytest.skip("no debug files are installed")
    for path in found:
        opened = Opened(path)
        index = symbolindex.index_of(opened)
        rng = random.Random(5)
        ranges = opened.elf.code_ranges
        for _ in range(400):
            low, high = rng.choice(ranges)
            address = rng.randrange(low, high)
            assert index.find(address) == symbolindex.by_reader(opened, address), (path, hex(address))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_helper_compiles_without_warnings(tmp_path: Path, compiler: str) -> None:
    sources = sorted((Path(index_build.__file__).parents[1] / "native").glob("*.c"))
    assert len(sources) > 8
    flags = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror")
    build.compile_c(tmp_path, "symbol-index", sources, *flags, compiler=compiler)


@pytest.mark.parametrize("version", [(), ("--dwarf-5",)], ids=["gnu", "dwarf5"])
def test_names_that_dwz_moved_to_a_file_of_its_own(tmp_path: Path, version: tuple[str, ...]) -> None:
    build.need("dwz", "g++")
    flags = ("-O2", "-g", "-gdwarf-5" if version else "-gdwarf-4")
    programs = [
        build.compile_c(tmp_path, name, [SOURCES / "store.cc"], *flags, compiler="g++") for name in ("a", "b")
    ]
    subprocess.run(["dwz", *version, "-m", "common.dwz", "a", "b"], check=True, cwd=tmp_path)
    opened = Opened(programs[0])
    index = symbolindex.index_of(opened)
    addresses = [a for low, high in opened.elf.code_ranges for a in range(low, high)]
    inlined = 0
    for address in random.Random(3).sample(addresses, min(len(addresses), 3000)):
        found = index.find(address)
        assert found == symbolindex.by_reader(opened, address), hex(address)
        inlined += len(found) > 1
    assert inlined
    (tmp_path / "common.dwz").unlink()
    alone = Opened(programs[0])
    found = [symbolindex.index_of(alone).find(address) for address in addresses[::50]]
    assert ELSEWHERE in found  # the reader tells what is missing
    whole = symbolindex.keeper(opened)._named(), symbolindex.keeper(alone)._named()
    assert whole[0] != whole[1]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """(an image, its index on disk)"""
    symbolindex.need_helper()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(keep, "_SMALL", 0)
    image = build.compile_c(tmp_path, "program", [SOURCES / name for name in C], "-O2", "-g")
    assert symbolindex.keeper(Opened(image)).get(60) is not None
    (index,) = Path(store.folder()).glob("*" + keep.SUFFIX)
    return image, index


def answers(image: Path) -> list[list[object]]:
    module = Module.load(image)
    start, size = module.symbol("main") or (0, 0)
    assert size
    found = [list[object](module.symbolise(address)) for address in range(start, start + size)]
    assert not module.notes
    return found


def test_second_time_it_is_recalled_not_built(
    kept: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "Build", None)
    assert symbolindex.keeper(Opened(kept[0])).get() is not None


def test_rebuilt_image_gets_an_index_of_its_own(kept: tuple[Path, Path], tmp_path: Path) -> None:
    image, index = kept
    build.compile_c(tmp_path, "program", [SOURCES / name for name in C], "-O0", "-g")
    assert symbolindex.keeper(Opened(image)).get(60) is not None
    assert len(list(index.parent.glob("*" + keep.SUFFIX))) == 2


def test_another_build_of_the_same_size_and_time_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reproducible builds without a build-id: the same text, one line number deep in the middle differs."""
    monkeypatch.setattr(keep, "_SAMPLE", 16)
    flags = ("-O2", "-g", "-Wl,--build-id=none")
    image = build.compile_c(tmp_path, "program", [SOURCES / name for name in C], *flags)
    os.utime(image, ns=(0, 0))
    before = Opened(image)
    assert before.elf.build_id is None
    keys = [keep._key(before.elf, symbolindex.identity(image))]
    section = before.elf.section(".debug_line")
    assert section is not None
    data = bytearray(image.read_bytes())
    data[section.offset + section.size // 2] ^= 1
    image.write_bytes(data)
    os.utime(image, ns=(0, 0))
    keys.append(keep._key(Opened(image).elf, symbolindex.identity(image)))
    assert keys[0] != keys[1]


def test_file_that_was_replaced_since_it_was_opened_is_not_indexed(
    kept: tuple[Path, Path], tmp_path: Path
) -> None:
    image, index = kept
    opened = Opened(image)
    keeper = symbolindex.keeper(opened)
    index.unlink()
    (tmp_path / "other").write_bytes(image.read_bytes())
    (tmp_path / "other").replace(image)
    assert keeper.get(60) is None
    assert not index.exists()


def test_damage_is_never_believed(kept: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page, each field of the head, every length: the answers stay, the index is made anew."""
    image, index = kept
    expected = answers(image)
    whole = index.read_bytes()
    rng = random.Random(9)
    damaged = [whole[:size] for size in (0, 1, PAGE - 1, PAGE, len(whole) - PAGE, len(whole) - 1)]
    damaged += [whole + bytes(PAGE), bytes(len(whole)), b"\xff" * len(whole), whole[PAGE:] + whole[:PAGE]]
    places = [*range(0, 144, 3), 256, 300, PAGE - 1]
    for page in range(PAGE, len(whole), PAGE):
        used = [at for at in range(page, page + PAGE) if whole[at]]
        places += rng.sample(used, min(24, len(used)))
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        damaged.append(bytes(changed))
    for data in damaged:
        partial = index.with_name("partial")
        partial.write_bytes(data)  # never in place: somebody may have it mapped
        partial.replace(index)
        assert answers(image) == expected
    monkeypatch.setattr(keep, "_PATIENCE", 60)
    index.write_bytes(b"")
    Module.load(image).symbolise((Module.load(image).symbol("main") or (0, 0))[0])
    assert index.read_bytes() == whole


def test_index_of_another_image_or_version_is_refused(kept: tuple[Path, Path]) -> None:
    with open(kept[1], "rb") as file:
        for key in (b"", b"1 abc", f"{VERSION + 1} abc".encode()):
            with pytest.raises(Exception, match="of another image"):
                SymbolIndex(file.fileno(), key)


def test_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: tuple[Path, Path]
) -> None:
    image, _ = kept
    expected = answers(image)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keeper = symbolindex.keeper(Opened(image))
    assert keeper.get(60) is not None
    assert answers(image) == expected


def test_without_the_helper_the_reader_answers(
    kept: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, index = kept
    expected = answers(image)
    index.unlink()
    monkeypatch.setattr(keep, "helper", lambda: None)
    assert answers(image) == expected
    assert not index.exists()


def test_builders_that_die_leave_the_reader(
    kept: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, failing, refused: by a program in the helper's place."""
    image, index = kept
    expected = answers(image)
    for number, script in enumerate(("kill -9 $$", "exit 3", "kill -SEGV $$", "echo >&3; exit 0")):
        fake = tmp_path / f"fake{number}"
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        monkeypatch.setattr(keep, "helper", lambda: "")
        monkeypatch.setattr(index_build, "helper", lambda path=str(fake): path)
        index.unlink(missing_ok=True)
        assert symbolindex.keeper(Opened(image)).get(60) is None
        assert answers(image) == expected
        assert not index.exists()


def test_slow_builder_is_not_waited_for(
    kept: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, index = kept
    expected = answers(image)
    program = index_build.helper()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\nread line <"{gate}"\nexec "{program}" "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setattr(index_build, "helper", lambda: str(slow))
    index.unlink()
    keeper = symbolindex.keeper(Opened(image))
    assert keeper.get(0.01) is None
    assert keeper.get() is None
    assert keeper._build is not None
    gate.write_text("go\n")
    assert keeper._build.wait(15) == 0
    assert keeper.get() is not None
    assert answers(image) == expected


def test_builders_at_the_same_time(kept: tuple[Path, Path]) -> None:
    """Eight processes, one of them killed at any moment: each answers, and one whole index is left."""
    image, index = kept
    whole = index.read_bytes()
    code = (
        "import sys\nfrom uniobs.image.index import keep\nkeep._SMALL = 0\nkeep._PATIENCE = 15\n"
        "from uniobs.image.module import Module\nm = Module.load(sys.argv[1])\n"
        "print(m.symbolise(m.symbol('main')[0])[-1].function, m._keeper.get() is not None)"
    )
    for round_ in range(3):
        index.unlink(missing_ok=True)
        command = [sys.executable, "-c", code, str(image)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
        victim = running[round_]
        victim.send_signal(signal.SIGKILL)
        said = [process.communicate()[0] for process in running]
        assert [text for i, text in enumerate(said) if i != round_] == ["main True\n"] * 5
        assert index.read_bytes() == whole


def test_old_indexes_and_what_killed_builders_left_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "_KEPT", 3)
    for number in range(6):
        (tmp_path / f"{number}.symbols").write_bytes(b"x")
        os.utime(tmp_path / f"{number}.symbols", (number, number))
    for name, age in (("a", 0), ("b", keep._ABANDONED + 60)):
        path = tmp_path / f"{name}.symbols.1-1.symbols-partial"
        path.write_bytes(b"x")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    (tmp_path / "kept.json").write_bytes(b"{}")
    keep.prune(str(tmp_path))
    assert sorted(path.name[:2] for path in tmp_path.iterdir()) == ["3.", "4.", "5.", "a.", "ke"]


def test_many_at_once_share_their_frames(kept: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module.load(kept[0], bias=0x5000)
    start, size = module.symbol("main") or (0, 0)
    pcs = [*range(start, start + size), 0x5000, 0]
    assert [list(frames) for frames in module.symbolise_many(pcs)] == [module.symbolise(pc) for pc in pcs]
    later = [pc + 1 for pc in pcs]
    assert module.symbolise_many(later, return_addresses=True) == module.symbolise_many(pcs)
    first, second = module.symbolise_many([start, start + 1])
    assert first is second
