"""The reference guest in tests: built when it must be, booted, looked at from outside without the engine."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boot
from boot import Guest
from uniobs.region import _abi

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "guest-stubs" / "demo"
MACHINES = ("microvm", "q35")


def demo_elf() -> Path:
    """The guest's image, made when its sources changed; one maker at a time. $UNIOBS_DEMO_ELF: another."""
    if given := os.environ.get("UNIOBS_DEMO_ELF"):
        return Path(given)
    (DEMO / "build").mkdir(exist_ok=True)
    with (DEMO / "build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["make", "-s", "-C", str(DEMO)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return boot.ELF


@contextmanager
def booted(
    machine: str = "microvm",
    append: str = "",
    memory: int = 64,
    network: bool = True,
    extra: tuple[str, ...] = (),
    serial: tuple[str, ...] = (),
) -> Iterator[Guest]:
    """Boot it (not waiting for anything but the process); it dies when the block ends. memory: MiB.

    Without ``network`` it has neither a network card nor a channel, and ``serial`` may replace its COM1.
    """
    what = boot.Machine(machine, append=append, memory=memory, extra=extra, elf=demo_elf())
    if network:
        with boot.boot(what, ready=False) as guest:
            yield guest
        return
    directory = Path(tempfile.mkdtemp(prefix="uniobs-"))
    command = _alone(what.command(directory, 0), ("-serial",) if serial else ())
    with boot.start([*command, *serial], what.name, 0, directory) as guest:
        yield guest


def _alone(command: list[str], also: tuple[str, ...]) -> list[str]:
    """The command line less its network card, its channel, their back ends and other options."""
    words = iter(command)
    left: list[str] = []
    for word in words:
        if word in ("-netdev", "-device", "-chardev", *also):
            next(words)
        else:
            left.append(word)
    return left


def physical(guest: Guest, address: int, size: int) -> bytes:
    """Guest-physical memory, by QEMU itself."""
    path = guest.directory / "pmem"
    guest.qmp("pmemsave", val=address, size=size, filename=str(path))
    return path.read_bytes()


def build_id(elf: Path) -> bytes:
    """By readelf."""
    notes = subprocess.run(["readelf", "-n", str(elf)], capture_output=True, text=True, check=True).stdout
    return bytes.fromhex(notes.partition("Build ID:")[2].split()[0])


def dumped(console: str) -> dict[str, list[dict[str, str]]]:
    """The tables that the guest printed last: name -> rows of raw words."""
    tables: dict[str, list[dict[str, str]]] = {}
    begun = console.rindex("@dump end\n")
    begun = console.rfind("@dump end\n", 0, begun)
    for line in console[max(begun, 0) :].splitlines():
        if not line.startswith("@dump ") or line == "@dump end":
            continue
        _, table, *pairs = line.split(" ")
        row = {key: unquote(value) for key, _, value in (pair.partition("=") for pair in pairs)}
        tables.setdefault(table, []).append(row)
    return tables


class RawRegion:
    """A copy of the region's bytes and its tables, decoded by nothing but the generated layout."""

    def __init__(self, guest: Guest) -> None:
        address = _symbol(demo_elf(), "region")
        header = _abi.Header(*_abi.HEADER.unpack(physical(guest, address, _abi.HEADER_SIZE)))
        assert header.magic == _abi.MAGIC and header.self_pa == address
        self.header = header
        self.data = physical(guest, address, header.size)
        self.live = _abi.HeaderLive(*_abi.HEADER_LIVE.unpack_from(self.data, _abi.LIVE_OFFSET))
        self.sections: dict[int, _abi.Section] = {}
        for i in range(header.section_count):
            section = _abi.Section(
                *_abi.SECTION.unpack_from(self.data, _abi.DIRECTORY_OFFSET + i * _abi.SECTION.size)
            )
            self.sections[section.kind] = section

    def threads(self) -> dict[str, _abi.Thread]:
        """Those alive, by name."""
        rows = (_abi.Thread(*words) for words in self._rows(_abi.SECTION_THREADS, _abi.THREAD.unpack_from))
        gone = (_abi.THREAD_STATE_FREE, _abi.THREAD_STATE_EXITED)
        return {row.name.rstrip(b"\0").decode(): row for row in rows if row.state not in gone}

    def locks(self) -> dict[str, _abi.Lock]:
        rows = (_abi.Lock(*words) for words in self._rows(_abi.SECTION_LOCKS, _abi.LOCK.unpack_from))
        return {row.name.rstrip(b"\0").decode(): row for row in rows if row.kind != _abi.LOCK_KIND_FREE}

    def sites(self) -> dict[int, _abi.Site]:
        rows = (_abi.Site(*words) for words in self._rows(_abi.SECTION_SITES, _abi.SITE.unpack_from))
        return {row.pc: row for row in rows if row.pc}

    def heap(self) -> _abi.Heap:
        return _abi.Heap(*next(self._rows(_abi.SECTION_HEAP, _abi.HEAP.unpack_from)))

    def panic(self) -> tuple[_abi.Panic, bytes]:
        """The record, and the stack kept with it."""
        section = self.sections[_abi.SECTION_PANIC]
        record = _abi.Panic(*_abi.PANIC.unpack_from(self.data, section.offset))
        start = section.offset + _abi.PANIC.size
        return record, self.data[start : start + record.stack_len]

    def _rows(self, kind: int, unpack: Callable[[bytes, int], tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        section = self.sections[kind]
        for i in range(max(section.entry_count, 1)):
            yield unpack(self.data, section.offset + i * section.entry_size)


def _symbol(elf: Path, name: str) -> int:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = table.get_symbol_by_name(name)
        assert symbols is not None, f"{elf} has no symbol {name}"
        return int(symbols[0]["st_value"])
