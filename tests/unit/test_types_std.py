"""Containers of C++'s library in a core: what the program put into them comes out."""

from pathlib import Path

import pytest

from tests.support import build, gdbtypes
from tests.support.linuxcore import LinuxCore
from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image import types_cxx as cxx
from uniobs.image.module import Module
from uniobs.image.types import Types
from uniobs.image.types_plain import Plain
from uniobs.image.types_text import Printer, Style
from uniobs.image.types_value import Value

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "types_std.cc"
VARIANTS = {
    "g++-5": ("g++", "-gdwarf-5"),
    "g++-4": ("g++", "-gdwarf-4", "-O1"),
    "clang++": ("clang++", "-g", "-fstandalone-debug"),
}


class Damaged:
    """A core with some words changed."""

    def __init__(self, core: LinuxCore, changed: dict[int, int]) -> None:
        self.core = core
        self.changed = changed

    def read(self, address: int, size: int) -> bytes:
        data = bytearray(self.core.read(address, size))
        for where, word in self.changed.items():
            for i, byte in enumerate(word.to_bytes(8, "little")):
                if address <= where + i < address + size:
                    data[where + i - address] = byte
        return bytes(data)

    def translate(self, address: int) -> int:
        return address


@pytest.fixture(scope="module", params=VARIANTS)
def core(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Types, LinuxCore]:
    build.need("gdb")
    folder = tmp_path_factory.mktemp("std")
    compiler, *flags = VARIANTS[request.param]
    program = build.compile_c(folder, "std", [SOURCE], *flags, compiler=compiler)
    path, _ = gdbtypes.values(program, folder, [])
    found = LinuxCore(path)
    return Module.load(program, found.images()[str(program)]).types, found


@pytest.mark.timeout(60)
def test_containers_print_as_what_they_hold(core: tuple[Types, LinuxCore]) -> None:
    types, memory = core

    def shown(variable: str) -> str:
        return Printer(Style(), lambda address: None).text(types.variable(variable, memory))

    assert shown("numbers") == "std::vector of length 5 = {3, 1, 4, 1, 5}"
    assert shown("empty") == "std::vector of length 0 = {}"
    assert shown("letters") == "std::list with 3 elements = {97 'a', 98 'b', 99 'c'}"
    assert shown("brief") == '"brief"' and shown("none") == '""' and shown("lengthy") == f'"{"z" * 40}"'
    assert shown("longs") == f"std::set with 20 elements = {{{', '.join(map(str, range(20)))}}}"
    assert '[50] = "0"' in shown("ordered") and '["key3"] = -3' in shown("cached")
    assert shown("counter") == "std::atomic = {17}" and shown("flag") == "std::atomic = {true}"
    assert shown("only").startswith("std::unique_ptr = {0x") and 'name = "thread 7 with' in shown("threads")
    plain = Plain()
    assert plain.of(types.variable("longs", memory)) == list(range(20)) and plain.complete
    assert plain.of(types.variable("threads", memory))[3] == {"id": 3, "name": "thread 3"}
    for container in ("numbers", "threads", "by_id", "ordered"):  # what they are made of is garbage
        value = types.variable(container, memory)
        places = range(0, value.size - 7, 8)
        damaged = Damaged(memory, {value.address + at: 0x41414141 + 5 * at for at in places})
        text = Printer(Style(), lambda address: None).text(Value(value.type, value.address, damaged))
        assert "<unknown: " in text or "std::" not in text, (container, text)


def name(thread: Value) -> str:
    return cxx.text(thread["name"])


def expected(i: int) -> str:
    return f"thread {i}" + (" with a name that is quite long" if i == 7 else "")


@pytest.mark.timeout(60)
def test_containers(core: tuple[Types, LinuxCore]) -> None:
    types, memory = core

    def get(variable: str) -> Value:
        return types.variable(variable, memory)

    assert [int(v) for v in cxx.vector(get("numbers"))] == [3, 1, 4, 1, 5]
    assert [name(v.deref()) for v in cxx.vector(get("pointers"))] == [expected(i) for i in range(20)]
    assert (len(cxx.vector(get("empty"))), cxx.vector(get("empty")).complete) == (0, True)
    walk = cxx.linked(get("threads"))
    assert [(int(v["id"]), name(v)) for v in walk] == [(i, expected(i)) for i in range(20)]
    assert walk.complete
    assert [chr(int(v)) for v in cxx.linked(get("letters"))] == ["a", "b", "c"]
    walk = cxx.hashed(get("by_id"))
    assert {int(v.first): int(v.second["id"]) for v in walk} == {100 + i: i for i in range(20)}
    assert walk.complete and len(walk) == 20
    assert {cxx.text(v.first): int(v.second) for v in cxx.hashed(get("cached"))} == {
        f"key{i}": -i for i in range(20)
    }
    assert {int(v) for v in cxx.hashed(get("chosen"))} == {i * i for i in range(20)}
    walk = cxx.ordered(get("ordered"))
    assert [(int(v.first), cxx.text(v.second)) for v in walk] == [(50 - i, str(i)) for i in range(19, -1, -1)]
    assert walk.complete
    assert [int(v) for v in cxx.ordered(get("longs"))] == list(range(20))
    assert [cxx.text(get(n)) for n in ("brief", "lengthy", "none")] == ["brief", "z" * 40, ""]
    assert cxx.text(get("lengthy"), 5) == "zzzzz"
    assert [name(cxx.owned(get(n)).deref()) for n in ("only", "shared")] == ["only", "shared"]
    assert int(cxx.atomic(get("current"))["id"]) == 19
    assert (int(cxx.atomic(get("counter"))), bool(cxx.atomic(get("flag")))) == (17, True)
    for wrong in (cxx.vector, cxx.linked, cxx.hashed, cxx.ordered, cxx.text, cxx.owned, cxx.atomic):
        with pytest.raises(NotOffered):
            wrong(cxx.vector(get("numbers")).items[0])


@pytest.mark.timeout(60)
def test_damaged_containers(core: tuple[Types, LinuxCore]) -> None:
    types, memory = core
    places = {
        "numbers": (cxx.vector, "_M_impl._M_finish"),
        "threads": (cxx.linked, "_M_impl._M_node._M_next"),
        "by_id": (cxx.hashed, "_M_h._M_before_begin._M_nxt"),
        "ordered": (cxx.ordered, "_M_t._M_impl._M_header._M_parent"),
    }
    for variable, (walk, member) in places.items():
        address = types.variable(variable, memory).member(member).address
        for word in (0, 8, 0xDEAD_0000_0000, (1 << 64) - 1, address):
            value = types.variable(variable, Damaged(memory, {address: word}))
            found = walk(value, 50)
            assert not found.complete and found.problem and len(found) <= 50, (variable, word)
    brief = types.variable("brief", memory)
    with pytest.raises(UnknownMemory):
        cxx.text(
            types.variable("brief", Damaged(memory, {brief.member("_M_string_length").address: 1 << 60}))
        )
