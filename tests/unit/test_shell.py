"""The shell on the core of a program with variables of every kind: its commands, their errors and codes."""

import json
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import build, gdbprint, gdbtypes
from tests.support.cli import uniobs
from uniobs.cli.output import Output
from uniobs.cli.shell import drgnshell
from uniobs.cli.shell.complete import Completer, last_operand
from uniobs.cli.shell.state import Quit, Shell
from uniobs.errors import NotOffered
from uniobs.target import open_target

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "shell.c"

DEEP = {"deep", "deep1", "deep2", "deep3"}


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> list[Any]:
        return list(json.loads(self.out)["rows"])


class Session:
    def __init__(self, program: Path, core: Path) -> None:
        self.program, self.core = program, core
        self.target = open_target(str(core), [str(program)])
        self.shell = Shell(self.target, Output(StringIO(), StringIO()), "core")

    def __call__(self, text: str, as_json: bool = False) -> Ran:
        """One line; the shell keeps what it was told before."""
        self.shell.out = Output(StringIO(), StringIO(), json=as_json)
        code = self.shell.run(text)
        out, err = self.shell.out.stdout, self.shell.out.stderr
        assert isinstance(out, StringIO) and isinstance(err, StringIO)
        assert "bug in uniobs" not in err.getvalue(), (text, err.getvalue())
        return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    build.need("gdb")
    folder = tmp_path_factory.mktemp("shell")
    made = build.compile_c(folder, "shell", [SOURCE], "-g", "-O0", compiler="gcc")
    core, _ = gdbtypes.values(made, folder, [])
    return made, core


@pytest.fixture
def run(program: tuple[Path, Path]) -> Session:
    return Session(*program)


def test_expressions_alone_are_printed(run: Session) -> None:
    assert run("head->next->name").out == '"second"\n'
    assert run("print number; print/x number").out == "-42\n0xffffffd6\n"
    assert run("first | 0").code == 2  # a struct is no number
    assert run("number | 1").out == "-41\n"
    assert run("head::print").out.startswith("(struct node *) 0x")


def test_errors_point_at_the_place(run: Session) -> None:
    ran = run("head->nmae")
    assert ran.code == 2 and ran.out == ""
    first, line, caret = ran.err.splitlines()
    assert first.startswith("uniobs: struct node has no member nmae") and line == "  head->nmae"
    assert caret == "        ^"


def test_codes_and_going_on(run: Session) -> None:
    ran = run("nothing; number")
    assert ran.code == 2 and ran.out == "-42\n"
    assert run("*outside").code == 4 and "<unknown: " in run("*outside").out
    assert run("::nonsense").code == 2 and "no command ::nonsense" in run("::nonsense").err
    assert "did you mean ::stack" in run("::stak").err
    assert run("::heap").code == 5
    with pytest.raises(Quit):
        run("::quit")


def last_words(ran: Ran) -> list[str]:
    return [line.split()[-1] for line in ran.out.splitlines()]


def test_walks(run: Session) -> None:
    assert last_words(run("::walk jobs entry print .id")) == ["20", "21", "22"]
    assert last_words(run("::walk items struct item.link print $it.id")) == ["10", "11", "12"]
    assert last_words(run("::walk head next print .name")) == ['"first"', '"second"']
    assert run("::walk head").out.count("struct node") == 2  # "next" goes without saying
    assert len(run("::walk points").out.splitlines()) == 3
    assert run("::walk words print *$it").code == 0
    assert len(run("::walk -n 2 row").out.splitlines()) == 2 and "3 more" in run("::walk -n 2 row").err
    cyclic = run("::walk &loop next")
    assert cyclic.code == 4 and "leads back to" in cyclic.err and cyclic.out.count("struct node") == 1
    assert run("::walk nobody next").code == 0 and "empty" in run("::walk nobody next").err
    assert run("::walk number").code == 5
    assert run("::walk head nmae").code == 5
    assert run("::walk items").code == 2  # whose ring?


def test_pipes_hand_values_on(run: Session) -> None:
    assert run("::walk head next | print .id").out == "1\n2\n"
    assert run("row | print $it * 2").out == "2\n4\n6\n8\n10\n"
    assert run("::walk jobs entry | print .id | print $it + 1").out == "21\n22\n23\n"
    assert run("::threads | ::stack").out.startswith("Thread ")
    ran = run("::walk head next | print .next->id")
    assert ran.out == "2\n<unknown: a null pointer to struct node>\n" and ran.code == 4
    assert run("::status | print").code == 2 and "gives text" in run("::status | print").err
    assert run("::help ! grep -c ::").out.strip().isdigit()


