"""Any memory under a program's variables: printing, walking and JSON end, with what isn't known said."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import build
from uniobs.errors import UniobsError, UnknownMemory
from uniobs.image import types_std
from uniobs.image.module import Module
from uniobs.image.types import Types
from uniobs.image.types_plain import Plain
from uniobs.image.types_text import Printer, Style
from uniobs.image.types_value import Value

SOURCES = Path(__file__).parents[1] / "guest" / "image"
PROGRAMS = {"c": ("shell.c", "gcc", ("-g",)), "std": ("types_std.cc", "g++", ("-g",))}


class Garbage:
    """Bytes that depend on the seed and the address; small pointers into it are likely. Some aren't held."""

    def __init__(self, seed: bytes, holes: int, near: bool) -> None:
        self.seed, self.holes, self.near = seed, holes, near

    def translate(self, address: int) -> int:
        return address

    def read(self, address: int, size: int) -> bytes:
        if address < 0 or address + size > 1 << 64:
            raise UnknownMemory(address, size)
        return b"".join(self._word(at) for at in range(address & ~7, address + size, 8))[address & 7 :][:size]

    def _word(self, address: int) -> bytes:
        digest = hashlib.blake2b(self.seed + (address & 0xFFF).to_bytes(8, "little"), digest_size=9).digest()
        if digest[8] < self.holes:
            raise UnknownMemory(address, 8)
        return (digest[:1] * 2 + bytes(6)) if self.near else digest[:8]


@pytest.fixture(scope="module", params=PROGRAMS)
def types(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Types:
    source, compiler, flags = PROGRAMS[request.param]
    folder = tmp_path_factory.mktemp("fuzz")
    program = build.compile_c(folder, "program", [SOURCES / source], *flags, compiler=compiler)
    return Module.load(program).types


@given(st.binary(max_size=4), st.sampled_from([0, 8, 128]), st.booleans(), st.sampled_from(["", *"xsaf"]))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_memory(types: Types, seed: bytes, holes: int, near: bool, letter: str) -> None:
    space = Garbage(seed, holes, near)
    for name in types.table.index.names("v"):
        try:
            value = types.variable(name, space)
        except UniobsError:
            continue
        small = Style(letter, elements=20, depth=6, follow=2, parts=200)
        text = Printer(small, lambda address: f"at {address:#x}").text(value)
        assert text and len(text) < 1 << 20, name
        plain = Plain(parts=500, depth=6)
        json.dumps(plain.of(value), allow_nan=False)
        _walk(value)


def _walk(value: Value) -> None:
    held = types_std.known(value) if value.type.members else None
    if isinstance(held, types_std.Held):
        assert len(held.items) <= 1 << 16
