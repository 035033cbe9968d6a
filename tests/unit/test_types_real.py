"""Types of real unikernels (the folder of $UNIOBS_GUESTS): every struct's layout is gdb's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import build, gdbtypes, typedump
from uniobs.errors import NotOffered, UniobsError
from uniobs.image.elf import Elf
from uniobs.image.module import Module
from uniobs.image.types_model import Type

_MOST = 24  # images looked at


def _images() -> Iterator[Path]:
    folder = os.environ.get("UNIOBS_GUESTS")
    if not folder:
        return
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix not in (".core", ".o", ".c", ".h"):
            try:
                if Elf(path).has_dwarf:
                    yield path
            except UniobsError:
                continue


IMAGES = [path for path, _ in zip(_images(), range(_MOST), strict=False)]
GLOBALS = {
    "uk_sched_head": ("struct uk_sched *", "thread_list"),
    "processes": ("", ""),
    "tcp_active_pcbs": ("struct tcp_pcb *", "next"),
    "netif_list": ("struct netif *", "hwaddr"),
}


@pytest.mark.skipif(not IMAGES, reason="UNIOBS_GUESTS names no folder of images with debug information")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.parent.name + "/" + path.name)
def test_every_layout_is_gdbs(path: Path, tmp_path: Path) -> None:
    build.need("gdb")
    types = Module.load(path).types
    asked: dict[str, Type] = {}
    ambiguous: list[str] = []
    for letter, word in (("s", "struct"), ("u", "union")):
        for name in types.table.index.names(letter):
            try:
                asked[f"{word} {name}"] = types.type(f"{word} {name}")
            except NotOffered as error:
                ambiguous.append(str(error))  # gdb would take any of them
    assert all("differently in" in text for text in ambiguous)
    assert not types.table.index.problems
    names = [name for name in asked if "<" not in name and "::" not in name and "{" not in name]
    assert len(names) > 4
    found = gdbtypes.layouts(path, tmp_path, names)
    wrong = [n for n in names if [asked[n].size, typedump.layout(asked[n])] != found[n]]
    assert not wrong
    for name, (text, member) in GLOBALS.items():
        if types.has_variable(name) and text:
            made = types.locate(name)[1]
            assert str(made) == text and made.has(member)
