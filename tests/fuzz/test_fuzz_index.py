"""The native indexer on broken debug information: sanitizers find nothing, and what it writes can be read.

UNIOBS_FUZZ_COUNT: mutations a variant (default 80).
"""

import os
import random
import struct
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import build, symbolindex
from uniobs.errors import BadFormat, UniobsError
from uniobs.image.frames import ELSEWHERE
from uniobs.image.index import build as index_build
from uniobs.image.index import keep
from uniobs.image.index.format import SymbolIndex
from uniobs.image.module import Module
from uniobs.image.opened import Opened

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "guest" / "image"
COUNT = int(os.environ.get("UNIOBS_FUZZ_COUNT", "80"))
SEED = 411
CODES = {0, 3, 4, 5}  # built, out of memory, too much work, garbled
VARIANTS = {
    "gcc5": ("gcc", "calls.c shapes.c", "-gdwarf-5"),
    "gcc4": ("gcc", "calls.c shapes.c", "-gdwarf-4"),
    "clang5": ("clang", "calls.c shapes.c", "-gdwarf-5"),
    "cxx5": ("g++", "store.cc", "-gdwarf-5"),
}


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The indexer with ASan and UBSan; a finding ends it with code 99, and is written beside it."""
    folder = tmp_path_factory.mktemp("native")
    options = f"detect_leaks=0:exitcode=99:log_path={folder}/finding"
    (folder / "options.c").write_text(
        f'const char *__asan_default_options(void) {{ return "{options}"; }}\n'
        f'const char *__ubsan_default_options(void) {{ return "{options}:print_stacktrace=1"; }}\n'
    )
    sources = [*sorted((ROOT / "uniobs" / "image" / "native").glob("*.c")), folder / "options.c"]
    flags = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    build.need("gcc")
    command = ["gcc", *flags, *map(str, sources), "-o", str(folder / "symbol-index")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"gcc can't build with sanitizers: {done.stderr.splitlines()[-1]}")
    return folder / "symbol-index"


@pytest.fixture(scope="module", params=VARIANTS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    compiler, names, *flags = VARIANTS[request.param]
    sources = [SOURCES / name for name in names.split()]
    return build.compile_c(folder, "image", sources, "-O2", *flags, compiler=compiler)


def index(path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, SymbolIndex | None]:
    monkeypatch.setattr(index_build, "helper", lambda: str(program))
    file, out = os.open(path, os.O_RDONLY), os.memfd_create("fuzz")
    try:
        code = index_build.Build(Opened(path).elf, file, out, b"key", "", "").wait(15)
        assert code is not None, "it takes too long"
        findings = [found.read_text() for found in program.parent.glob("finding*")]
        assert code in CODES and not findings, (code, findings[:1])
        return code, SymbolIndex(out, b"key") if code == 0 else None
    finally:
        os.close(file)
        os.close(out)


def mutated(data: bytes, spans: list[tuple[int, int]], rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        low, high = rng.choice(spans)
        at = rng.randrange(low, high)
        kind = rng.randrange(6)
        if kind < 3:
            changed[at] = rng.choice((changed[at] ^ 1 << rng.randrange(8), 0, 0xFF, 0x7F, 0x80))
        elif kind < 5:
            size = min(rng.choice((2, 4, 8)), high - at)
            value = rng.choice((0, 1, (1 << 8 * size) - 1, 1 << 8 * size - 1, rng.getrandbits(8 * size)))
            changed[at : at + size] = value.to_bytes(size, "little")
        else:
            other = rng.randrange(low, high)
            size = min(rng.randrange(1, 64), high - at, high - other)
            changed[at : at + size] = changed[other : other + size]
    return bytes(changed)


@pytest.mark.timeout(60 + COUNT // 5)
def test_mutations(whole: Path, sanitized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = whole.read_bytes()
    opened = Opened(whole)
    spans = [
        (section.offset, section.offset + section.size)
        for section in opened.elf.sections
        if section.name.startswith(".debug") and section.size
    ]
    addresses = [a for low, high in opened.elf.code_ranges for a in range(low, high, 7)]
    code, good = index(whole, sanitized, monkeypatch)
    assert code == 0 and good is not None
    assert any(len(good.find(address)) > 1 for address in addresses)
    rng = random.Random(SEED)
    target = tmp_path / "mutant"
    answered = differing = 0
    for _ in range(COUNT):
        target.write_bytes(mutated(data, spans, rng))
        code, found = index(target, sanitized, monkeypatch)
        opened = Opened(target)
        same = True
        for address in addresses if found else ():
            frames = found.find(address) if found else ()
            if frames is ELSEWHERE:
                continue
            answered += len(frames) > 0
            assert [frame.inlined for frame in frames[:-1]] == [True] * (len(frames) - 1)
            if same and address % 5 == 0:
                same = symbolindex.by_reader(opened, address) in (frames, None)
        differing += not same
    assert answered > COUNT  # most mutants lose a unit, not everything
    assert differing <= 1 + COUNT // 50  # two readers, nearly always of one mind even about nonsense


def test_sections_cut_short(
    whole: Path, sanitized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each debug section ends at any of its places: the header says so."""
    data = whole.read_bytes()
    elf = Opened(whole).elf
    rng = random.Random(SEED)
    target = tmp_path / "cut"
    names = [(i, s) for i, s in enumerate(elf.sections) if s.name.startswith(".debug") and s.size]
    for number, section in names:
        for size in {0, 1, section.size - 1, *(rng.randrange(section.size) for _ in range(3))}:
            changed = bytearray(data)
            at = elf._shoff + 64 * number + 32
            changed[at : at + 8] = size.to_bytes(8, "little")
            target.write_bytes(changed)
            index(target, sanitized, monkeypatch)


