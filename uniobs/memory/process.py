"""Guest memory inside another process: the VMM's RAM, or a hosted guest itself."""

import ctypes
import errno
import os
import select
from array import array
from collections.abc import Callable, Iterable, Sequence

from uniobs.errors import AccessDenied, TargetError, TargetGone, UnknownMemory
from uniobs.memory.base import Range
from uniobs.memory.blocks import Block, BlockMap
from uniobs.memory.maps import read_maps

READ_MAX = 1 << 28  # one read: a hostile length mustn't take our memory
ADDRESS_END = 1 << 64
IOV_MAX = 1024


def _load() -> Callable[..., int]:
    call = ctypes.CDLL(None, use_errno=True).process_vm_readv
    word = ctypes.c_ulong
    call.argtypes = [ctypes.c_int, ctypes.c_void_p, word, ctypes.c_void_p, word, word]
    call.restype = ctypes.c_ssize_t
    return call


_readv = _load()


def denied(pid: int) -> AccessDenied:
    """Why the memory of ``pid`` can't be read, and what to do."""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        uid = os.geteuid()
    if uid != os.geteuid():
        return AccessDenied(f"pid {pid} belongs to another user: run as that user or give cap_sys_ptrace")
    return AccessDenied(
        f"pid {pid} may not be read: ptrace is restricted (kernel.yama.ptrace_scope, or a process that "
        "isn't dumpable); run as root or give cap_sys_ptrace"
    )


def _failed(pid: int) -> TargetError | None:
    """The error for errno, or None for an address that isn't mapped."""
    code = ctypes.get_errno()
    if code == errno.ESRCH:
        return TargetGone(f"pid {pid} is gone")
    if code in (errno.EPERM, errno.EACCES):
        return denied(pid)
    if code in (errno.EFAULT, errno.EIO, errno.EINVAL):
        return None
    return TargetError(f"pid {pid} can't be read: {os.strerror(code)}")


def read_into(pid: int, address: int, buffer: bytearray, size: int) -> int:
    """Read up to ``size`` bytes at a VMM address into the front of ``buffer``; how many were readable."""
    done = 0
    local = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    base = ctypes.addressof(local)
    while done < size and address + size <= ADDRESS_END:
        vectors = array("Q", (base + done, size - done, address + done, size - done))
        at = vectors.buffer_info()[0]
        got = _readv(pid, at, 1, at + 16, 1, 0)
        if got < 0 and (error := _failed(pid)) is not None:
            raise error
        if got <= 0:
            break
        done += got
    return done


def gather(pid: int, addresses: Sequence[int], size: int) -> bytes:
    """``size`` bytes at each VMM address, joined; zeros where an address isn't readable."""
    out = bytearray(len(addresses) * size)
    if not out:
        return b""
    base = ctypes.addressof((ctypes.c_char * len(out)).from_buffer(out))
    remote = array("Q", bytes(16 * len(addresses)))
    remote[0::2] = array("Q", addresses)
    remote[1::2] = array("Q", [size]) * len(addresses)
    at, first = remote.buffer_info()[0], 0
    while first < len(addresses):
        count = min(IOV_MAX, len(addresses) - first)
        local = array("Q", (base + first * size, count * size))
        got = _readv(pid, local.buffer_info()[0], 1, at + 16 * first, count, 0)
        if got < 0:
            if (error := _failed(pid)) is not None:
                raise error
            got = 0
        whole = got // size
        first += count if whole == count else whole + 1  # the one that stopped it can't be read
    return bytes(out)


class ProcessMemory:
    """Memory of process ``pid``: ``blocks`` say where guest-physical ranges lie in it.

    Without blocks the process is its own guest (hosted): physical address = its virtual address.
    """

    live = True

    def __init__(self, pid: int, blocks: Iterable[Block] | None = None) -> None:
        self.pid = pid
        self._map = None if blocks is None else BlockMap(blocks)
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise TargetGone(f"pid {pid} is gone") from None
        except OSError as error:
            raise TargetError(f"pid {pid} can't be watched: {error.strerror}") from None
        self._poll = select.poll()
        self._poll.register(self._pidfd, select.POLLIN)

    @property
    def blocks(self) -> Sequence[Block]:
        return () if self._map is None else self._map.blocks

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        if address < 0 or size > READ_MAX:
            raise UnknownMemory(address, size)
        pieces = [(address, size)] if self._map is None else list(self._map.pieces(address, size))
        parts = []
        for where, length in pieces:
            buffer = bytearray(length)
            if read_into(self.pid, where, buffer, length) != length:
                self._check()
                raise UnknownMemory(address, size, "not mapped in the process")
            parts.append(bytes(buffer))
        self._check()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def ranges(self) -> Sequence[Range]:
        if self._map is not None:
            return [Range(block.start, block.size) for block in self._map.blocks]
        held: list[Range] = []
        for mapping in read_maps(self.pid):
            if not mapping.readable or mapping.path in ("[vvar]", "[vsyscall]"):
                continue
            if held and held[-1].end == mapping.start:
                held[-1] = Range(held[-1].start, mapping.end - held[-1].start)
            else:
                held.append(Range(mapping.start, mapping.end - mapping.start))
        return held

    def close(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _check(self) -> None:
        """A pid is used again after its process died: what we read then isn't the guest's."""
        if self._pidfd < 0:
            raise TargetGone(f"pid {self.pid} was closed")
        if self._poll.poll(0):
            raise TargetGone(f"pid {self.pid} is gone")
