"""ELF files, the proof against memory, known images, disassembly and source text."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from tests.support import build
from tests.support.flatspace import FlatSpace
from uniobs.errors import ImageMismatch, NotOffered
from uniobs.image import store
from uniobs.image.disasm import disassemble
from uniobs.image.locate import snippet
from uniobs.image.module import Module

SOURCES = Path(__file__).parents[1] / "guest" / "image"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("module")
    return build.compile_c(folder, "calls", [SOURCES / "calls.c", SOURCES / "shapes.c"], "-O2", "-g")


def memory_of(module: Module) -> FlatSpace:
    return FlatSpace({address + module.bias: bytes(text) for address, text in module.elf.text})


def test_elf_as_pyelftools_sees_it(program: Path) -> None:
    elf = Module.load(program).elf
    with program.open("rb") as file:
        other = ELFFile(file)
        assert [s.name for s in elf.sections] == [s.name for s in other.iter_sections()]
        for section in other.iter_sections():
            if section["sh_type"] != "SHT_NOBITS" and section.name:
                assert bytes(elf.data(section.name)) == section.data()
        assert [(s.vaddr, s.filesz, s.memsz) for s in elf.segments] == [
            (s["p_vaddr"], s["p_filesz"], s["p_memsz"]) for s in other.iter_segments()
        ]
        table: Any = other.get_section_by_name(".symtab")
        functions = {
            s["st_value"]: s["st_size"]
            for s in table.iter_symbols()
            if s["st_info"]["type"] == "STT_FUNC" and s["st_shndx"] != "SHN_UNDEF" and s["st_size"]
        }
        note: Any = other.get_section_by_name(".note.gnu.build-id")
        assert elf.build_id == next(note.iter_notes())["n_desc"]
    mine = {start: size for start, size, _ in elf.symbols.functions() if size}
    assert mine == functions
    for start, size in functions.items():
        for address in (start, start + size - 1):
            found = elf.symbols.function(address)
            assert found is not None
            assert found.address == start


def test_other_architectures_are_refused(tmp_path: Path, program: Path) -> None:
    changed = bytearray(program.read_bytes())
    changed[4] = 1
    (tmp_path / "small").write_bytes(changed)
    with pytest.raises(NotOffered, match="32-bit"):
        Module.load(tmp_path / "small")
    changed[4], changed[18] = 2, 243
    (tmp_path / "riscv").write_bytes(changed)
    with pytest.raises(NotOffered, match="machine 243"):
        Module.load(tmp_path / "riscv")
    changed[18], changed[16] = 62, 4
    (tmp_path / "core").write_bytes(changed)
    with pytest.raises(NotOffered, match="it is a core, not a program"):
        Module.load(tmp_path / "core")


def test_proof(program: Path) -> None:
    module = Module.load(program, 0x400000)
    space = memory_of(module)
    proof = module.prove(space)
    assert proof.proven
    assert proof.note is None
    assert proof.compared == sum(len(text) for _, text in module.elf.text)


def test_proof_by_what_is_held(program: Path) -> None:
    module = Module.load(program)
    text = max(module.elf.text, key=lambda part: len(part[1]))
    page = 4096 - text[0] % 4096
    proof = module.prove(FlatSpace({text[0]: bytes(text[1][:page])}))
    assert proof.proven
    assert proof.compared == page
    total = sum(len(part) for _, part in module.elf.text)
    assert proof.note == f"{page} of {total} bytes of text compared"
    nothing = module.prove(FlatSpace({}))
    assert not nothing.proven
    assert nothing.note == "text not held by this memory, so the image isn't proven"


def test_another_build_is_a_mismatch(program: Path, tmp_path: Path) -> None:
    other = build.compile_c(tmp_path, "calls", [SOURCES / "calls.c", SOURCES / "shapes.c"], "-O1", "-g")
    space = memory_of(Module.load(other))
    with pytest.raises(ImageMismatch, match=r"differs at 0x[0-9a-f]+, first in "):
        Module.load(program).prove(space)


def test_a_changed_entry_is_a_mismatch(program: Path) -> None:
    module = Module.load(program)
    space = memory_of(module)
    space.write(module.elf.entry, 0)
    with pytest.raises(ImageMismatch, match="first in _start"):
        module.prove(space)


def test_a_breakpoint_leaves_one_function_unproven(program: Path) -> None:
    module = Module.load(program)
    space = memory_of(module)
    name, start, size = module.function((module.symbol("mix") or (0, 0))[0] + 3) or ("", 0, 0)
    word = int.from_bytes(space.read(start + 4, 8), "little")
    space.write(start + 4, word & ~0xFF | 0xCC)
    proof = module.prove(space)
    assert proof.differing == ((start, size, name),)
    assert module.differs(start)
    assert not module.differs(start - 1)


def test_relocated_text_is_compared_as_relocated(tmp_path: Path) -> None:
    source = tmp_path / "t.c"
    source.write_text(
        '__asm__(".text\\n.globl table\\ntable: .quad main\\n");\nint main(void) { return 0; }\n'
    )
    path = build.compile_c(tmp_path, "t", [source], "-O1", "-g", "-fPIE", "-pie", "-Wl,-z,notext", "-w")
    module = Module.load(path, 0x1000000)
    space = memory_of(module)
    where, main = ((module.symbol(name) or (0, 0))[0] for name in ("table", "main"))
    space.write(where, main)
    assert module.prove(space).note is None
    space.write(where, main + 1)
    assert module.prove(space).differing


def test_store(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = tmp_path / "copy"
    copy.write_bytes(program.read_bytes())
    module = Module.load(copy)
    assert module.build_id
    assert store.find(module.build_id) is None
    assert store.remember(module)
    assert store.find(module.build_id) == copy
    assert store.find(module.text_sha.upper()) == copy
    assert store.find("../../etc/passwd") is None
    entry = tmp_path / "cache" / "uniobs" / "images" / f"{module.build_id}.json"
    for garbage in (
        b"",
        b"\xff\x00",
        b"[]",
        b'{"path": 3}',
        b'{"path": "/dev/null"}',
        b'{"path": "a\\u0000b"}',
        b'{"path": "/dev/null", "others": 7}',
        b"[" * 60000,
    ):
        entry.write_bytes(garbage)
        assert store.find(module.build_id) is None
    assert store.remember(module)
    copy.write_bytes(Path("/bin/true").read_bytes())
    assert store.find(module.build_id) is None  # the file is another one now
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not store.remember(module)


def test_store_remembers_where_an_image_lay_before(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same image is named at another place, which is deleted then: the place before still counts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        path.write_bytes(program.read_bytes())
        assert store.remember(Module.load(path))
    identity = Module.load(first).build_id
    assert identity is not None
    assert store.find(identity) == second
    assert [row.path for row in store.known()] == [str(second)]
    second.unlink()
    assert store.find(identity) == first
    assert store.path_of(identity) == str(first)
    first.write_bytes(Path("/bin/true").read_bytes())
    assert store.find(identity) is None


def test_store_when_an_entry_goes_meanwhile(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user of the cache deletes: what is left still counts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert store.remember(Module.load(program))
    (tmp_path / "cache" / "uniobs" / "images" / f"{'0' * 40}.json").symlink_to("nowhere")
    assert [row.path for row in store.known()] == [str(program)]


def test_disassembly(program: Path) -> None:
    build.need("objdump")
    module = Module.load(program)
    start, size = module.symbol("mix") or (0, 0)
    mine = disassemble(module, memory_of(module), start, 1000)
    mine = [row for row in mine if row.address < start + size]
    command = ["objdump", "-d", f"--start-address={start:#x}", f"--stop-address={start + size:#x}"]
    text = subprocess.run([*command, str(program)], capture_output=True, text=True, check=True).stdout
    theirs = [line.split("\t") for line in text.splitlines() if line[:4] == "    " and line.count("\t") == 2]
    assert [row.address for row in mine] == [int(row[0].strip(" :"), 16) for row in theirs]
    assert all(row.from_memory for row in mine)
    fault = disassemble(None, FlatSpace({0x1000: b"\xc7\x07\x2a\x00\x00\x00"}), 0x1000)
    assert [(row.text, row.pointers) for row in fault] == [("mov dword ptr [rdi], 0x2a", ("rdi",))]
    assert disassemble(None, FlatSpace({}), 0x1000) == []
    assert not disassemble(module, FlatSpace({}), start)[0].from_memory


def test_source_text(program: Path, tmp_path: Path) -> None:
    file = SOURCES / "shapes.c"
    found = snippet(str(file), 3, 1)
    assert found is not None
    assert found.lines[1] == file.read_text().splitlines()[2]
    assert found.first == 2
    assert snippet(str(file), 100_000) is None
    assert snippet("/nowhere/image/shapes.c", 3) is None
    moved = snippet("/nowhere/image/shapes.c", 3, roots=[SOURCES.parent])
    assert moved is not None
    assert moved.path == file
    newer = tmp_path / "new.c"
    newer.write_text("int x;\n")
    assert (snippet(str(newer), 1, image=program) or found).newer


def test_one_file_is_opened_once_and_let_go(program: Path, tmp_path: Path) -> None:
    import gc

    gc.collect()
    gc.disable()
    try:
        copy = tmp_path / "copy"
        copy.write_bytes(program.read_bytes())
        link = tmp_path / "link"
        link.hardlink_to(copy)
        before = len(list(Path("/proc/self/fd").iterdir()))
        modules = [Module.load(copy if n % 2 else link, n << 20) for n in range(50)]
        start = (modules[0].symbol("mix") or (0, 0))[0]
        for number, module in enumerate(modules):
            assert module.symbolise(start + (number << 20)) == modules[0].symbolise(start)
            assert module.cfi(start + (number << 20))
        assert {m.path for m in modules} == {copy, link}
        assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
        del module, modules
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        gc.enable()