@pytest.mark.parametrize(
    "arguments",
    [(), ("x",), ("9", "k", "", "", "info:9:0:1"), ("1", "k", "", "", "info:0:0:99999999999999999999"),
     ("1", "k", "", "", "nothing:0:0:0"), ("1", "k", "", "", "code:1"), ("1", "k", "", "", ":::")],
)  # fmt: skip
def test_arguments_that_make_no_sense(sanitized: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run([sanitized, *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1 and not done.stdout


@pytest.mark.timeout(60 + COUNT // 5)
def test_any_bytes_of_an_index(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index with wrong bytes and right checksums: an answer or our error, soon."""
    symbolindex.need_helper()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(keep, "_SMALL", 0)
    keeper = symbolindex.keeper(Opened(whole))
    assert keeper.get(60) is not None
    key, path = keeper._named()
    data = Path(path).read_bytes()
    addresses = [a for low, high in Opened(whole).elf.code_ranges for a in range(low, high, 5)]
    rng = random.Random(SEED)
    sums = struct.unpack_from("<Q", data, 32)[0]
    for _ in range(COUNT):
        changed = bytearray(mutated(data, [(8, 144), *[(4096, sums * 4096)] * 6], rng))
        for page in range(1, sums):
            crc = zlib.crc32(changed[page * 4096 : (page + 1) * 4096])
            struct.pack_into("<I", changed, sums * 4096 + 4 * (page - 1), crc)
        struct.pack_into("<I", changed, 136, zlib.crc32(changed[sums * 4096 : sums * 4096 + 4 * (sums - 1)]))
        struct.pack_into("<I", changed, 4092, zlib.crc32(changed[:4092]))
        out = os.memfd_create("fuzz")
        try:
            os.write(out, changed)
            found = SymbolIndex(out, key)
            for address in addresses:
                found.find(address)
                found.function(address)
        except (BadFormat, LookupError):
            pass
        finally:
            os.close(out)


@pytest.mark.timeout(60 + COUNT // 5)
def test_modules_of_mutants_never_fail(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """End to end, with the helper that is installed: a name from the symbol at least, or our error."""
    symbolindex.need_helper()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(keep, "_SMALL", 0)
    data = whole.read_bytes()
    elf = Opened(whole).elf
    spans = [(s.offset, s.offset + s.size) for s in elf.sections if s.name.startswith(".debug") and s.size]
    start, size = Module.load(whole).symbol("main") or (0, 0)
    rng = random.Random(SEED)
    target = tmp_path / "mutant"
    for _ in range(COUNT // 4):
        target.write_bytes(mutated(data, spans, rng))
        with suppress(UniobsError):
            module = Module.load(target)
            for address in range(start, start + size, 17):
                assert module.symbolise(address)[-1].function
