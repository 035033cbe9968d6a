"""The library compiles everywhere and does what it says."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.guest.build import STUBS, make
from tests.guest.measure import STRICT, compile_all

KNOBS = ["TRACE", "PANIC", "LOG", "PACKETS", "SOCKETS", "LOCKS", "SITES", "CHANNEL"]
COMPILERS = [
    pytest.param(cc, marks=pytest.mark.skipif(not shutil.which(cc), reason=f"{cc} is not installed"))
    for cc in ("gcc", "clang")
]
VARIANTS = {
    "all": [],
    "minimal": ["-DUNIOBS_MINIMAL=1"],
    "none": [f"-DUNIOBS_WITH_{knob}=0" for knob in KNOBS],
} | {f"no-{knob.lower()}": [f"-DUNIOBS_WITH_{knob}=0"] for knob in KNOBS}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("cc", COMPILERS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_compiles_freestanding(cc: str, variant: str, tmp_path: Path) -> None:
    """With every knob, and needing nothing from outside."""
    for level in ("-O2",) if variant.startswith("no-") else ("-O2", "-Os"):
        objects = compile_all(cc, [level, *VARIANTS[variant]], tmp_path)
        listing = subprocess.run(
            ["nm", "-g", *map(str, objects)], capture_output=True, text=True, check=True
        ).stdout
        symbols = [line.split()[-2:] for line in listing.splitlines() if line and not line.endswith(":")]
        defined = {name for kind, name in symbols if kind != "U"}
        needed = {name for kind, name in symbols if kind == "U"} - defined
        assert needed <= {"_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize("cc", COMPILERS)
def test_unit(cc: str) -> None:
    done = subprocess.run([make("unit", cc, out=f"tests-{cc}")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(60)
def test_unit_sanitized() -> None:
    extra = "-fsanitize=address,undefined -fno-sanitize-recover=all"
    program = make("unit", cflags="-O1", extra=extra, out="tests-san")
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


GUEST = """
struct thread { uniobs_thread_t *row; uint64_t saved_sp; };
void *alloc_zeroed_pages(uint64_t size);
uint64_t physical(void *at);
void guest(struct thread *thread, struct thread *prev, struct thread *next, uint32_t tid, const char *name,
	uint64_t entry, uint64_t stack_lo, uint64_t stack_hi, void *m, uint32_t ready_count, uint8_t level,
	const char *text, uint32_t length, struct uniobs_panic regs, const void *stack, uint64_t sp);
"""


def test_readme_compiles(tmp_path: Path) -> None:
    """The lines that README.md tells a guest's author to write."""
    found = re.search(r"```c\n(#include.*?\n)(.*?)```", (STUBS / "README.md").read_text(), re.DOTALL)
    assert found
    signature = GUEST[GUEST.index("void guest") :].rstrip().rstrip(";")
    source = tmp_path / "guest.c"
    source.write_text(f"{found[1]}{GUEST}{signature}\n{{\n{found[2]}}}\n")
    done = subprocess.run(
        ["gcc", *STRICT, f"-I{STUBS / 'include'}", "-c", source], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_crc_is_zlibs() -> None:
    program = make("unit")
    rng = random.Random(1)
    for size in (0, 1, 3, 4096, 65536):
        data = rng.randbytes(size)
        done = subprocess.run([program, "crc"], input=data, capture_output=True, check=True)
        assert int(done.stdout, 16) == zlib.crc32(data)


def test_generated_files_match_the_schema() -> None:
    done = subprocess.run(
        [sys.executable, STUBS / "abi" / "generate.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
