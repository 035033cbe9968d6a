"""Find the region in guest-physical memory: its magic at a page boundary, and its own address beside it.

A copy of the region (a page cache, a migration buffer, a core inside a core) lies elsewhere than its
header says, so it is refused.
"""

from collections.abc import Iterator

from uniobs.errors import BadFormat, UniobsError, UnknownMemory
from uniobs.memory.base import Memory
from uniobs.region import _abi
from uniobs.region.header import read_header

PAGE = 4096
CHUNK = 1 << 20
MAX_CANDIDATES = 64  # memory full of forged headers must not cost more than this many checks
FIRST_BYTE = _abi.MAGIC[:1]
SELF_PA = _abi.HEADER_OFFSETS["self_pa"]


def find(memory: Memory, hint: int | None = None) -> int | None:
    """The physical address of the one valid region, or None when there is no sign of any.

    ``hint`` is tried first. Raises BadFormat when there are only garbled ones, or several valid ones
    among which the latest boot can't be told.
    """
    if hint is not None and _is_candidate(memory, hint) and _problem(memory, hint) is None:
        return hint
    valid: list[int] = []
    first_problem: UniobsError | None = None
    for address in candidates(memory):
        problem = _problem(memory, address)
        if problem is None:
            valid.append(address)
        elif first_problem is None:
            first_problem = problem
    if not valid:
        if first_problem is not None:
            raise first_problem
        return None
    return valid[0] if len(valid) == 1 else _latest(memory, valid)


def candidates(memory: Memory) -> Iterator[int]:
    """Page addresses that carry the magic and name themselves, at most MAX_CANDIDATES, ascending."""
    found = 0
    for start, end in _spans(memory):
        for chunk_at in range(start, end, CHUNK):
            for address in _scan(memory, chunk_at, min(CHUNK, end - chunk_at)):
                yield address
                found += 1
                if found == MAX_CANDIDATES:
                    return


def _spans(memory: Memory) -> Iterator[tuple[int, int]]:
    for piece in memory.ranges():
        start = -(-piece.start // PAGE) * PAGE
        if start + _abi.HEADER_SIZE <= piece.end:
            yield start, piece.end


def _scan(memory: Memory, start: int, size: int) -> Iterator[int]:
    try:
        data = memory.read(start, size)
    except UnknownMemory:
        # A chunk with a hole in it: page by page, as little as tells.
        for page in range(start, start + size, PAGE):
            if _is_candidate(memory, page):
                yield page
        return
    firsts = data[::PAGE]  # one byte a page: nearly every page is refused by it
    at = firsts.find(FIRST_BYTE)
    while at >= 0:
        offset = at * PAGE
        if data.startswith(_abi.MAGIC, offset):
            own = int.from_bytes(data[offset + SELF_PA : offset + SELF_PA + 8], "little")
            if own == start + offset:
                yield start + offset
        at = firsts.find(FIRST_BYTE, at + 1)


def _is_candidate(memory: Memory, address: int) -> bool:
    if address < 0 or address % PAGE:
        return False
    try:
        data = memory.read(address, SELF_PA + 8)
    except UnknownMemory:
        return False
    return data.startswith(_abi.MAGIC) and int.from_bytes(data[SELF_PA:], "little") == address


def _problem(memory: Memory, address: int) -> UniobsError | None:
    try:
        read_header(memory, address)
    except (BadFormat, UnknownMemory) as error:
        return error
    return None


def _latest(memory: Memory, addresses: list[int]) -> int:
    """After a warm reboot the previous boot's region may still lie in RAM."""
    booted = sorted(((read_header(memory, a)[0].anchor_wall_ns, a) for a in addresses), reverse=True)
    if booted[0][0] == booted[1][0] or booted[-1][0] == 0:
        listed = ", ".join(f"{a:#x}" for a in addresses[:4])
        raise BadFormat(f"{len(addresses)} regions in this memory ({listed}) and no telling which is current")
    return booted[0][1]
