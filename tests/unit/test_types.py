"""Typed access to a running program: lists, trees, text, what an image doesn't have, the kept index."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import build
from tests.support.flatspace import FlatSpace
from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image import store
from uniobs.image.module import Module
from uniobs.image.types import Types
from uniobs.image.types_value import Value
from uniobs.image.types_walk import chain, circular, container_of, queue, tree
from uniobs.memory.maps import read_maps
from uniobs.memory.process import ProcessMemory

SOURCES = Path(__file__).parents[1] / "guest" / "image"
C = [SOURCES / "types_main.c", SOURCES / "types_other.c"]


class Space:
    """A process' own addresses; counts the reads, and may lack or change some bytes."""

    def __init__(self, memory: ProcessMemory) -> None:
        self.memory = memory
        self.reads = 0
        self.missing: tuple[int, int] = (0, 0)
        self.changed: dict[int, int] = {}

    def read(self, address: int, size: int) -> bytes:
        self.reads += 1
        if address < self.missing[1] and self.missing[0] < address + size:
            raise UnknownMemory(address, size)
        data = bytearray(self.memory.read(address, size))
        for where, word in self.changed.items():
            for i, byte in enumerate(word.to_bytes(8, "little")):
                if address <= where + i < address + size:
                    data[where + i - address] = byte
        return bytes(data)

    def translate(self, address: int) -> int:
        return address


