"""Attribute forms (DWARF 5, 7.5.6, and GNU's): their sizes and values."""

from uniobs.image.dwarf.reader import sleb, uleb, unsigned
from uniobs.lean import Final

ADDR: Final = 0x01
BLOCK2, BLOCK4, DATA2, DATA4, DATA8, STRING, BLOCK, BLOCK1 = 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A
DATA1, FLAG, SDATA, STRP, UDATA, REF_ADDR, REF1, REF2, REF4, REF8 = (
    0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x13, 0x14,
)  # fmt: skip
REF_UDATA, INDIRECT, SEC_OFFSET, EXPRLOC, FLAG_PRESENT, STRX, ADDRX, REF_SUP4, STRP_SUP, DATA16 = (
    0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E,
)  # fmt: skip
LINE_STRP, REF_SIG8, IMPLICIT_CONST, LOCLISTX, RNGLISTX, REF_SUP8 = 0x1F, 0x20, 0x21, 0x22, 0x23, 0x24
STRX1, STRX2, STRX3, STRX4, ADDRX1, ADDRX2, ADDRX3, ADDRX4 = 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C
GNU_ADDR_INDEX, GNU_STR_INDEX, GNU_REF_ALT, GNU_STRP_ALT = 0x1F01, 0x1F02, 0x1F20, 0x1F21

FIXED: Final = {
    DATA2: 2, DATA4: 4, DATA8: 8, DATA1: 1, FLAG: 1, REF1: 1, REF2: 2, REF4: 4, REF8: 8, FLAG_PRESENT: 0,
    REF_SUP4: 4, DATA16: 16, REF_SIG8: 8, IMPLICIT_CONST: 0, REF_SUP8: 8,
    STRX1: 1, STRX2: 2, STRX3: 3, STRX4: 4, ADDRX1: 1, ADDRX2: 2, ADDRX3: 3, ADDRX4: 4,
}  # fmt: skip
OFFSETS: Final = frozenset({STRP, SEC_OFFSET, STRP_SUP, LINE_STRP, GNU_REF_ALT, GNU_STRP_ALT})
LEBS: Final = frozenset(
    {SDATA, UDATA, REF_UDATA, STRX, ADDRX, LOCLISTX, RNGLISTX, GNU_ADDR_INDEX, GNU_STR_INDEX}
)
INDEXED_STRINGS: Final = frozenset({STRX, STRX1, STRX2, STRX3, STRX4, GNU_STR_INDEX})
ALT_STRINGS: Final = frozenset({STRP_SUP, GNU_STRP_ALT})  # of the supplementary file (dwz)
ALT_REFS: Final = frozenset({REF_SUP4, REF_SUP8, GNU_REF_ALT})
INDEXED_ADDRESSES: Final = frozenset({ADDRX, ADDRX1, ADDRX2, ADDRX3, ADDRX4, GNU_ADDR_INDEX})
LOCAL_REFS: Final = frozenset({REF1, REF2, REF4, REF8, REF_UDATA})
BLOCKS: Final = {BLOCK1: 1, BLOCK2: 2, BLOCK4: 4}

# What a skip plan holds beside byte counts (see step): how to step over a form that varies.
SKIP_LEB, SKIP_STRING, SKIP_BLOCK1, SKIP_BLOCK2, SKIP_BLOCK4, SKIP_BLOCK, SKIP_INDIRECT = (
    -1,
    -2,
    -3,
    -4,
    -5,
    -6,
    -7,
)
VARYING: Final = {
    STRING: SKIP_STRING, BLOCK1: SKIP_BLOCK1, BLOCK2: SKIP_BLOCK2, BLOCK4: SKIP_BLOCK4,
    BLOCK: SKIP_BLOCK, EXPRLOC: SKIP_BLOCK, INDIRECT: SKIP_INDIRECT,
}  # fmt: skip


def step(form: int, version: int, address_size: int, offset_size: int) -> int:
    """The bytes that a form takes, or how to skip it (negative). Raises ValueError for an unknown one."""
    fixed = FIXED.get(form)
    if fixed is not None:
        return fixed
    if form == ADDR:
        return address_size
    if form in OFFSETS:
        return offset_size
    if form == REF_ADDR:
        return address_size if version == 2 else offset_size
    if form in LEBS:
        return SKIP_LEB
    varying = VARYING.get(form)
    if varying is None:
        raise ValueError(f"unknown form {form:#x}")
    return varying


def skip(data: bytes, at: int, how: int, sizes: tuple[int, int, int]) -> int:
    """Step over one form; ``sizes`` is (version, address size, offset size)."""
    if how >= 0:
        return at + how
    if how == SKIP_LEB:
        return uleb(data, at)[1]
    if how == SKIP_STRING:
        return data.index(0, at) + 1
    if how == SKIP_BLOCK:
        size, at = uleb(data, at)
        return at + size
    if how == SKIP_INDIRECT:
        form, at = uleb(data, at)
        if form == INDIRECT:
            raise ValueError("indirect form of an indirect form")
        return skip(data, at, step(form, *sizes), sizes)
    width = 1 << (SKIP_BLOCK1 - how)
    return at + width + unsigned(data, at, width)


def value(data: bytes, at: int, form: int, sizes: tuple[int, int, int]) -> tuple[int | bytes, int, int]:
    """(raw value, position after it, form): a number (for strings an offset or index) or a block's bytes.

    The form differs from the one given when it was indirect. An inline string's value is its position.
    """
    if form == INDIRECT:
        form, at = uleb(data, at)
        if form in (INDIRECT, IMPLICIT_CONST):
            raise ValueError("indirect form of an indirect form")
    how = step(form, *sizes)
    if form == FLAG_PRESENT:
        return 1, at, form
    if how > 0:
        return unsigned(data, at, how), at + how, form
    if form == SDATA:
        return *sleb(data, at), form
    if how == SKIP_LEB:
        return *uleb(data, at), form
    end = skip(data, at, how, sizes)
    if form == STRING:
        return at, end, form
    width = BLOCKS.get(form)
    start = at + width if width else uleb(data, at)[1]
    if end > len(data):
        raise IndexError("block past the end")
    return data[start:end], end, form
