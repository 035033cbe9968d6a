"""What a call table's rules make of registers: what they call undefined isn't known, on any machine."""

import pytest

from tests.support.flatspace import FlatSpace
from uniobs.image.dwarf.cfa import Rule
from uniobs.image.stackread import StackReader
from uniobs.image.undo import restored

CFA = 0x1040


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (("undefined", 0), None),
        (("same", 0), 7),
        (("register", 5), 9),
        (("register", 6), None),
        (("offset", -0x40), 0x11),
        (("offset", 0x4000), None),
        (("val_offset", -8), CFA - 8),
        (("expr", b"\x08\x38\x1c"), 0x22),  # const1u 56, minus: what lies at the CFA less 56
        (("val_expr", b"\x08\x38\x1c"), CFA - 56),
        (("expr", b"\x70\x00"), None),  # register 0 isn't known
        (("expr", b"\x22"), None),
    ],
)
def test_rules(rule: Rule, value: int | None) -> None:
    memory = StackReader(FlatSpace({0x1000: b"".join(n.to_bytes(8, "little") for n in (0x11, 0x22, 0x33))}))
    assert restored(3, rule, CFA, {3: 7, 5: 9}, memory) == value
