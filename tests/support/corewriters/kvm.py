"""struct kvm_regs and struct kvm_sregs of one vCPU."""

import struct

GENERAL = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags".split()


def regs(known: dict[str, int]) -> bytes:
    return struct.pack("<18Q", *(known.get(name, 0) for name in GENERAL))


def sregs(known: dict[str, int]) -> bytes:
    parts = []
    for name in "cs ds es fs gs ss tr ldt".split():
        base, selector = known.get(f"{name}_base", 0), known.get(name, 0)
        parts.append(struct.pack("<QIHBBBBBBBBBB", base, 0xFFFFF, selector, 11, 1, 0, 1, 0, 1, 1, 0, 0, 0))
    for name in ("gdt", "idt"):
        parts.append(struct.pack("<QH6x", known.get(f"{name}_base", 0), 0xFFF))
    paged = known.get("cr0", 0) >> 31  # a core of QEMU doesn't tell EFER: where paging is on it is this
    efer = known.get("efer", 0xD01 if paged else 0)
    control = (*(known.get(name, 0) for name in ("cr0", "cr2", "cr3", "cr4", "cr8")), efer)
    return b"".join(parts) + struct.pack("<6QQ4Q", *control, 0xFEE00900, 0, 0, 0, 0)
