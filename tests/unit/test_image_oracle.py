"""20,000 random addresses on each of three images and one of Rust: lines, functions, inlined calls as
llvm-symbolizer has them.

Lines, files and the depth of inlining agree to the last one asked. Names differ where llvm-symbolizer takes
one from elsewhere than the entry of .debug_info that the line belongs to; each such difference is looked up:

* symbol: for the outermost function it takes the symbol at the address: an alias (__GI_x, x@VERSION), or a
  clone (x.constprop.0) of the function that the DWARF names. uniobs' name is then what it says when it is
  asked for the DWARF's own (--functions=short), or that of another symbol there;
* linkage: for an inlined C function it shows the name given by asm("x64"), uniobs the one in the source;
* file: without any DWARF it shows the symbol table's last file symbol as a file, which uniobs doesn't guess.
"""

import collections
import os
import random
import subprocess
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import pytest

import boot
from tests.support import build, symbolindex, symbolizers
from uniobs.image.frames import SourceFrame
from uniobs.image.module import Module

SOURCES = Path(__file__).parents[1] / "guest" / "image"
LIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")
COUNT = 20_000
SHARE = 0.999
RUST = """
use std::collections::BTreeMap;
fn main() {
    let mut found = BTreeMap::new();
    for text in std::env::args() {
        for (at, c) in text.chars().enumerate() { found.entry(c).or_insert_with(Vec::new).push(at); }
    }
    println!("{:?}", found);
}
"""
Rows = list[symbolizers.Row]


def demo(_folder: Path) -> Module:
    if not boot.ELF.exists():
        pytest.skip("the demo guest isn't built")
    return Module.load(boot.ELF)


def libc(_folder: Path) -> Module:
    if not LIBC.exists() or (module := Module.load(LIBC)).debug is None:
        pytest.skip("libc's debug file isn't installed (libc6-dbg)")
    return module


def cxx(folder: Path) -> Module:
    flags = ("-O2", "-gdwarf-5")
    return Module.load(build.compile_c(folder, "program", [SOURCES / "store.cc"], *flags, compiler="g++"))


def rust(folder: Path) -> Module:
    build.need("rustc")
    (folder / "program.rs").write_text(RUST)
    command = ["rustc", "-g", "-O", "-o", str(folder / "program"), str(folder / "program.rs")]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("rustc is there, but has no toolchain")
    return Module.load(folder / "program")


def sample(module: Module) -> list[int]:
    """Half of them in functions, half anywhere in the code, padding included."""
    rng = random.Random(20_000)
    functions = [(start, start + size) for start, size, _ in module.elf.symbols.functions() if size]
    found = []
    for ranges in (functions, list(module.elf.code_ranges)):
        ends = list(accumulate(high - low for low, high in ranges))
        for _ in range(COUNT // 2):
            place = rng.randrange(ends[-1])
            index = bisect_right(ends, place)
            found.append(ranges[index][1] - (ends[index] - place))
    return found


class Named:
    """Which symbols hold an address, and the file symbols, by nm."""

    def __init__(self, path: Path) -> None:
        text = subprocess.run(["nm", "-a", "-S", path], capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in text.splitlines()]
        self.files = {row[-1] for row in rows if row[-2] == "a"}
        sized = [row for row in rows if len(row) == 4]
        self.by_end = sorted((int(start, 16), int(size, 16), name) for start, size, _, name in sized)
        self.starts = [row[0] for row in self.by_end]
        self.labels = {row[-1] for row in rows if len(row) == 3}

    def holds(self, address: int, name: str) -> bool:
        index = bisect_right(self.starts, address)
        near = self.by_end[max(0, index - 64) : index]
        return name in self.labels or any(
            symbol.split("@")[0] == name.split("@")[0] and start <= address < start + size
            for start, size, symbol in near
        )


def row(frame: SourceFrame) -> symbolizers.Row:
    file = os.path.normpath(frame.file) if frame.file else None
    return frame.linkage_name or frame.function, file, frame.line


def explained(mine: Rows, theirs: Rows, short: Rows, address: int, named: Named) -> str | None:
    """The class of a difference; None: nothing explains it."""
    if [r[1:] for r in mine] != [r[1:] for r in theirs]:
        alone = len(mine) == len(theirs) == 1 and mine[0][1:] == (None, None) and theirs[0][2] is None
        return "file" if alone and theirs[0][1] in named.files else None
    for a, b, c in zip(mine[:-1], theirs[:-1], short[:-1], strict=True):
        if a[0] not in (b[0], c[0]):
            return None
    ours, other, plain = mine[-1][0], theirs[-1][0], short[-1][0]
    if ours == other:
        return "linkage"
    if other is None or not named.holds(address, other):
        return None
    mangled = (ours or "").startswith(("_Z", "_R")) and (plain or "").split("<")[0].strip("~{}") in str(ours)
    symbol = ours is not None and named.holds(address, ours)
    public = symbol and (plain or "").startswith("_") and (plain or "").endswith(f"_{ours}")
    known = ours is None or ours == plain or mangled or public or (plain is None and symbol)
    return "symbol" if known else None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("image", [demo, libc, cxx, rust], ids=lambda image: str(image.__name__))
def test_lines_functions_and_inlined_calls(image: object, tmp_path: Path) -> None:
    build.need("llvm-symbolizer", "nm")
    symbolindex.need_helper()
    assert callable(image)
    module = image(tmp_path)
    addresses = sample(module)
    keeper = module._keeper
    assert keeper is not None and keeper.get(60) is not None
    mine = [[row(frame) for frame in frames] for frames in module.symbolise_many(addresses)]
    assert not module.notes
    path = Path((module.debug or module.elf).file)
    theirs = symbolizers.llvm(path, addresses)
    short = symbolizers.llvm(path, addresses, "--functions=short")
    named = Named(path)
    classes: collections.Counter[str] = collections.Counter()
    wrong = []
    for address, a, b, c in zip(addresses, mine, theirs, short, strict=True):
        if a == b:
            continue
        why = explained(a, b, c, address, named)
        classes[why or "unexplained"] += 1
        if why is None:
            wrong.append((hex(address), a, b))
    assert len(wrong) <= (1 - SHARE) * len(addresses), (classes, wrong[:4])
    assert not wrong, (classes, wrong[:4])
    assert sum(len(frames) > 1 for frames in mine) > len(addresses) // 40
    assert sum(bool(frames and frames[0][2]) for frames in mine) > len(addresses) // 2
