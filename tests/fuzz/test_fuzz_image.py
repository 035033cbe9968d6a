"""Broken ELF files: every truncation and bit flip ends in an answer or in one of our errors, soon."""

import random
from pathlib import Path

import pytest

from tests.support import build
from tests.support.flatspace import FlatSpace
from uniobs.errors import UniobsError
from uniobs.image.calls import follows_call
from uniobs.image.module import Module
from uniobs.image.unwind import unwind

SOURCES = Path(__file__).parents[1] / "guest" / "image"
SEED = 20261
STACK = 0x7000_0000
VARIANTS = {
    "gcc5": ("gcc", "-gdwarf-5"),
    "gcc4z": ("gcc", "-gdwarf-4", "-gz=zlib"),
    "clang5": ("clang", "-gdwarf-5"),
}


@pytest.fixture(scope="module", params=VARIANTS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    compiler, *flags = VARIANTS[request.param]
    return build.compile_c(folder, "shapes.o.elf", [SOURCES / "irq.c"], "-O2", *flags, compiler=compiler)


def exercise(path: Path, addresses: list[int], space: FlatSpace) -> int:
    """Ask for everything; the number of addresses that got a function's name."""
    named = 0
    problem = ""
    try:
        module = Module.load(path)
        for address in addresses:
            named += any(frame.function for frame in module.symbolise(address))
            module.function(address)
            module.cfi(address)
        assert module.text_sha
        _ = module.build_id, module.symbol("main"), module.elf.debug_link
        frames, _note = unwind(
            [module], space, {"rip": addresses[0], "rsp": STACK + 64, "rbp": STACK + 128}, limit=16
        )
        assert len(frames) <= 32
        module.prove(space)
    except UniobsError as error:
        problem = str(error)
    assert "\n" not in problem
    return named


def setting(whole: Path) -> tuple[list[int], FlatSpace]:
    module = Module.load(whole)
    addresses = []
    for name in ("main", "masked", "outer"):
        start, size = module.symbol(name) or (0, 1)
        addresses += [start, start + size // 2, start + size - 1]
    rng = random.Random(SEED)
    words = b"".join(
        rng.choice([*addresses, 0, STACK + 256, 1 << 63]).to_bytes(8, "little") for _ in range(512)
    )
    return addresses, FlatSpace({STACK: words} | {a: bytes(t) for a, t in module.elf.text})


def test_truncations(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    addresses, space = setting(whole)
    assert exercise(whole, addresses, space) == len(addresses)
    target = tmp_path / "cut"
    for size in [*range(0, 128, 3), *range(128, len(data), max(1, len(data) // 100))]:
        target.write_bytes(data[:size])
        exercise(target, addresses, space)


def test_flips(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    addresses, space = setting(whole)
    elf = Module.load(whole).elf
    spans = [(0, 64), (elf._shoff, len(data)), (64, 64 + 56 * len(elf.segments))]
    for section in elf.sections:
        if section.size and (section.name.startswith((".debug", ".eh_frame", ".symtab", ".strtab", ".note"))):
            spans.append((section.offset, section.offset + section.size))
    rng = random.Random(SEED)
    target = tmp_path / "flipped"
    for _ in range(800):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            low, high = rng.choice(spans)
            at = rng.randrange(low, high)
            changed[at] = rng.choice((changed[at] ^ 1 << rng.randrange(8), 0, 0xFF, 0x7F, 0x80))
        target.write_bytes(changed)
        exercise(target, addresses, space)


def test_not_elf_at_all(tmp_path: Path) -> None:
    for number, data in enumerate(
        (b"", b"\x7fELF", b"#!/bin/sh\n" * 20, b"\x7fELF\x01\x01\x01" + bytes(100), bytes(4096))
    ):
        path = tmp_path / str(number)
        path.write_bytes(data)
        with pytest.raises(UniobsError, match=str(path)) as caught:
            Module.load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UniobsError, match="no such file"):
        Module.load(tmp_path / "missing")
    with pytest.raises(UniobsError):
        Module.load(tmp_path)


def test_stacks_of_garbage(tmp_path: Path) -> None:
    """Memory full of return addresses, frame pointers and nonsense: a bounded walk, each frame in order."""
    path = build.compile_c(tmp_path, "threads", [SOURCES / "threads.c"], "-O2", "-g", "-pthread")
    module = Module.load(path)
    code = [
        address
        for start, size, _ in module.elf.symbols.functions()
        for address in range(start, start + size)
        if follows_call(module, address)
    ]
    bare = Module.load(path)
    bare.cfi = lambda pc: None
    rng = random.Random(SEED)
    for number in range(400):
        size = rng.choice((64, 512, 4096, 65536))
        choices = [
            *rng.sample(code, 8),
            0,
            STACK + 8 * rng.randrange(size // 8),
            rng.getrandbits(64),
            1 << 47,
        ]
        words = b"".join(word.to_bytes(8, "little") for word in rng.choices(choices, k=size // 8))
        registers = {name: rng.choice(choices) for name in ("rip", "rbp", "rbx", "r10", "r12")}
        registers["rsp"] = STACK + 8 * rng.randrange(8)
        bounds = (STACK, STACK + size) if rng.random() < 0.5 else None
        use = module if number % 2 else bare
        frames, note = unwind([use], FlatSpace({STACK: words}), registers, limit=64, stack=bounds)
        assert 1 <= len(frames) <= 80
        assert note is None or "\n" not in note
        assert [f.level for f in frames] == sorted(f.level for f in frames)
        guessed = [f.trust == "scan" for f in frames]
        assert guessed == sorted(guessed)  # once searched, never trusted again
