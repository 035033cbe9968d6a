"""Garbage debug information and garbage memory: an answer or one of our errors, and soon."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import build
from tests.support.flatspace import FlatSpace
from uniobs.errors import UniobsError
from uniobs.image.dwarf import forms
from uniobs.image.dwarf.reader import uleb
from uniobs.image.dwarf.unit import units
from uniobs.image.module import Module
from uniobs.image.types import Types
from uniobs.image.types_model import RECORDS, Kind, Type
from uniobs.image.types_value import Value
from uniobs.image.types_walk import Walk, chain, circular, queue, tree

SOURCES = Path(__file__).parents[1] / "guest" / "image"
C = [SOURCES / "types_main.c", SOURCES / "types_other.c"]
VARIANTS = {
    "gcc-5": (C, "gcc", "-gdwarf-5"),
    "gcc-4-units": (C, "gcc", "-gdwarf-4", "-fdebug-types-section"),
    "clang-5": (C, "clang", "-gdwarf-5"),
    "g++-5": ([SOURCES / "types_cxx.cc", SOURCES / "types_cxx_other.cc"], "g++", "-gdwarf-5"),
}
SEED = 20263
NAMES = (
    "all flexible items tailq stailq chain ring tree handle words numbers of_thread shared renamed_here "
    "sched::main_thread sched::thread::current sched::boxed spare object"
).split()
BASE = 0x10_0000


class Anything:
    """Memory where every address is held: seeded words, many of them addresses."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        words = [
            self.rng.choice((0, 1, 8 * self.rng.randrange(4096), self.rng.getrandbits(64)))
            for _ in range(512)
        ]
        self.page = b"".join(word.to_bytes(8, "little") for word in words)
        self.reads = 0

    def read(self, address: int, size: int) -> bytes:
        self.reads += 1
        start = address % len(self.page)
        return (self.page[start:] + self.page * (size // len(self.page) + 1))[:size]

    def translate(self, address: int) -> int:
        return address


def tried(doing: Callable[[], object]) -> object | None:
    problem = ""
    try:
        return doing()
    except UniobsError as error:
        problem = str(error)
    assert "\n" not in problem
    return None


def look(value: Value, budget: list[int], depth: int = 0) -> None:
    """Ask for everything below a value, within reason."""
    budget[0] -= 1
    if budget[0] < 0 or depth > 6:
        return
    kind = value.type.kind
    tried(lambda: (str(value.type), repr(value), value.size))
    tried(lambda: value.string(64))
    if kind in RECORDS:
        for name in list(tried(lambda: list(value.type.fields)[:40]) or ()):
            member = tried(lambda name=name: value.member(name))
            if isinstance(member, Value):
                look(member, budget, depth + 1)
    elif kind is Kind.ARRAY:
        for index in (0, 1, 5):
            element = tried(lambda index=index: value[index])
            if isinstance(element, Value):
                look(element, budget, depth + 1)
    elif kind is Kind.POINTER:
        inner = tried(value.deref)
        if isinstance(inner, Value):
            look(inner, budget, depth + 1)
    else:
        tried(lambda: (int(value), float(value), value.enum))
        tried(lambda: float(value))


def exercise(path: Path, space: Anything) -> int:
    """The number of variables that were found."""
    types = tried(lambda: Types(Module.load(path)))
    if not isinstance(types, Types):
        return 0
    found = 0
    for name in NAMES:
        value = tried(lambda name=name: types.variable(name, space))
        if isinstance(value, Value):
            found += 1
            look(value, [60])
    item = tried(lambda: types.type("struct item"))
    if isinstance(item, Type):
        for doing in (
            lambda: queue(types.variable("tailq", space), "tailq", 50),
            lambda: queue(types.variable("slist", space), "slist", 50),
            lambda: chain(types.variable("chain", space), limit=50),
            lambda: circular(types.variable("ring", space), item, "ring", 50),
            lambda: tree(types.variable("tree", space), item, "node", 50),
        ):
            walk = tried(doing)
            assert walk is None or (isinstance(walk, Walk) and len(walk) <= 50)
    for name in ("struct item", "sched::thread", "union u", "enum colour", "untagged_t", "int *"):
        tried(lambda name=name: types.type(name).fields)
    return found


@pytest.fixture(scope="module", params=VARIANTS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources, compiler, *flags = VARIANTS[request.param]
    folder = tmp_path_factory.mktemp("hostile")
    return build.compile_c(folder, "types", sources, *flags, compiler=compiler)


def test_flipped_debug_information(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    assert exercise(whole, Anything(SEED)) >= 4
    wanted = (
        ".debug_info",
        ".debug_abbrev",
        ".debug_str",
        ".debug_types",
        ".debug_addr",
        ".debug_str_offsets",
    )
    spans = [
        (section.offset, section.offset + section.size)
        for section in Module.load(whole).elf.sections
        if section.name in wanted and section.size
    ]
    rng = random.Random(SEED)
    target = tmp_path / "flipped"
    for _ in range(110):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 2, 8, 64))):
            low, high = rng.choice(spans)
            at = rng.randrange(low, high)
            changed[at] = rng.choice((changed[at] ^ 1 << rng.randrange(8), 0, 0xFF, 0x7F, 0x80))
        target.write_bytes(changed)
        exercise(target, Anything(rng.getrandbits(32)))


def test_cut_and_shuffled_debug_information(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    section = Module.load(whole).elf.section(".debug_info")
    assert section is not None
    rng = random.Random(SEED)
    target = tmp_path / "changed"
    for _ in range(40):
        changed = bytearray(data)
        low, high = section.offset + 12, section.offset + section.size
        start, size = rng.randrange(low, high), rng.randrange(1, 200)
        source = rng.randrange(low, high)
        piece = rng.choice((bytes(size), changed[source : source + size], rng.randbytes(size)))
        piece = piece[: max(0, high - start)]
        changed[start : start + len(piece)] = piece
        target.write_bytes(changed)
        exercise(target, Anything(rng.getrandbits(32)))


def references(path: Path) -> tuple[list[int], list[int]]:
    """Offsets in .debug_info of the first unit's four-byte references, and of its entries."""
    unit = next(iter(units(Module.load(path).elf)))
    places: list[int] = []
    entries: list[int] = []
    at, end = unit.first, unit.size
    while at < end:
        entries.append(at)
        code, at = uleb(unit.data, at)
        if not code:
            continue
        for _, form, _ in unit.abbrevs[code].specs:
            if form == forms.REF4:
                places.append(at)
            at = forms.skip(unit.data, at, forms.step(form, *unit.sizes), unit.sizes)
    return places, entries


def test_types_that_lead_in_circles(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    section = Module.load(whole).elf.section(".debug_info")
    if section is None or section.flags:
        pytest.skip("compressed")
    places, entries = references(whole)
    rng = random.Random(SEED)
    target = tmp_path / "circles"
    for _ in range(80):
        changed = bytearray(data)
        for place in rng.sample(places, rng.choice((1, 5, len(places) // 4))):
            # any entry, or the one that the reference is in
            to = rng.choice((rng.choice(entries), max(e for e in entries if e < place)))
            changed[section.offset + place : section.offset + place + 4] = to.to_bytes(4, "little")
        target.write_bytes(changed)
        exercise(target, Anything(rng.getrandbits(32)))


def test_garbage_memory(whole: Path) -> None:
    for seed in range(40):
        space = Anything(seed)
        exercise(whole, space)
        assert space.reads < 20_000
    types = Module.load(whole).types
    for name in NAMES:
        empty = FlatSpace({BASE: bytes(16)})
        value = tried(lambda name=name, empty=empty: types.variable(name, empty))
        if isinstance(value, Value):
            look(value, [200])
