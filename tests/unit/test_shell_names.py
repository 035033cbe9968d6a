"""Names in the shell that could mean something else: of another image, or of every thread's own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import build
from tests.support.flatspace import FlatSpace
from uniobs.cli.shell.scope import GuestScope
from uniobs.errors import NotOffered, UniobsError
from uniobs.image.module import Module
from uniobs.image.types_expr import address_of, evaluate

KERNEL = """
int shared = 1; int only_kernel = 2; static int hidden = 3;
__thread int mine = 4; int *uses(void) { return &mine + hidden; }
void copy(void) {}
int main(void) { copy(); return uses() != 0; }
"""
PROGRAM = """
long shared = 5; int only_program = 6; static int hidden = 7;
void copy(void) {}
int main(void) { copy(); return hidden + only_program; }
"""


def image(folder: Path, name: str, text: str, *flags: str) -> Module:
    (folder / f"{name}.c").write_text(text)
    return Module.load(build.compile_c(folder, name, [folder / f"{name}.c"], "-O0", "-no-pie", *flags))


def scope_of(modules: list[Module]) -> GuestScope:
    areas: dict[int, bytes] = {}
    for module in modules:
        areas |= {address + module.bias: bytes(text) for address, text in module.elf.text}
    target: Any = SimpleNamespace(modules=modules, space=FlatSpace(areas), live=False, kind="core", name="x")
    return GuestScope(target, lambda: None)


@pytest.fixture(scope="module", params=["-g", "-g0"])
def modules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Module]:
    folder = tmp_path_factory.mktemp("names")
    return [image(folder, "kernel", KERNEL, "-g"), image(folder, "program", PROGRAM, request.param)]


@pytest.mark.parametrize("name", ["shared", "copy", "main", "hidden"])
def test_what_two_images_have_is_asked_back(modules: list[Module], name: str) -> None:
    scope = scope_of(modules)
    with pytest.raises(UniobsError) as raised:
        evaluate(f"&{name}", scope)
    assert "'kernel'::" in str(raised.value) and "'program'::" in str(raised.value)
    found = {one.name: address_of(evaluate(f"&'{one.name}'::{name}", scope)) for one in modules}
    assert found == {one.name: (one.symbol(name) or (0,))[0] for one in modules}


def test_what_one_image_has_needs_no_more(modules: list[Module]) -> None:
    scope = scope_of(modules)
    for name, module in (("only_kernel", modules[0]), ("only_program", modules[1])):
        assert address_of(evaluate(f"&{name}", scope)) == (module.symbol(name) or (0,))[0]


def test_a_namespace_may_be_called_as_its_image(tmp_path: Path) -> None:
    (tmp_path / "shop.cc").write_text("namespace shop { int open = 1; }\nint closed = 2;\nint main() {}\n")
    flags = ("-O0", "-g", "-no-pie")
    module = Module.load(build.compile_c(tmp_path, "shop", [tmp_path / "shop.cc"], *flags, compiler="g++"))
    scope = scope_of([module])
    assert scope.variable("shop::open").type.name == "int"
    assert scope.variable("shop::closed").address == (module.symbol("closed") or (0,))[0]


def test_libraries_do_not_ask_back(modules: list[Module], tmp_path: Path) -> None:
    """Of a process the program comes first, as in gdb."""
    library = image(tmp_path, "libother.so.6", PROGRAM, "-g")
    found = address_of(evaluate("&copy", scope_of([modules[0], library])))
    assert found == (modules[0].symbol("copy") or (0,))[0]


@pytest.mark.parametrize("flag", ["-g", "-g0"])
def test_each_threads_own_has_no_address(tmp_path: Path, flag: str) -> None:
    """The symbol's number is an offset in a thread's block."""
    scope = scope_of([image(tmp_path, "kernel", KERNEL, flag)])
    why = "each thread has its own" if flag == "-g" else "no debug information"
    with pytest.raises(NotOffered, match=why):
        scope.variable("mine")
    with pytest.raises(UniobsError):
        evaluate("&mine", scope)
