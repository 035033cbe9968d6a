"""What `uniobs core fix` leaves in a core for uniobs itself: notes that gdb and drgn pass over.

A fixed core's ELF header leads to program headers for debuggers. The header that the file had before is kept
in a note, and all that it leads to is still in place: reading by it gives the answers of before.
"""

import struct

from uniobs.cores.core import Core
from uniobs.cores.elf import EHDR, ElfCore, Note
from uniobs.errors import BadFormat
from uniobs.lean import NamedTuple
from uniobs.memory.file import FileMemory
from uniobs.model.guest import Registers

NAME = "uniobs"
# types of our notes: BFD takes small ones for the Linux kernel's, whoever owns them
BEFORE, STATE, IMAGES = 0x0B5E0001, 0x0B5E0002, 0x0B5E0003  # the last is for drgn
VERSION = 1
KEPT = struct.Struct(f"<IIQ{EHDR.size}s")  # version, 0, size of the file before, its ELF header
KIND = "copy"
STATE_MAX = 1 << 22
CPUS_MAX = 4096


class Before(NamedTuple):
    """The file as it was: its ELF header, and its size in bytes."""

    header: bytes
    size: int


def before(path: str, notes: list[Note]) -> Before | None:
    """None: this core wasn't fixed. Raises BadFormat."""
    kept = next((note.data for note in notes if note.name == NAME and note.type == BEFORE), None)
    if kept is None:
        return None
    if len(kept) < KEPT.size:
        raise BadFormat(f"{path}: its note about how it was fixed is cut short")
    version, _, size, header = KEPT.unpack_from(kept)
    if version != VERSION:
        raise BadFormat(f"{path}: fixed by another version of uniobs (note version {version})")
    return Before(header, size)


def keep(header: bytes, size: int) -> bytes:
    """The data of the note that before() reads."""
    return KEPT.pack(VERSION, 0, size, header)


def state(registers: tuple[Registers, ...], identity: bool, notices: tuple[str, ...]) -> bytes:
    """The data of the note of a copy: what its source told beside memory."""
    import json

    cpus = [{"cpu": one.cpu, "source": one.source, "values": one.values} for one in registers]
    return json.dumps({"identity": identity, "registers": cpus, "notices": notices}).encode()


def read(elf: ElfCore, notes: list[Note]) -> Core:
    """A core that was written from another format. Raises BadFormat."""
    import json

    data = next((note.data for note in notes if note.name == NAME and note.type == STATE), b"")
    try:
        if len(data) > STATE_MAX:
            raise ValueError("too long")
        told = json.loads(data)
        registers = tuple(_registers(one) for one in told["registers"][:CPUS_MAX])
        notices = tuple(str(text)[:1000] for text in told["notices"][:16])
        identity = told["identity"] is True
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadFormat(f"{elf.path}: its note about its registers is garbled") from error
    blocks = elf.blocks(physical=True)
    cut = elf.cut_notice()
    memory = FileMemory(elf.fd, blocks)
    return Core(KIND, elf.path, memory, registers, notices=(*cut, *notices), identity=identity)


def _registers(told: dict[str, object]) -> Registers:
    values, cpu = told["values"], told["cpu"]
    if not isinstance(values, dict) or not (cpu is None or isinstance(cpu, int)):
        raise TypeError("registers")
    known = {name: value for name, value in values.items() if type(value) is int and 0 <= value < 1 << 64}
    return Registers(known, str(told["source"])[:100], cpu)
