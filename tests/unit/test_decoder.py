"""Instructions decoded through the bare library are those of capstone's package."""

import random

import capstone
import pytest

from tests.support.qemu import demo_elf
from uniobs.image import decoder
from uniobs.image.disasm import disassemble
from uniobs.image.module import Module


def test_as_the_package_has_them() -> None:
    module = Module.load(demo_elf())
    (start, text), *_ = module.elf.text
    lite = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    code = bytes(text)[:20000]
    assert [tuple(row) for row in decoder.decode(code, start)] == list(lite.disasm_lite(code, start))
    assert len(decoder.decode(code, start, 3)) == 3
    for row in random.Random(3).sample(decoder.decode(code, start), 300):
        (other,) = disassemble(module, None, row.address)
        assert (row.text, set(row.pointers)) == (other.text, set(other.pointers))


@pytest.mark.parametrize("code", [b"", b"\xff", b"\x06", bytes(range(256)), b"\x48" * 40])
def test_what_is_no_instruction_ends_it(code: bytes) -> None:
    lite = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    assert [tuple(row) for row in decoder.decode(code, 0)] == list(lite.disasm_lite(code, 0))


def test_without_the_library_the_package_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = decoder.decode(b"\xc7\x07\x2a\x00\x00\x00\xc3", 16)
    monkeypatch.setattr(decoder, "_library", lambda: None)
    assert decoder.decode(b"\xc7\x07\x2a\x00\x00\x00\xc3", 16) == wanted
    assert wanted[0].text == "mov dword ptr [rdi], 0x2a" and wanted[0].pointers == ("rdi",)
