"""Call frame tables against pyelftools, row by row."""

from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile

from tests.support import build
from uniobs.image.dwarf.cfa import Cie, run
from uniobs.image.dwarf.expr import evaluate
from uniobs.image.module import Module

SOURCES = Path(__file__).parents[1] / "guest" / "image"
KINDS = {
    "UNDEFINED": "undefined",
    "SAME_VALUE": "same",
    "OFFSET": "offset",
    "VAL_OFFSET": "val_offset",
    "REGISTER": "register",
    "EXPRESSION": "expr",
    "VAL_EXPRESSION": "val_expr",
}


def plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, list) else value


def compare(path: Path, entries: list[Any], limit: int) -> int:
    module = Module.load(path)
    rows = 0
    for entry in entries:
        if not isinstance(entry, FDE) or entry["address_range"] == 0:
            continue
        table = entry.get_decoded().table
        end = entry["initial_location"] + entry["address_range"]
        for number, row in enumerate(table):
            stop = table[number + 1]["pc"] if number + 1 < len(table) else end
            for pc in {row["pc"], stop - 1}:
                if not row["pc"] <= pc < end:
                    continue
                rules = module.cfi(pc)
                assert rules is not None, hex(pc)
                cfa = row["cfa"]
                expected = plain(cfa.expr) if cfa.expr is not None else (cfa.reg, cfa.offset)
                assert rules.cfa == expected, hex(pc)
                theirs = {k: (KINDS[v.type], plain(v.arg)) for k, v in row.items() if isinstance(k, int)}
                mine = {
                    k: (v[0], None if v[0] in ("undefined", "same") else v[1])
                    for k, v in rules.registers.items()
                }
                assert mine == theirs, hex(pc)
                rows += 1
        if rows > limit:
            break
    assert not module.notes
    return rows


@pytest.mark.parametrize(
    "flags", [(), ("-fno-asynchronous-unwind-tables", "-fno-unwind-tables"), ("-Wl,--no-eh-frame-hdr",)]
)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_every_row(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    path = build.compile_c(
        tmp_path, "t", [SOURCES / "threads.c"], "-O2", "-g", "-pthread", *flags, compiler=compiler
    )
    with path.open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        rows = compare(path, dwarf.EH_CFI_entries(), 100_000)
        if dwarf.has_CFI():
            rows += compare(path, dwarf.CFI_entries(), 100_000)
        assert rows > 40


def test_rows_of_the_c_library() -> None:
    """Expressions, signal frames, remembered states: what a small program doesn't have."""
    path = Path("/lib/x86_64-linux-gnu/libc.so.6")
    if not path.exists():
        pytest.skip("no C library at the usual place")
    with path.open("rb") as file:
        entries = ELFFile(file).get_dwarf_info().EH_CFI_entries()
        assert compare(path, entries, 4000) > 2000
        signal = [e for e in entries if isinstance(e, FDE) and e.cie and b"S" in e.cie["augmentation"]]
    assert signal
    for entry in signal:
        rules = Module.load(path).cfi(entry["initial_location"] + 1)
        assert rules is not None
        assert rules.signal


def test_programs_that_make_no_sense_are_refused() -> None:
    cie = Cie(1, -8, 16, 0, True, False, bytes([0x0C, 7, 8, 0x90, 1]))
    assert run(cie, b"\x41\x0e\x10", 100, 200, 101).cfa == (7, 16)
    assert run(cie, b"\x41\x0e\x10", 100, 200, 100).cfa == (7, 8)
    for program in (b"\x0b", b"\x3f\x00", b"\x0e", b"\x0a" * 100):
        with pytest.raises((ValueError, IndexError)):
            run(cie, program, 100, 200, 150)


def test_expressions() -> None:
    def read(address: int, size: int) -> bytes:
        return (address * 2).to_bytes(8, "little")[:size]

    registers = {7: 0x1000, 16: 0x2005}
    plt = bytes([0x77, 8, 0x80, 0, 0x3F, 0x1A, 0x3B, 0x2A, 0x33, 0x24, 0x22])  # gcc's .plt rule
    assert evaluate(plt, registers, read, []) == 0x1008
    registers[16] = 0x200B
    assert evaluate(plt, registers, read, []) == 0x1010
    assert evaluate(bytes([0x77, 0x78, 0x06]), registers, read, []) == (0x1000 - 8) * 2
    assert evaluate(bytes([0x09, 0xFF, 0x20]), registers, read, []) == 0
    for bad in (b"\x2f\xfd\xff", b"\x22", b"\xe0", b"", b"\x30\x30\x1b"):
        with pytest.raises((ValueError, IndexError)):
            evaluate(bad, registers, read, [])
