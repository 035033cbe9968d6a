"""Types and values through DWARF, each compared with gdb's on the same file and the same core."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import build, gdbtypes, typedump
from tests.support.linuxcore import LinuxCore
from uniobs.image.module import Module
from uniobs.image.types import Types

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "guest" / "image"
C = [SOURCES / "types_main.c", SOURCES / "types_other.c"]
CXX = [SOURCES / "types_cxx.cc", SOURCES / "types_cxx_other.cc"]
VARIANTS = {
    "gcc-5": (C, "gcc", "-gdwarf-5", "-O0"),
    "gcc-4": (C, "gcc", "-gdwarf-4", "-O2"),
    "gcc-4-units": (C, "gcc", "-gdwarf-4", "-fdebug-types-section"),
    "gcc-5-units": (C, "gcc", "-gdwarf-5", "-fdebug-types-section", "-O1"),
    "gcc-2": (C, "gcc", "-gdwarf-2", "-gstrict-dwarf"),
    "gcc-static": (C, "gcc", "-g", "-no-pie", "-gz=zlib"),
    "clang-5": (C, "clang", "-gdwarf-5", "-O0"),
    "clang-4": (C, "clang", "-gdwarf-4", "-O1"),
    "g++-5": (CXX, "g++", "-gdwarf-5"),
    "g++-4-units": (CXX, "g++", "-gdwarf-4", "-fdebug-types-section"),
    "clang++-5": (CXX, "clang++", "-gdwarf-5"),
    "clang++-4": (CXX, "clang++", "-gdwarf-4"),
}
NAMES = {
    "c": "all flexible only_here tailq stailq slist list chain ring items tree handle words numbers",
    "cxx": "sched::main_thread sched::thread::current sched::boxed spare",
}
STRUCTS = {
    "c": ["struct everything", "struct bits", "struct packed", "struct flexible", "struct item", "untagged_t",
          "struct tailq_head"],
    "cxx": ["sched::thread", "base", "second", "sched::thread::attr", "sched::box<int>", "virtually"],
}  # fmt: skip


@dataclass
class Run:
    kind: str
    program: Path
    folder: Path
    core: LinuxCore
    types: Types
    gdb: dict[str, Any]


@pytest.fixture(scope="module", params=VARIANTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    build.need("gdb")
    folder = tmp_path_factory.mktemp("types")
    sources, compiler, *flags = VARIANTS[request.param]
    kind = "c" if sources is C else "cxx"
    program = build.compile_c(folder, "types", sources, *flags, compiler=compiler)
    path, found = gdbtypes.values(program, folder, NAMES[kind].split())
    core = LinuxCore(path)
    bias = 0 if Module.load(program).elf.type == 2 else core.images()[str(program)]
    return Run(kind, program, folder, core, Module.load(program, bias).types, found)


@pytest.mark.timeout(60)
def test_values_are_gdbs(run: Run) -> None:
    for name, (address, size, expected) in run.gdb.items():
        value = run.types.variable(name, run.core)
        assert value.address == address, name
        assert (value.type.size or 0) == size or value.type.bounds == (None,), name
        assert typedump.value(value) == expected, name


def test_a_declaration_in_a_namespace_is_its_own_definition(run: Run) -> None:
    if run.kind == "c":
        pytest.skip("C has no namespaces")
    assert int(run.types.variable("pending", run.core)["right"]) == 5
    assert run.types.variable("known", run.core).has("wrong")


@pytest.mark.timeout(60)
def test_layouts_are_gdbs(run: Run) -> None:
    for name, (size, expected) in gdbtypes.layouts(run.program, run.folder, STRUCTS[run.kind]).items():
        made = run.types.type(name)
        assert made.size == size, name
        mine = [row for row in typedump.layout(made) if not row[0].startswith("_vptr")]
        theirs = [row for row in expected if not row[0].startswith("_vptr")]
        assert mine == theirs, name


@pytest.mark.timeout(60)
def test_the_demo_kernels_structs_are_those_of_ptype(tmp_path: Path) -> None:
    build.need("gdb", "make")
    subprocess.run(["make", "-s", "-C", str(ROOT / "guest-stubs" / "demo")], check=True, capture_output=True)
    elf = ROOT / "guest-stubs" / "demo" / "build" / "demo.elf"
    types = Module.load(elf).types
    names = ["struct tcp_pcb", "struct udp_pcb", "struct netif", "struct thread", "struct pbuf"]
    found = gdbtypes.layouts(elf, tmp_path, names)
    for name in names:
        made = types.type(name)
        assert [made.size, typedump.layout(made)] == found[name]
        shown = set(_offsets(gdbtypes.ptype(elf, name)))
        assert len(shown) > 3
        mine = {(row[0].split(".")[-1], row[1] // 8) for row in typedump.layout(made)}
        assert shown <= mine, name


def _offsets(text: str) -> list[tuple[str, int]]:
    """(member, byte offset) of the rows of `ptype /o` that describe a plain member."""
    rows = re.findall(r"^/\*\s+(\d+)\s+\|\s+\d+ \*/\s+[^;{}]*?(\w+)(?:\[\d+\])*;$", text, re.MULTILINE)
    return [(name, int(offset)) for offset, name in rows]