class Running:
    def __init__(self, program: Path) -> None:
        self.program = program
        self.process = subprocess.Popen([program, "wait"], stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        self.memory = ProcessMemory(self.process.pid)
        maps = read_maps(self.process.pid)
        self.bias = next(m.start for m in maps if m.path == str(program))
        self.types = Module.load(program, self.bias).types

    def space(self) -> Space:
        return Space(self.memory)

    def close(self) -> None:
        self.memory.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture(scope="module", params=["gcc", "clang"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running")
    program = build.compile_c(folder, "types", C, "-g", "-O1", compiler=request.param)
    run = Running(program.resolve())
    yield run
    run.close()


def ids(values: object) -> list[int]:
    assert hasattr(values, "__iter__")
    return [int(value["id"]) for value in values]


UP = [0, 10, 20, 30, 40, 50, 60, 70]


def test_lists_and_trees(running: Running) -> None:
    types, space = running.types, running.space()
    item = types.type("struct item")
    for name, link, expected in (
        ("tailq", "tailq", UP),
        ("stailq", "stailq", UP),
        ("slist", "slist", UP[::-1]),
        ("list", "list", UP[::-1]),
    ):
        walk = queue(types.variable(name, space), link)
        assert (ids(walk), walk.complete, walk.problem) == (expected, True, None), name
    assert ids(chain(types.variable("chain", space))) == UP[::-1]
    assert ids(circular(types.variable("ring", space), item, "ring")) == UP
    assert len(circular(types.variable("empty_ring", space), item, "ring")) == 0
    walk = tree(types.variable("tree", space), item, "node")
    assert (ids(walk), walk.complete) == (UP, True)
    third = types.variable("items", space)[3]
    assert container_of(third.member("node.c").address, item, "node.c", third).address == third.address
    assert container_of(types.variable("tree", space), item, "node")["id"].address == third.address


def test_a_struct_is_read_once(running: Running) -> None:
    space = running.space()
    value = running.types.variable("all", space)
    assert [int(value.i), int(value.as_int), int(value.named.x), int(value.grid[1][0][3])] == [
        -70000,
        0x40490FDB,
        9,
        0,
    ]
    assert (value["text"].string(), value.full.string(), value["colour"].enum) == ("hello", "full", "GREEN")
    assert space.reads == 1
    assert value["string"].string() == "constant"
    assert value["string"].text(4) == ("cons", False)
    assert space.reads == 3
    assert int(value.self.i) == -70000  # through a pointer
    assert value.self.deref().address == value.address
    assert value.function.type.target.kind == "function"
    assert int(value.numbers[3]) == -4
    assert float(value.f) == 1.5 and float(value.ld) == 3.25
    assert [w.string() if w else None for w in running.types.variable("words", space)] == [
        "alpha",
        None,
        "gamma é",
    ]


def test_what_the_image_does_not_have(running: Running) -> None:
    types, space = running.types, running.space()
    value = types.variable("all", space)
    reads = space.reads
    assert value.has("named.x", "low", "self.self.bits") and not value.has("nowhere")
    assert not types.has_variable("nowhere") and not types.has_type("struct nowhere")
    assert space.reads == reads
    for doing, said in (
        (lambda: value.nowhere, "this image's struct everything has no member nowhere"),
        (lambda: value["bits"].nine, "struct bits has no member nine"),
        (lambda: value.i.deref(), "int is no pointer"),
        (lambda: value.i["x"], "int has no members"),
        (lambda: int(value.named), "is no number"),
        (lambda: value.table[3], r"struct untagged_t\[3\] has no element 3"),
        (lambda: value.nothing[0], "doesn't say how large void is"),
        (lambda: types.variable("nowhere", space), "types has no variable nowhere"),
        (lambda: types.type("struct nowhere"), "types has no type nowhere"),
        (lambda: types.variable("of_thread", space), "of_thread is thread-local"),
        (lambda: types.variable("shared", space), "in each of .*main.c, .*other.c: name the unit"),
        (lambda: types.variable("only_here", space, unit="types_other.c"), "no variable only_here in"),
        (lambda: len(types.variable("flexible", space)["tail"]), "no known number of elements"),
        (lambda: value.i.string(), "int is no text"),
        (lambda: queue(value, "x"), "struct everything is no head of a queue"),
    ):
        with pytest.raises(NotOffered, match=said) as caught:
            doing()
        assert "\n" not in str(caught.value)
    with pytest.raises(UnknownMemory, match="a null pointer to struct item"):
        types.variable("cyclic", space).deref()
    assert not types.variable("cyclic", space)


def test_places_of_variables(running: Running) -> None:
    types = running.types
    unit = types.table.dwarf.units[0]
    start = b"\x03" + (0x1000).to_bytes(8, "little")  # DW_OP_addr
    assert types._address("x", unit, start) == 0x1000
    assert types._address("x", unit, start + b"\x23\x90\x01") == 0x1090  # plus_uconst: clang merges variables
    for code in (b"", start + b"\x9f", start + b"\x93\x04", b"\x91\x10", 0x20):
        with pytest.raises(NotOffered, match="no fixed place"):
            types._address("x", unit, code)


def test_names_in_several_units(running: Running) -> None:
    types, space = running.types, running.space()
    if running.types.table.dwarf.units[0].name:
        assert int(types.variable("shared", space, unit="types_main.c")) == 11
    assert int(types.variable("shared", space, unit="image/types_other.c")) == 22
    assert int(types.variable("doubled", space)) == 1  # the one that all units see
    assert int(types.variable("doubled", space, unit="types_other.c")) == 2
    assert types.variable("elsewhere", space).type.bounds == (4,)
    assert [int(v) for v in types.variable("elsewhere", space)] == [100, 200, 300, 400]
    handle = types.variable("handle", space)  # its unit only declares the struct
    assert int(handle.secret) == 1234 and int(handle.next.next.secret) == 1234
    assert int(types.variable("flexible", space)["tail"][1]) == 20


def test_one_name_two_meanings(running: Running) -> None:
    types, space = running.types, running.space()
    assert int(types.variable("renamed_here", space).first) == 1
    assert int(types.variable("renamed_there", space).second) == 3
    for name, here, there in (("struct renamed", "first", "second"), ("number_t", "int", "float")):
        with pytest.raises(
            NotOffered, match=r"differently in .*types_main.c, .*types_other.c: name the unit"
        ):
            types.type(name)
        for source, expected in (("types_main.c", here), ("types_other.c", there)):
            made = types.type(name, unit=source)
            assert expected in (str(made), *(made.fields if made.kind == "struct" else ()))


def test_damaged_lists_are_marked(running: Running) -> None:
    types, space = running.types, running.space()
    item = types.type("struct item")
    items = types.variable("items", space)

    def walks(index: int) -> dict[str, tuple[list[int], bool, str]]:
        found = {
            "tailq": queue(types.variable("tailq", space), "tailq"),
            "stailq": queue(types.variable("stailq", space), "stailq"),
            "ring": circular(types.variable("ring", space), item, "ring"),
            "chain": chain(types.variable("chain", space)),
            "tree": tree(types.variable("tree", space), item, "node"),
        }
        return {name: (ids(walk), walk.complete, walk.problem or "") for name, walk in found.items()}

    whole = walks(0)
    assert all(row[1] for row in whole.values())
    links = {
        "tailq": items[4].member("tailq.tqe_next").address,
        "stailq": items[4].member("stailq.stqe_next").address,
        "ring": items[4].member("ring.next").address,
        "chain": items[4].member("next").address,
        "tree": items[1].member("node.c")[1].address,
    }
    second = items[1]
    back = {
        "chain": items[6].address,
        "ring": second.member("ring").address,
        "tree": items[3].member("node").address,
    }
    for wrong, said in (
        (lambda name: back.get(name, second.address), "leads back to|belongs elsewhere"),
        (lambda name: 0xDEAD_BEEF_0000, "leads out of memory"),
        (lambda name: (1 << 64) - 4, "leads out of memory"),
        (lambda name: 8, "leads out of memory|a null pointer"),
    ):
        for name, address in links.items():
            space.changed = {address: wrong(name)}
            found, complete, problem = walks(0)[name]
            assert not complete, (name, problem)
            assert any(part in problem for part in said.split("|")), (name, problem)
            assert found == whole[name][0][: len(found)] and len(found) < 8, (name, problem)
    for name, to in (  # links that skip elements, or take those of another branch
        ("tailq", items[6].address),
        ("ring", items[6].member("ring").address),
        ("tree", items[7].member("node").address),
    ):
        space.changed = {links[name]: to}
        found, complete, problem = walks(0)[name]
        assert not complete and "belongs elsewhere" in problem, name
        assert found == whole[name][0][: len(found)], name
    space.changed = {}
    first = walks(0)["chain"]
    assert first == whole["chain"]
    short = chain(types.variable("chain", space), limit=3)
    assert (ids(short), short.complete) == ([70, 60, 50], False)
    assert short.problem == "the list of struct item is longer than 3"


def test_memory_that_is_not_held(running: Running) -> None:
    types, space = running.types, running.space()
    items = types.variable("items", space)
    space.missing = (items[5].address, items[5].address + 4)
    assert int(items[4]["id"]) == 40
    assert int(types.variable("items", space)[5].member("next")) == items[4].address  # beside the hole
    with pytest.raises(UnknownMemory):
        int(types.variable("items", space)[5]["id"])
    for address in (-8, (1 << 64) - 2, 1 << 70):
        with pytest.raises(UnknownMemory):
            int(types.at("int", address, space))
    flat = FlatSpace({0x1FF0: b"0123456789abcdef"})
    pointer = types.at("char *", 0x100, FlatSpace({0x100: (0x1FF0).to_bytes(8, "little")}))
    with pytest.raises(UnknownMemory):
        pointer.string()
    array = Value(types.variable("flexible", space)["tail"].type, 0x1FF0, flat)
    assert int(array[3]) == int.from_bytes(b"cdef", "little")
    with pytest.raises(UnknownMemory):
        int(array[4])


def test_types_by_name(running: Running) -> None:
    types = running.types
    for name, text, size in (
        ("struct item", "struct item", types.type("struct item").size),
        ("untagged_t", "struct untagged_t", 8),
        ("untagged_t *", "struct untagged_t *", 8),
        ("enum colour", "enum colour", 4),
        ("int", "int", 4),
        ("counted_t", "unsigned short", 2),
        ("char **", "char **", 8),
    ):
        made = types.type(name)
        assert (str(made).replace("short unsigned int", "unsigned short"), made.size) == (text, size)
    assert types.type("enum sign").enumerators == {-3: "BELOW", -2: "ZERO", 200: "ABOVE"}
    everything = types.type("struct everything")
    assert everything.offset("named.y") - everything.offset("named") == 8
    assert everything.offset("as_int") == everything.offset("low") == everything.offset("high") - 1
    with pytest.raises(NotOffered, match=r"bits\.one is a bit field: it has no address"):
        everything.offset("bits.one")


def kept() -> Path:
    (path,) = store.directory().glob("*.types")
    return path


def test_the_index_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = build.compile_c(tmp_path, "types", C, "-g")

    def look(path: Path = program) -> tuple[bool, int]:
        copy = tmp_path / "again"  # another file of the same content: nothing is shared in this process
        copy.unlink(missing_ok=True)
        shutil.copy2(path, copy)
        types = Types(Module.load(copy))
        address = types.locate("only_here")[0]
        return types.table.index.kept, address

    first = look()
    assert first[0] is False
    assert look() == (True, first[1])
    whole = kept().read_bytes()
    for damage in (
        b"",
        whole[:100],
        whole[:-1],
        whole + b"x",
        whole.replace(b"vonly_here", b"vonly_herf"),
        whole.replace(b"uniobs-types", b"uniobs-tapes"),
        bytes(1000),
        whole[::-1],
    ):
        kept().write_bytes(damage)
        assert look() == (False, first[1])
        assert kept().read_bytes() == whole
    os.utime(program, ns=(1, 1))
    assert look() == (False, first[1])
    assert len(list(store.directory().glob("*.types"))) == 2
    assert not [p for p in store.directory().iterdir() if p.suffix not in (".types", ".json")]
    shutil.rmtree(store.directory())
    store.directory().parent.joinpath("images").write_text("a file, so nothing can be kept")
    assert look() == (False, first[1])


def test_no_debug_information(tmp_path: Path) -> None:
    program = build.compile_c(tmp_path, "types", C)
    with pytest.raises(NotOffered, match=r"types: no debug information \(DWARF\)"):
        _ = Module.load(program).types
