"""The shell's grammar: commands, what stands before ::, pipes, semicolons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniobs.cli.shell.line import LONGEST, Line, Stage, lines, stage
from uniobs.errors import UniobsError, UsageError

NAMES = {"p", "threads", "stack", "print", "x", "heap", "whatis", "walk", "dis", "netstat-s", "symbols"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::threads", Stage("threads", "", "")),
        ("threads", Stage("threads", "", "")),
        ("::stack 3 4", Stage("stack", "", "3 4")),
        ("worker-a::stack", Stage("stack", "", "", "worker-a")),
        ("$rsp + 8::whatis", Stage("whatis", "", "", "$rsp + 8")),
        ("0x1234 ::whatis", Stage("whatis", "", "", "0x1234")),
        ("lock_a.owner->name", Stage("", "", "lock_a.owner->name")),
        ("print lock_a.owner->name", Stage("print", "", "lock_a.owner->name")),
        ("print/x lock_a", Stage("print", "x", "lock_a")),
        ("::x/16gx $rsp", Stage("x", "16gx", "$rsp")),
        ("x/s name", Stage("x", "s", "name")),
        ("lock_a::print/x", Stage("print", "x", "", "lock_a")),
        ("sched::cpus", Stage("", "", "sched::cpus")),
        ("sched::thread_map", Stage("", "", "sched::thread_map")),
        ("::print std::heap", Stage("print", "", "std::heap")),
        ("print sched::cpus[0]->id", Stage("print", "", "sched::cpus[0]->id")),
        ("heap + 1", Stage("", "", "heap + 1")),
        ("heap.used", Stage("", "", "heap.used")),
        ("threads[3].name", Stage("", "", "threads[3].name")),
        ("threads == 0", Stage("", "", "threads == 0")),
        ("::nonsense", Stage("nonsense", "", "")),
        ("::netstat-s", Stage("netstat-s", "", "")),
        ("walk HEAD next print $it->name", Stage("walk", "", "HEAD next print $it->name")),
        ("x", Stage("x", "", "")),
        ("p", Stage("", "", "p")),
        ("p a", Stage("p", "", "a")),
    ],
)
def test_one_command(text: str, expected: Stage) -> None:
    assert stage(text, NAMES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::threads | ::stack", [Line((Stage("threads", "", ""), Stage("stack", "", "")))]),
        ("a | b", [Line((Stage("", "", "a | b"),))]),
        ("a || x", [Line((Stage("", "", "a || x"),))]),
        ("print a|b", [Line((Stage("print", "", "a|b"),))]),
        ("print 1; ; print 2", [Line((Stage("print", "", "1"),)), Line((Stage("print", "", "2"),))]),
        ("print ';'", [Line((Stage("print", "", "';'"),))]),
        ("# nothing", []),
        ("", []),
        ("::threads ! grep x", [Line((Stage("threads", "", ""),), "grep x")]),
        ("print !a", [Line((Stage("print", "", "!a"),))]),
        ("print a != b", [Line((Stage("print", "", "a != b"),))]),
        ("::walk HEAD next | print .name ! sort",
         [Line((Stage("walk", "", "HEAD next"), Stage("print", "", ".name")), "sort")]),
    ],
)  # fmt: skip
def test_lines(text: str, expected: list[Line]) -> None:
    assert list(lines(text, NAMES)) == expected


def test_a_host_command_must_be_there() -> None:
    with pytest.raises(UsageError, match="after !"):
        list(lines("::threads ! ", {"threads"}))


def test_length_is_bounded() -> None:
    with pytest.raises(UsageError):
        list(lines("x" * (LONGEST + 1), NAMES))


@given(st.text(st.sampled_from("::threads |!;x/\"'()[]$a\\ \n#")))
def test_garbage(text: str) -> None:
    try:
        found = list(lines(text, NAMES))
    except UniobsError:
        return
    assert all(line.stages for line in found)
