"""solo5-hvt's core (--dumpcore): all of the guest's RAM from address 0, and one NT_PRSTATUS.

Source: tenders/hvt/hvt_module_dumpcore.c and hvt_dumpcore_kvm_x86_64.c of Solo5. It is written when the
guest aborts or traps. After a trap only rip, cs, rflags, rsp and ss are the fault's, the others those of
the hypercall that reported it; nothing in the file says which it was, so the others are left unknown.
"""

from uniobs.cores.core import Core
from uniobs.cores.elf import NT_PRSTATUS, PT_LOAD, PT_NOTE, ElfCore, Note, prstatus
from uniobs.errors import BadFormat
from uniobs.model.guest import Registers

OSABI_STANDALONE = 0xFF
KIND = "solo5-elf"
SURE = ("rip", "cs", "rflags", "rsp", "ss")


def is_solo5(elf: ElfCore, notes: list[Note]) -> bool:
    loads = [segment for segment in elf.segments if segment.type == PT_LOAD]
    others = [segment for segment in elf.segments if segment.type not in (PT_LOAD, PT_NOTE)]
    return (
        elf.osabi == OSABI_STANDALONE
        and len(elf.segments) == 2
        and not others
        and len(loads) == 1
        and loads[0].vaddr == loads[0].paddr == 0
        and [(note.name, note.type) for note in notes] == [("CORE", NT_PRSTATUS)]
    )


def read(elf: ElfCore, notes: list[Note]) -> Core:
    """Raises BadFormat."""
    (load,) = (segment for segment in elf.segments if segment.type == PT_LOAD)
    found = prstatus(notes[0].data)
    if found is None or load.filesz != load.memsz or load.memsz % 4096:
        raise BadFormat(f"{elf.path}: a garbled core of solo5-hvt")
    registers = Registers({name: found[1][name] for name in SURE}, "core note", 0)
    memory = elf.memory(physical=True)
    return Core(KIND, elf.path, memory, (registers,), notices=elf.cut_notice())
