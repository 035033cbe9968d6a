"""SPEC.md names every struct, field, type, offset, size and enumerated value of the schema."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.guest.build import STUBS

SPEC = (STUBS / "SPEC.md").read_text()
SCHEMA = tomllib.loads((STUBS / "abi" / "schema.toml").read_text())
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i32": 4, "i64": 8}
NOT_NUMBERED = {"flag", "thread_flag", "slot", "event"}  # SPEC says their bits and ids in prose


@pytest.mark.parametrize("struct", SCHEMA["struct"], ids=lambda s: s["name"])
def test_struct(struct: dict[str, object]) -> None:
    name, fields = struct["name"], struct["fields"]
    assert isinstance(fields, list)
    found = re.search(rf"^`{name}`: {struct['size']} bytes\.\n\n((?:\|.*\n)+)", SPEC, re.MULTILINE)
    assert found, f"no table of {name}"
    rows = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in found[1].splitlines()[2:]]
    expected, offset = [], 0
    for field, type_text in fields:
        expected.append((str(offset), type_text, field))
        base, _, count = type_text.partition("[")
        offset += SIZES[base] * int(count.rstrip("]") or 1)
    assert rows == expected


@pytest.mark.parametrize(
    "enum", [e for e in SCHEMA["enum"] if e["name"] not in NOT_NUMBERED], ids=lambda e: e["name"]
)
def test_enum(enum: dict[str, list[tuple[str, int]]]) -> None:
    numbered = [f"{value} {name}" for name, value in enum["values"] if name != "NONE"]
    assert not [text for text in numbered if not re.search(rf"\b{text}\b", SPEC)]


def test_numbers_in_prose() -> None:
    assert " ".join(re.findall("..", SCHEMA["abi"]["magic"])) in SPEC
    for text in ("0x46424f55", "bit 0: HOSTED", "bit 0: IDLE", "1 LOG, 2 SWITCH", "below 16 are reserved"):
        assert text in SPEC
