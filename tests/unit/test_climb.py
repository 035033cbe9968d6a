"""The quick loop of unwinding on made-up tables: where it goes, and what it leaves to the steps."""

import pytest

from tests.support.flatspace import FlatSpace
from uniobs.image.climb import Climber, Plain, plain
from uniobs.image.dwarf.cfa import Rules

STACK, SIZE = 0x10000, 1 << 18
PC = 0x400000
END = (1 << 64) - 8


def rules(
    cfa: tuple[int, int] | bytes = (7, 32), signal: bool = False, column: int = 16, **more: object
) -> Rules:
    registers = {16: ("offset", -8), 3: ("offset", -16), **{int(k[1:]): v for k, v in more.items()}}
    return Rules(PC, PC + 64, cfa, registers, column, signal)


def test_what_is_plain() -> None:
    assert plain(rules()) == Plain(False, 32, 0, ((3, -16),))
    assert plain(rules((6, 16), r6=("offset", -24))) == Plain(True, 16, -24, ((3, -16), (6, -24)))
    others = [rules(b"\x77\x08"), rules((10, 8)), rules(signal=True), rules(column=17), None]
    others += [rules(r5=("offset", -24)), rules(r12=("offset", -20)), rules(r12=("offset", 8))]
    others += [rules(r12=("offset", -1 << 20)), rules(r12=("register", 3)), rules(r16=("offset", -16))]
    others += [rules(r16=("undefined", 0)), rules(r12=("expr", b"\x77\x00")), rules(r12=("val_offset", 0))]
    assert [plain(row) for row in others] == [None] * len(others)


@pytest.mark.parametrize("step", [32, 4096, 1 << 15])
def test_up_to_what_is_not_plain(step: int) -> None:
    space = FlatSpace({STACK: bytes(SIZE)})
    count = min(SIZE // step - 1, 100)
    for number in range(count):
        cfa = STACK + step * (number + 1)
        space.write(cfa - 8, PC if number + 1 < count else 77)
        space.write(cfa - 16, 1000 + number)
    here = Plain(False, step, 0, ((3, -16),))
    climbed = Climber(space, lambda pc: here if pc == PC else None).up(PC, {7: STACK, 12: 5}, 1 << 20)
    assert len(climbed.pcs) == count - 1  # the last one's caller is left to the steps
    assert climbed.cfas == [STACK + step * (n + 1) for n in range(count - 1)]
    assert climbed.registers == {7: climbed.cfas[-1], 3: 1000 + count - 2, 12: 5}
    assert Climber(space, lambda pc: here).up(PC, {7: STACK}, 3).cfas == climbed.cfas[:3]


@pytest.mark.parametrize(
    ("registers", "here"),
    [
        ({}, Plain(False, 32, 0, ())),
        ({7: END}, Plain(False, 32, 0, ())),
        ({7: 8}, Plain(False, 32, 0, ())),
        ({7: STACK + 4}, Plain(False, 32, 0, ())),
        ({7: STACK}, Plain(False, 0, 0, ())),
        ({7: STACK}, Plain(False, -64, 0, ())),
        ({7: STACK}, Plain(False, 1 << 70, 0, ())),
        ({7: STACK}, Plain(True, 16, -16, ())),
        ({7: STACK + 64, 6: STACK}, Plain(True, 16, -16, ())),
        ({7: STACK, 6: END}, Plain(True, 16, -16, ())),
        ({7: STACK + SIZE - 16}, Plain(False, 32, 0, ())),
    ],
)
def test_left_to_the_steps(registers: dict[int, int], here: Plain) -> None:
    space = FlatSpace({STACK: bytes(SIZE)})
    climbed = Climber(space, lambda pc: here).up(PC, registers, 1000)
    assert (climbed.pcs, climbed.pc, climbed.registers) == ([], PC, registers)
