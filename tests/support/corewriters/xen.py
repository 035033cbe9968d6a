"""Xen's `xl dump-core`, from tools/libs/ctrl/xc_core.c and public/arch-x86/xen.h."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from support.corewriters import PAGE, Snapshot

USER = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi - rip cs rflags rsp ss es ds fs gs"
PV, HVM = 0xF00FEBED, 0xF00FEBEE


def note(kind: int, data: bytes) -> bytes:
    return struct.pack("<III4s", 4, len(data), kind, b"Xen\0") + data


def context(values: Mapping[str, int], kernel: bool = True) -> bytes:
    """vcpu_guest_context of x86-64, 5168 bytes."""
    out = bytes(512) + struct.pack("<Q", 0x20 | (4 if kernel else 0))
    out += struct.pack("<25Q", *(values.get(name, 0) for name in USER.split()))
    out += bytes(256 * 16) + bytes(16) + bytes(17 * 8) + bytes(16)
    out += struct.pack("<8Q", *(values.get(f"cr{number}", 0) for number in range(8)))
    out += bytes(64) + bytes(32)
    gs = values.get("gs_base", 0)
    out += struct.pack("<3Q", values.get("fs_base", 0), gs if kernel else 0, 0 if kernel else gs)
    assert len(out) == 5168
    return out


def write(
    path: Path,
    taken: Snapshot,
    *,
    gmfn: Callable[[int], int] | None = None,
    unused: int = 0,
    page_at: Callable[[int], bytes] | None = None,
) -> Path:
    """HVM; or PV when ``gmfn`` gives each frame's machine frame. ``unused``: rows of ~0 at the end.

    ``page_at`` replaces the bytes of a page by address: page tables with machine frames, say.
    """
    pfns = [pfn for start, size in taken.blocks for pfn in range(start // PAGE, (start + size) // PAGE)]
    pages = len(pfns) + unused
    about = struct.pack("<4Q", PV if gmfn else HVM, len(taken.registers), pages, PAGE)
    version = struct.pack("<QQ", 4, 17) + bytes(1256) + struct.pack("<Q", PAGE)
    notes = note(0x2000000, b"") + note(0x2000001, about) + note(0x2000002, version)
    notes += note(0x2000003, struct.pack("<Q", 1))
    contexts = b"".join(context(one) for one in taken.registers)
    if gmfn:
        table = b"".join(struct.pack("<QQ", pfn, gmfn(pfn)) for pfn in pfns) + b"\xff" * 16 * unused
    else:
        table = struct.pack(f"<{len(pfns)}Q", *pfns) + b"\xff" * 8 * unused
    names = ["", ".shstrtab", ".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_pages"]
    names.append(".xen_p2m" if gmfn else ".xen_pfn")
    strings = b"\0".join(name.encode() for name in names) + b"\0"
    at = 64 + 64 * len(names)
    places = {}
    heads = ((".note.Xen", len(notes)), (".xen_prstatus", len(contexts)), (".xen_shared_info", PAGE))
    for name, size in heads:
        places[name] = (at, size)
        at += size
    at = -(-at // PAGE) * PAGE
    for name, size in ((".xen_pages", pages * PAGE), (names[-1], len(table)), (".shstrtab", len(strings))):
        places[name] = (at, size)
        at += size
    rows = b""
    for index, name in enumerate(names):
        offset, size = places.get(name, (0, 0))
        kind = (0, 3, 7, 1, 1, 1, 1)[index]
        name_at = strings.index(name.encode() + b"\0")
        rows += struct.pack("<IIQQQQIIQQ", name_at if index else 0, kind, 0, 0, offset, size, 0, 0, 0, 0)
    ident = b"\x7fELF\2\1\1\0\1"
    head = struct.pack("<16sHHIQQQIHHHHHH", ident, 4, 62, 1, 0, 0, 64, 0, 64, 56, 0, 64, len(names), 1)
    where = {pfn: row for row, pfn in enumerate(pfns)}
    with path.open("wb") as file:
        file.write(head + rows + notes + contexts)
        for name, data in ((names[-1], table), (".shstrtab", strings)):
            file.seek(places[name][0])
            file.write(data)
        for address, page in taken.pages():
            if address // PAGE in where:
                file.seek(places[".xen_pages"][0] + where[address // PAGE] * PAGE)
                file.write(page_at(address) if page_at else page)
    return path
