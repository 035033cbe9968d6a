"""The smallest parts: numbers, forms, address intervals, what becomes of nonsense."""

import pytest

from uniobs.errors import BadFormat
from uniobs.image.calls import ends_with_call
from uniobs.image.dwarf import forms
from uniobs.image.dwarf.aranges import Intervals, read
from uniobs.image.dwarf.reader import cstring, guard, sleb, uleb

SIZES = (5, 8, 4)


@pytest.mark.parametrize(
    ("data", "plain", "signed"),
    [
        (b"\x02", 2, 2),
        (b"\x7f", 127, -1),
        (b"\xff\x00", 127, 127),
        (b"\x80\x7f", 16256, -128),
        (b"\xe5\x8e\x26", 624485, 624485),
    ],
)
def test_leb128(data: bytes, plain: int, signed: int) -> None:
    assert uleb(data + b"\xff", 0) == (plain, len(data))
    assert sleb(data + b"\xff", 0) == (signed, len(data))


def test_leb128_without_an_end() -> None:
    with pytest.raises(IndexError):
        uleb(b"\x80\x80", 0)
    with pytest.raises(ValueError, match="without an end"):
        uleb(b"\x80" * 1000, 0)


def test_strings() -> None:
    text = b"a" * 5000 + b"\0rest"
    assert cstring(memoryview(text), 0) == "a" * 5000
    assert cstring(memoryview(text), 4999) == "a"
    with pytest.raises(ValueError, match="without an end"):
        cstring(memoryview(text), 5001)
    with pytest.raises(IndexError):
        cstring(memoryview(text), 6000)


def test_guard_names_what_is_broken() -> None:
    with pytest.raises(BadFormat, match="the table is garbled"), guard("the table"):
        uleb(b"", 0)


@pytest.mark.parametrize(
    "form", sorted({*forms.FIXED, *forms.OFFSETS, *forms.LEBS, *forms.VARYING, forms.ADDR, forms.REF_ADDR})
)
def test_every_form_is_as_long_as_it_is_skipped(form: int) -> None:
    inner = bytes([forms.DATA4]) if form == forms.INDIRECT else b""
    data = inner + bytes([3, 0, 0, 0, 0, 0, 0, 0]) * 4
    how = forms.step(form, *SIZES)
    _, end, _ = forms.value(data, 0, form, SIZES)
    assert end == forms.skip(data, 0, how, SIZES)


def test_unknown_forms_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown form 0x7f"):
        forms.step(0x7F, *SIZES)
    with pytest.raises(ValueError, match="indirect"):
        forms.value(bytes([forms.INDIRECT, forms.INDIRECT]), 0, forms.INDIRECT, SIZES)
    with pytest.raises(IndexError):
        forms.value(b"\xff\xff", 0, forms.BLOCK2, SIZES)


def test_intervals() -> None:
    found = Intervals([(10, 20, 1), (0, 100, 2), (30, 40, 3), (10, 12, 4)])
    assert found.find(11) == [4, 1, 2] or found.find(11) == [1, 4, 2]
    assert found.find(35) == [3, 2]
    assert found.find(99) == [2]
    assert found.find(100) == []
    assert Intervals([]).find(0) == []


def test_aranges_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="past the section"):
        list(read(memoryview(b"\xff\x00\x00\x00\x02\x00")))
    with pytest.raises(ValueError, match="addresses of 4"):
        list(read(memoryview(b"\x1c\0\0\0\x02\0\0\0\0\0\x04\0" + bytes(20))))


@pytest.mark.parametrize(
    "code",
    [
        b"\xe8\1\2\3\4",
        b"\xff\xd0",
        b"\x41\xff\xd4",
        b"\xff\x50\x08",
        b"\xff\x54\x24\x08",
        b"\xff\x15\1\2\3\4",
        b"\xff\x14\xc5\1\2\3\4",
        b"\xff\x90\1\2\3\4",
    ],
)
def test_calls_are_seen(code: bytes) -> None:
    assert ends_with_call(b"\x90" * 9 + code)
    assert not ends_with_call(b"\x90" * 9 + code[:-1] + b"\x90\x90" if len(code) > 3 else b"\x90" * 12)


def test_other_instructions_are_no_calls() -> None:
    for code in (b"\xff\xe0", b"\xff\x25\1\2\3\4", b"\xe9\1\2\3\4", b"\xff\xf0", b"\xc3", b"\x0f\x05"):
        assert not ends_with_call(b"\x90" * 9 + code)
