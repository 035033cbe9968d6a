"""A Linux core file for tests: its memory, its threads' registers, its mapped files. Deliberately plain."""

import struct
from pathlib import Path

from uniobs.errors import UnknownMemory

_NAMES = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs rflags rsp ss".split()


class LinuxCore:
    """An AddressSpace; what the core leaves out but a mapped file holds is read from the file."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        self.threads: dict[int, dict[str, int]] = {}
        self.files: list[tuple[int, int, int, str]] = []  # start, end, file offset, path
        self.loads: list[tuple[int, int, int]] = []  # start, size, offset
        (phoff,) = struct.unpack_from("<Q", self.data, 32)
        (phnum,) = struct.unpack_from("<H", self.data, 56)
        for i in range(phnum):
            kind, _, offset, vaddr, _, size, *_ = struct.unpack_from("<IIQQQQQQ", self.data, phoff + 56 * i)
            if kind == 1 and size:
                self.loads.append((vaddr, size, offset))
            elif kind == 4:
                self._notes(offset, offset + size)

    def _notes(self, at: int, end: int) -> None:
        while at + 12 <= end:
            name, size, kind = struct.unpack_from("<III", self.data, at)
            body = at + 12 + (name + 3 & ~3)
            if kind == 1:
                (tid,) = struct.unpack_from("<I", self.data, body + 32)
                self.threads[tid] = dict(
                    zip(_NAMES, struct.unpack_from("<21Q", self.data, body + 112), strict=True)
                )
            elif kind == 0x46494C45:
                count, page = struct.unpack_from("<QQ", self.data, body)
                names = self.data[body + 16 + 24 * count : body + size].split(b"\0")
                for i in range(count):
                    start, stop, offset = struct.unpack_from("<QQQ", self.data, body + 16 + 24 * i)
                    self.files.append((start, stop, offset * page, names[i].decode()))
            at = body + (size + 3 & ~3)

    def read(self, address: int, size: int) -> bytes:
        for start, length, offset in self.loads:
            if start <= address and address + size <= start + length:
                return self.data[offset + address - start : offset + address - start + size]
        for start, stop, offset, name in self.files:
            if start <= address and address + size <= stop and Path(name).is_file():
                with open(name, "rb") as file:
                    file.seek(offset + address - start)
                    data = file.read(size)
                if len(data) == size:
                    return data
        raise UnknownMemory(address, size)

    def translate(self, address: int) -> int:
        self.read(address, 1)
        return address

    def images(self) -> dict[str, int]:
        """Path: lowest start of each mapped file."""
        found: dict[str, int] = {}
        for start, _, offset, name in self.files:
            if offset == 0:
                found.setdefault(name, start)
        return found
