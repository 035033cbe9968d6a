"""Types of real unikernels (the folder of $UNIOBS_GUESTS): every struct's layout is gdb's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import build, gdbtypes, typedump
from uniobs.cores.open import open_core
from uniobs.errors import NotOffered, UniobsError
from uniobs.image.elf import Elf
from uniobs.image.module import Module
from uniobs.image.types_model import Type
from uniobs.image.types_value import Value
from uniobs.image.types_walk import queue
from uniobs.memory.paging import Identity

_MOST = 64  # images looked at


def _images() -> Iterator[Path]:
    folder = os.environ.get("UNIOBS_GUESTS")
    if not folder:
        return
    inside = Path(folder) / "images"
    for path in sorted((inside if inside.is_dir() else Path(folder)).rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix not in (".core", ".o", ".c", ".h"):
            try:
                if Elf(path).has_dwarf:
                    yield path
            except UniobsError:
                continue


def _cores() -> Iterator[tuple[Path, Path]]:
    """(debug file, core) of guests that run where they were linked: "unikraft-base-crash.core"."""
    for image in IMAGES:
        for core in sorted(Path(os.environ["UNIOBS_GUESTS"]).rglob(f"{image.parent.name}-*.core")):
            if image.parent.name == "unikraft-base":
                yield image, core


IMAGES = [path for path, _ in zip(_images(), range(_MOST), strict=False)]
CORES = list(_cores())
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
    if not all(unit.is_c for unit in types.table.dwarf.units):
        # C sees less of what C++ defines (opaque locks): either view may be met first, of the same size
        wrong = [n for n in wrong if asked[n].size != found[n][0]]
    assert not wrong
    for name, (text, member) in GLOBALS.items():
        if types.has_variable(name) and text:
            made = types.locate(name)[1]
            assert str(made) == text and made.has(member)


@pytest.mark.skipif(not CORES, reason="UNIOBS_GUESTS names no folder with unikraft-base-*.core")
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("image", "path"), CORES, ids=lambda path: path.name)
def test_every_variable_is_gdbs(image: Path, path: Path, tmp_path: Path) -> None:
    build.need("gdb")
    types = Module.load(image).types
    core = open_core(str(path))
    try:
        space = Identity(core.memory)
        known: dict[str, Value] = {}
        for name in types.table.index.names("v"):
            if "::" not in name and types.has_variable(name):
                known[name] = types.variable(name, space)
        found = gdbtypes.core_values(image, tmp_path, path, list(known))
        assert len(found) > 100
        for name, (address, expected) in found.items():
            value = known[name]
            assert (value.address, typedump.value(value)) == (address, expected), name
        threads = queue(types.variable("uk_sched_head", space)["thread_list"], "thread_list")
        assert threads.complete
        names = [thread["name"].string() for thread in threads]
        assert {"idle", "init", "lwip", "worker-a", "worker-b"} <= set(names)
    finally:
        core.memory.close()
