"""Local variables in a core: what we show is what gdb shows; what gdb can't tell, we don't tell either."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import build, gdbprint, gdbtypes
from tests.unit.test_shell import Session
from uniobs.cli.shell.complete import Completer

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "locals.c"
VARIANTS = {
    "gcc-O0": ("gcc", "-g", "-O0"),
    "gcc-O2": ("gcc", "-g", "-O2"),
    "gcc-O2-dwarf4": ("gcc", "-gdwarf-4", "-O2"),
    "gcc-O1-fp": ("gcc", "-g", "-O1", "-fno-omit-frame-pointer"),
    "clang-O0": ("clang", "-g", "-O0"),
    "clang-O2": ("clang", "-g", "-O2"),
    "clang-O1-dwarf4": ("clang", "-gdwarf-4", "-O1"),
}
LEAST = {"gcc-O0": 18, "clang-O0": 18}  # so many are known; optimised code keeps fewer


@pytest.fixture(scope="module", params=VARIANTS)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Session]:
    build.need("gdb")
    compiler, *flags = VARIANTS[request.param]
    folder = tmp_path_factory.mktemp("locals")
    program = build.compile_c(folder, "locals", [SOURCE], *flags, compiler=compiler)
    core, _ = gdbtypes.values(program, folder, [])
    return request.param, Session(program, core)


@pytest.mark.timeout(60)
def test_locals_are_gdbs(session: tuple[str, Session]) -> None:
    name, run = session
    rows: list[dict[str, Any]] = run("::locals", as_json=True).rows
    mine = [row for row in rows if row["function"] in ("innermost", "middle", "main")]
    assert {"innermost", "middle"} <= {row["function"] for row in mine}
    known = 0
    for function in ("innermost", "middle", "main"):
        here = [row for row in mine if row["function"] == function]
        orders = [f"frame function {function}", *(f"p {row['name']}" for row in here)]
        theirs = gdbprint.printed(run.program, run.core, orders)
        shown = shown_of(run, function)
        for row in here:
            right = theirs[f"p {row['name']}"]
            ours = shown[row["name"]]
            if ours.startswith("<unknown: "):
                continue
            assert row["unknown"] is None
            known += 1
            assert untyped(right) == ours, (function, row["name"])
    assert known >= LEAST.get(name, 6), mine
    assert "hidden" not in {row["name"] for row in mine}  # its block isn't entered


@pytest.mark.timeout(60)
def test_a_chosen_frames_locals_have_names(session: tuple[str, Session]) -> None:
    name, run = session
    assert run("pair.name").code == 2
    assert run("::frame 2").out.startswith("#2 middle of thread")
    assert run("&pair").out.startswith("(struct pair *) 0x")
    assert "numbers" in {choice.text for choice in Completer(run.shell).choices("print numb")}
    names = ["numbers", "*numbers", "numbers[1]", "small", "kept", "kept*2", "pair.name", "pair.b"]
    orders = ["frame function middle", *(f"p {one}" for one in names)]
    theirs = gdbprint.printed(run.program, run.core, orders)
    known = 0
    for one in names:
        ran = run(one)
        right = theirs[f"p {one}"]
        if ran.code:
            assert "O0" not in name and not ran.out and ran.err, one
            continue
        known += 1
        assert untyped(ran.out.strip()) == untyped(right), one
    assert known >= (len(names) if "O0" in name else 2)
    if "O0" not in name:
        assert run("&kept").code == 2  # it is in a register, or nowhere
    assert run("::frame 1").code == 0 and run("first").code in (0, 2) and run("numbers").code == 2
    assert run("sink").out.strip().lstrip("-").isdigit()
    assert run("::frame -").code == 0 and run("numbers").code == 2
    assert run("::frame 77").code == 2 and run("::frame x").code == 2


def untyped(text: str) -> str:
    """Without the type that stands before a pointer."""
    return re.sub(r"^\([^)]*\) ", "", text)


def shown_of(run: Session, function: str) -> dict[str, str]:
    """{name: text} in one frame."""
    found: dict[str, str] = {}
    inside, name = False, ""
    for line in run("::locals").out.splitlines():
        if line.startswith("#"):
            inside = line.endswith(f" {function}")
        elif inside and " = " in line and not line.startswith("    "):
            name, _, text = line.strip().partition(" = ")
            found[name] = text
        elif inside and name:
            found[name] += "\n" + line[2:]
    return found


def test_frames_are_chosen_by_their_number(session: tuple[str, Session]) -> None:
    run = session[1]
    one = run("::locals 1")
    assert one.code == 0 and one.out.startswith("#1 innermost") and "middle" not in one.out.splitlines()[0]
    assert run("::locals 99").code == 2 and run("::locals x").code == 2
    assert run("checkpoint::locals").code == 4  # no thread
