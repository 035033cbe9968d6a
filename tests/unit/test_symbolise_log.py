"""Names on a guest's own log, and on lines that somebody else holds."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.crashlog import kernel
from support.fake_target import FakeTarget
from uniobs.cli.namedlog import NamedLog
from uniobs.image.console import Annotator, Images, annotate
from uniobs.image.console.annotate import survey
from uniobs.image.console.placed import Image
from uniobs.image.console.remembered import try_image
from uniobs.image.module import Module
from uniobs.model import registry
from uniobs.model.guest import LogLine

BIAS = 0x7000_0000


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Module:
    return Module.load(kernel(tmp_path_factory.mktemp("kernel"), movable=True).path, BIAS)


def start(module: Module, name: str) -> int:
    found = module.symbol(name)
    assert found is not None
    return found[0]


def test_annotate(module: Module) -> None:
    pc = start(module, "crash_here")
    lines = [f"rip={pc:#x}", "nothing", f"rdi={start(module, '_start'):#x} rsi={pc + 1:#x}"]
    found = list(annotate(lines, [module]))
    assert [text for text, _ in found] == lines
    names = [[frame.function for one in named for frame in one.frames] for _, named in found]
    assert names == [["crash_here"], [], ["_start"]]


def test_dmesg(module: Module) -> None:
    pc = start(module, "deref")
    stream = registry.load(registry.STREAMS, "dmesg")(FakeTarget({}), times=True)
    named = NamedLog(stream, [module])
    items = [LogLine(0, 1_000_000, 6, 2, f"rip={pc:#x}"), LogLine(1, 2_000_000, 6, 2, "x\x1b[2J")]
    assert named.feed(items) == [
        f"[    0.001000] rip={pc:#x}  <- poke console.c:10 (inlined into deref)",
        "    <- deref console.c:15",
        "[    0.002000] x\\x1b[2J",
    ]
    first, second = named.feed_json(items)
    assert [frame["function"] for frame in first["names"][0]["frames"]] == ["poke", "deref"]
    assert second["names"] == [] and named.shown() == 4
    both = LogLine(2, 0, 6, 2, f"rip={pc:#x} rax={pc:#x}")
    assert [line.count("<-") for line in named.feed([both])] == [0, 1, 1, 1, 1]


WORDS = [
    "*** Thread context:", "frame trace:", "stack trace:", "kernel load offset ffffffff9b000000",
    "[backtrace]", "Call Trace:", "base is 0x10 caller is ", "rip: ", "RIP: 0008:", "#1 ", "   3: ", " - ",
    "instruction_pointer: VirtAddr(", "Kernel starts at ", "[0] ", " + 0x012: worker", "caller is ",
    "0x0000000070001000", "0000000070001010", "70001000:", "0x70001005", "ffffffffffffffff",
    " 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff", " <main+12>", "<", ">", "[<", ">]", "@dump x",
    " entry=", "0xffffffffffffffff", "\x1b", "\0", "é", " ", ",",
]  # fmt: skip
LINES = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map("".join), max_size=30)


@given(LINES)
@settings(max_examples=200, deadline=None)
def test_any_log(module: Module, lines: list[str]) -> None:
    """Shapes in any order: no error, columns inside the line, names only of what lies in the image."""
    for foreseen in (False, True):
        image = Image(Module.load(module.path), BIAS)
        found = survey(lines)
        annotator = Annotator(Images([image]), found if foreseen else None)
        for text in lines:
            done = annotator.feed(text)
            for named in (*done.named, *done.late):
                assert 0 <= named.address.start < named.address.end
                assert named.address.value < 1 << 65
                assert bool(named.frames) != bool(named.doubt)
            for named in done.named:
                assert named.address.end <= len(text)
        image.complaint()
        try_image(Module.load(module.path), found)


def test_a_log_of_any_length_costs_no_memory(module: Module, tmp_path: Path) -> None:
    annotator = Annotator(Images([Image(module, placed=True)]))
    for number in range(70_000):
        annotator.feed(f"#1 {0x1000 + number:#x}")
    assert len(annotator.unknown) == 65536