def test_memory(run: Session) -> None:
    orders = ["x/4dw row", "x/6xb mac", "x/2xg &huge", "x/s buffer", "x/3c buffer", "x/2ag &head"]
    theirs = gdbprint.printed(run.program, run.core, orders)
    for order, right in theirs.items():
        command = order.replace(" row", " &row").replace(" mac", " &mac").replace(" buffer", " &buffer")
        assert run(command).out.split() == right.split(), order
    assert run("x/4dw &row").out.split()[2:] == ["1", "2", "3", "4"]
    assert run("x").out.split()[2] == "5"  # it goes on
    ran = run("x/4xg 16")
    assert ran.code == 4 and ran.out.count("?") == 4 and "32 bytes" in ran.err
    for wrong in ("x/0x &row", "x/99999999x &row", "x/qq &row", "x/xx &row", "x/bb &row"):
        assert run(wrong).code == 2, wrong


def test_instructions(run: Session) -> None:
    text = run("::dis run_it").out
    assert "run_it+4" in text and text.splitlines()[-1].split()[2] == "ret"
    assert "shell.c:" in text and len(run("::dis -n 3 main").out.splitlines()) == 3
    assert run("x/2i &main").out.count("main") == 2
    assert "<run_it" in run("::dis main").out or "call" in run("::dis main").out
    assert run("::dis number + 5").code == 5


def test_whatis(run: Session) -> None:
    assert "is points+0xc, 24 bytes of data of shell: points[1].y (int)" in run("&points[1].y::whatis").out
    assert "is run_it, code of shell, shell.c:" in run("::whatis run_it").out
    assert "isn't mapped" in run("::whatis 16").out or run("::whatis 16").code == 0


def test_types_and_symbols(run: Session) -> None:
    assert "struct node *next;" in run("::type struct node").out
    assert run("::type number").out == "int number;\n"
    assert "union" in run("::type first").out and "READY = 4," in run("::type enum state").out
    assert set(last_words(run("::type dee*"))) == {"NAME", *DEEP}
    assert run("::type struct node *").out.startswith("struct node *")
    assert run("::type struct nonsense").code == 2
    names = [row.split()[-1] for row in run("::symbols points").out.splitlines()[1:]]
    assert names == ["points"]
    assert run("::symbols nothing_like_it").code == 5
    several = run("::symbols _start*").out.splitlines()  # of the program, and of its loader
    assert several[0].split()[-1] == "IMAGE"
    assert len({row.split()[-1] for row in several[1:]}) > 1


def test_json(run: Session) -> None:
    (row,) = run("print second", as_json=True).rows
    assert row["type"] == "struct node" and row["address"] > 0
    value = row["value"]
    assert value["name"] == "second" and value["state"] == "READY" and value["bytes"] == [4, 3, 2, 1]
    assert run("print fn.why", as_json=True).rows[0]["symbol"] is None
    assert run("print &number", as_json=True).rows[0]["symbol"] == "number"
    unknown = run("*outside", as_json=True)
    assert unknown.code == 4 and unknown.rows[0]["value"] is None
    assert json.loads(unknown.out)["complete"] is False
    assert [row["value"] for row in run("::walk head next print .id", as_json=True).rows] == [1, 2]
    assert [row["value"] for row in run("x/2dw &row", as_json=True).rows] == [1, 2]
    members = run("::type struct node", as_json=True).rows[0]["members"]
    assert members[0]["name"] == "next" and members[0]["offset"] == 0
    assert run("::status", as_json=True).rows[0]["image"]
    assert run("::regs", as_json=True).rows[0]["registers"]["rip"]
    assert run("::dis run_it", as_json=True).rows[0]["size"] > 0


def test_settings(run: Session) -> None:
    assert run("::set elements 2; row").out == "{1, 2...}\n".replace("2...", "2, ...")
    assert run("::set").out.split()[:2] == ["elements", "2"]
    for wrong in ("::set elements", "::set nothing 3", "::set depth -1", "::set depth 1000"):
        assert run(wrong).code == 2
    assert run("::set follow 1; head").out.count("->") == 1


def test_again_and_again(run: Session) -> None:
    assert run("::every 0.05 3 print number").out == "-42\n" * 3
    assert run("::every soon print number").code == 2 and run("::every 1 ").code == 2


def test_help_names_every_command(run: Session) -> None:
    from uniobs.cli.shell import table

    text = run("::help").out
    assert all(f"::{name} " in text for name in table.COMMANDS)
    for name in table.COMMANDS:
        assert run(f"::help {name}").code == 0
    assert run("::help nonsense").code == 2


