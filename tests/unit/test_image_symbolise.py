"""Functions, files, lines and inlining against llvm-symbolizer and addr2line, over every compiler's DWARF."""

import os
import random
from pathlib import Path

import pytest

from tests.support import build, symbolizers
from uniobs.image.module import Module

SOURCES = Path(__file__).parents[1] / "guest" / "image"
VARIANTS = [
    ("gcc", ("-O2", "-gdwarf-4")),
    ("gcc", ("-O2", "-gdwarf-5")),
    ("gcc", ("-O0", "-g3")),
    ("gcc", ("-O2", "-g", "-ffunction-sections", "-Wl,--gc-sections")),
    ("gcc", ("-O2", "-g", "-gz=zlib")),
    ("gcc", ("-O3", "-g", "-flto")),
    ("gcc", ("-O2", "-gdwarf-2", "-gstrict-dwarf")),
    ("gcc", ("-O2", "-gdwarf64", "-gdwarf-5")),
    ("clang", ("-O2", "-gdwarf-4")),
    ("clang", ("-O2", "-gdwarf-5")),
    ("clang", ("-O1", "-gdwarf-5", "-gdwarf-aranges")),
]


def answers(module: Module, addresses: list[int]) -> list[list[symbolizers.Row]]:
    return [
        [
            (s.function, os.path.normpath(s.file) if s.file else None, s.line)
            for s in module.symbolise(address)
        ]
        for address in addresses
    ]


@pytest.mark.parametrize(
    ("compiler", "flags"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "_".join(v)
)
def test_agrees_with_the_oracles(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    build.need("llvm-symbolizer", "addr2line")
    sources = [SOURCES / "calls.c", SOURCES / "shapes.c"]
    path = build.compile_c(tmp_path, "program", sources, *flags, compiler=compiler)
    module = Module.load(path)
    rng = random.Random(7)
    ours = [
        f
        for f in module.elf.symbols.functions()
        if f[2].startswith(("step_", "main", "mix", "area", "clamp"))
    ]
    assert len(ours) >= 20
    addresses = [address for start, size, _ in ours for address in range(start, start + size)]
    addresses = rng.sample(addresses, min(1500, len(addresses)))
    mine = answers(module, addresses)
    other = symbolizers.llvm(path, addresses)
    third = symbolizers.addr2line(path, addresses)
    wrong = []
    for address, a, b, c in zip(addresses, mine, other, third, strict=True):
        # llvm names a split-off part (main.cold) by its symbol, addr2line mistakes a file at times:
        # a difference counts when neither of them says what we say.
        if a not in (b, c) and a != [(r[0] and r[0].split(".")[0], r[1], r[2]) for r in b]:
            wrong.append((hex(address), a, b, c))
    assert not wrong[: len(wrong) if len(wrong) * 1000 > len(addresses) else 0], wrong[:3]
    assert not module.notes
    assert any(len(row) > 2 for row in mine) or "-O0" in flags


def test_return_addresses_are_looked_up_in_their_call(tmp_path: Path) -> None:
    path = build.compile_c(tmp_path, "program", [SOURCES / "threads.c"], "-O2", "-g", "-pthread")
    module = Module.load(path, bias=0x10000)
    start, size = module.symbol("on_signal") or (0, 0)
    function = module.function(start + size - 1)
    assert function == ("on_signal", start, size)
    inside = module.symbolise(start + size, return_address=True)
    assert inside[-1].function == "on_signal"  # abort() doesn't return: its call ends the function
    assert module.symbolise(0x10000) == []


def test_separate_debug_file(tmp_path: Path) -> None:
    build.need("objcopy", "strip")
    import subprocess

    path = build.compile_c(tmp_path, "app", [SOURCES / "calls.c", SOURCES / "shapes.c"], "-O2", "-g")
    whole = Module.load(path)
    address = (whole.symbol("mix") or (0, 0))[0] + 9
    expected = whole.symbolise(address)
    assert expected[-1].line
    text_sha = whole.text_sha
    subprocess.run(["objcopy", "--only-keep-debug", "app", "app.debug"], check=True, cwd=tmp_path)
    subprocess.run(["strip", "app"], check=True, cwd=tmp_path)
    beside = Module.load(path)
    assert beside.symbolise(address) == expected
    assert beside.text_sha == text_sha
    (tmp_path / "app.debug").rename(tmp_path / "elsewhere")
    assert Module.load(path).symbolise(address) == [(None, None, None, False, None)]
    named = Module.load(path, debug=tmp_path / "elsewhere")
    assert named.symbolise(address) == expected


def test_a_strangers_debug_file_is_refused(tmp_path: Path) -> None:
    from uniobs.errors import ImageMismatch

    path = build.compile_c(tmp_path, "app", [SOURCES / "calls.c", SOURCES / "shapes.c"], "-O2")
    other = build.compile_c(tmp_path, "app.debug", [SOURCES / "threads.c"], "-O2", "-g", "-pthread")
    assert Module.load(path).debug is None
    with pytest.raises(ImageMismatch, match="build-id"):
        Module.load(path, debug=other)


def test_split_debug_information_is_said_not_guessed(tmp_path: Path) -> None:
    sources = [SOURCES / "calls.c", SOURCES / "shapes.c"]
    path = build.compile_c(tmp_path, "program", sources, "-O2", "-g", "-gsplit-dwarf")
    module = Module.load(path)
    frames = module.symbolise((module.symbol("mix") or (0, 0))[0])
    assert [(f.function, f.inlined) for f in frames] == [("mix", False)]
    assert len(module.notes) == 1
    assert "inlined calls are missing" in module.notes[0]


def test_cpp(tmp_path: Path) -> None:
    """Methods, templates, lambdas, functions of local classes: chains as llvm gives them."""
    build.need("llvm-symbolizer")
    path = build.compile_c(tmp_path, "program", [SOURCES / "store.cc"], "-O2", "-g", compiler="g++")
    module = Module.load(path)
    known = [f for f in module.elf.symbols.functions() if f[1]]
    functions = [f for f in known if module.symbolise(f[0])[-1].line]
    rng = random.Random(7)
    addresses = [rng.randrange(start, start + size) for start, size, _ in functions for _ in range(40)]
    mine = answers(module, addresses)
    theirs = symbolizers.llvm(path, addresses)
    wrong = [
        (hex(address), a, b)
        for address, a, b in zip(addresses, mine, theirs, strict=True)
        if [row[1:] for row in a] != [row[1:] for row in b]
    ]
    assert not wrong
    assert len(addresses) > 200
    assert any(len(row) > 4 for row in mine)
