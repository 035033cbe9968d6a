"""llvm-symbolizer and addr2line as oracles: what they say of addresses."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

Row = tuple[str | None, str | None, int | None]  # function, file, line; innermost first in a list


def _row(function: str, place: str) -> Row:
    file, line = place.split(" (disc")[0].rsplit(":", 1)
    return (
        None if function == "??" else function,
        None if file == "??" else os.path.normpath(file),
        int(line) if line.isdigit() and line != "0" else None,
    )


def llvm(path: Path, addresses: Sequence[int], *options: str) -> list[list[Row]]:
    text = "".join(f"{address:#x}\n" for address in addresses)
    command = ["llvm-symbolizer", f"--obj={path}", "--inlines", "--no-demangle", *options]
    out = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=25).stdout
    found = []
    for block in out.strip("\n").split("\n\n"):
        lines = block.split("\n")
        found.append([_row(lines[i], lines[i + 1].rsplit(":", 1)[0]) for i in range(0, len(lines), 2)])
    return found


def addr2line(path: Path, addresses: Sequence[int]) -> list[list[Row]]:
    text = "".join(f"{address:#x}\n" for address in addresses)
    command = ["addr2line", "-e", str(path), "-i", "-f", "-a"]
    out = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=15).stdout
    found = []
    for block in ("\n" + out).split("\n0x")[1:]:
        lines = block.rstrip("\n").split("\n")[1:]
        found.append([_row(lines[i], lines[i + 1]) for i in range(0, len(lines), 2)])
    return found
