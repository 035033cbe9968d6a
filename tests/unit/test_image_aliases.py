"""Of several names at one address, the public one is shown, whoever asks: accept, not __libc_accept."""

from pathlib import Path

import pytest

from tests.support import build, symbolindex
from uniobs.image.module import Module

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "aliases.c"


@pytest.fixture(scope="module", params=["dwarf", "symbols"])
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Module:
    """With and without debug information."""
    debug = "-g" if request.param == "dwarf" else "-g0"
    path = build.compile_c(tmp_path_factory.mktemp("aliases"), "aliases", [SOURCE], "-O2", debug, "-no-pie")
    return Module.load(path)


def named(module: Module, name: str) -> tuple[str | None, str]:
    """How the function with a symbol of that name is called in a stack, and elsewhere."""
    start, _ = module.symbol(name) or (0, 0)
    function = module.function(start)
    assert function is not None
    return module.symbolise(start)[-1].function, function[0]


@pytest.mark.parametrize("name", ["take", "__take", "__libc_take"])
def test_the_public_name_is_shown(module: Module, name: str) -> None:
    assert named(module, name) == ("take", "take")


def test_each_name_is_found(module: Module) -> None:
    assert module.symbol("take") == module.symbol("__libc_take") == module.symbol("__take")


def test_a_variable_too(module: Module) -> None:
    address, size = module.symbol("__shop_counter") or (0, 0)
    assert module.variable_at(address) == ("counter", address, size)


def test_debug_information_that_names_another_function_stays(module: Module) -> None:
    assert named(module, "__alone")[0] == ("__alone" if module.has_dwarf else "other")


def test_by_index_as_well(tmp_path: Path) -> None:
    symbolindex.need_helper()
    module = Module.load(build.compile_c(tmp_path, "aliases", [SOURCE], "-O2", "-g", "-no-pie"))
    opened = module._opened[0]
    opened.keeper.index = symbolindex.index_of(opened)
    assert named(module, "take") == ("take", "take")


LABELS = """
.text
.globl outer, main
.type outer, @function
outer: nop
inside: nop
nop
.size outer, . - outer
alone: nop
nop
.type main, @function
main: ret
.size main, 1
.section .note.GNU-stack,"",@progbits
"""


def test_a_label_inside_a_function_is_no_function(tmp_path: Path) -> None:
    (tmp_path / "labels.S").write_text(LABELS)
    module = Module.load(build.compile_c(tmp_path, "labels", [tmp_path / "labels.S"], "-no-pie"))
    start, size = module.symbol("outer") or (0, 0)
    assert size == 3
    names = [(module.function(start + at) or ("",))[0] for at in range(6)]
    assert names == ["outer", "outer", "outer", "alone", "alone", "main"]
    assert [module.symbolise(start + at)[0].function for at in range(6)] == names