def test_the_tools_run_on_the_open_target(run: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("::bt").code == 0 and "checkpoint" in capsys.readouterr().out
    assert run("::ps --nonsense").code == 2
    assert run("::ps -g other").code == 2
    assert run("::why").code in (0, 1, 4)


def test_without_drgn_it_is_said_what_to_install(run: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "drgn", None)
    with pytest.raises(NotOffered, match=r"pip install 'uniobs\[drgn\]'"):
        drgnshell.program(run.target)


def test_guest_text_is_made_safe(run: Session) -> None:
    run.shell.out = Output(StringIO(), StringIO())
    run.shell.lines("a\x1b[2Jb\nc")
    out = run.shell.out.stdout
    assert isinstance(out, StringIO) and out.getvalue() == "a\\x1b[2Jb\nc\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::th", {"thread", "threads"}),
        ("pri", {"print"}),
        ("print head->na", {"name"}),
        ("print first.", {"next", "id", "name", "state", "low", "whole", "bytes"}),
        ("print first.next->ne", {"next"}),
        ("1 + points[1].", {"x", "y"}),
        ("(*head).na", {"name"}),
        ("print poin", {"pointer", "points"}),
        ("::type struct dee", DEEP),
        ("(struct nod", {"node"}),
        ("$ri", {"$rip"}),
        ("::help thr", {"thread", "threads"}),
        ("::set el", {"elements"}),
        ("print nothing.", set()),
        ("print run_it.", set()),
        ("head::pri", {"print"}),
        ("number; print head->na", {"name"}),
        ("::walk jo", {"jobs"}),
        ("::dis run_", {"run_it"}),
    ],
)
def test_completion(run: Session, text: str, expected: set[str]) -> None:
    choices = Completer(run.shell).choices(text)
    found = {choice.text for choice in choices}
    assert all(choice.text.startswith(text[len(text) - choice.length :]) for choice in choices)
    # the program's libraries have names too
    assert found >= expected and (len(found) == len(expected) or "." not in text)


def test_a_choice_replaces_what_was_typed_of_it(run: Session) -> None:
    (choice,) = Completer(run.shell).choices("print head->na")
    assert (choice.text, choice.length, choice.about) == ("name", 2, "char[12]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a + b", "b"), ("x(a[3].b", "a[3].b"), ("p->q", "p->q"), ("(*p)", "(*p)"), ("", ""), ("]]", "]]")],
)
def test_last_operand(text: str, expected: str) -> None:
    assert last_operand(text) == expected


@given(st.text(st.sampled_from("::|;x/ print head->.[]()$it 'walk\"#!=stack thread")))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_said_and_the_shell_stays(run: Session, text: str) -> None:
    if "!" in text or "q" in text:
        return  # a host's command
    with suppress(Quit):
        run(text)
    Completer(run.shell).choices(text)
    assert run("number").out == "-42\n"


def test_completion_offers_no_name_that_would_be_a_command(run: Session) -> None:
    """Names come from the guest: one that is completed must stay one word of an expression."""
    endings = [" ; ::quit", " ! touch x", "\n::quit", "|quit", "'", '"', "\x1b[2J", "#", "\u202e"]
    evil = [f"evil{ending}" for ending in endings]
    fine = ["evil", "evil::wait<int, (char)59>", "evil_1$x", "evil~x", "evil-a [1]"]
    completer = Completer(run.shell)
    completer._names = sorted(evil + fine)
    assert {choice.text for choice in completer.choices("print evi")} == set(fine)


def test_numbers_that_are_none(run: Session) -> None:
    long = "9" * 5000
    words = ["²::stack", f"{long}::stack", "::locals ²", f"::locals {long}", f"::frame {long}"]
    words += ["::set rows ²", f"::set rows {long}", f"::stack {long}", "::regs ²"]
    for text in words:
        assert run(text).code, text


def test_a_script_that_is_no_text(
    run: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that aren't UTF-8 are an error of their line; a script that is too long isn't run in part."""
    (tmp_path / "script").write_bytes(b"status\nprint \xff\n")
    ran = uniobs("shell", "-f", tmp_path / "script", "--image", run.program, run.core, expect=2)
    assert "means nothing here" in ran.err
    stdin = ("sh", "-c", 'exec "$@" < script', "sh")
    monkeypatch.chdir(tmp_path)
    ran = uniobs("shell", "--image", run.program, run.core, prefix=stdin, expect=2)
    assert "means nothing here" in ran.err
    (tmp_path / "script").write_bytes(b"#" * (1 << 21))
    ran = uniobs("shell", "-f", tmp_path / "script", "--image", run.program, run.core, expect=2)
    assert "too long" in ran.one_line()


def test_bytes_are_not_cut_as_text_in_json(run: Session) -> None:
    (row,) = run("packed", as_json=True).rows
    assert row["value"] == [*b"TRhd\f", 0, 1, 2, 3, 0, 0, 0]
    (row,) = run("name_and_more", as_json=True).rows
    assert row["value"] == "name"
