"""Every command on a guest whose region has bytes flipped: an answer or one line, no bug, no escape.

UNIOBS_FUZZ_COMMANDS=N sets how many mutants (seeded, so that each can be had again by its number).
"""

import os
import random
from pathlib import Path

import pytest

from support.shop import crashed, shop, write
from uniobs.cli.main import main
from uniobs.region import _abi

COMMANDS = [
    line.split()
    for line in """\
ps -e -O switches,cpu,age_ns,entry
why
why --json
bt
netstat -anpe
netstat -i
netstat -r
netstat -s
ss -aniep
counters
vmstat
top -n1
strace -yTtt
strace -c
strace --json
dmesg -xT
dmesg --json
tcpdump -vvveX
tcpdump --json arp
core
core --json
core --html -
doctor""".splitlines()
]
SHELL = ("::status", "::threads | print $it", "::walk threads", "::heap", "::trace", "::locks",
         "x/32gx 0x100000", "::regs", "::stack", "::whatis 0x100000")  # fmt: skip
COMMANDS.append(["shell", *(word for order in SHELL for word in ("-c", order))])
MUTANTS = int(os.environ.get("UNIOBS_FUZZ_COMMANDS", "60"))


@pytest.fixture(scope="module")
def regions() -> list[bytes]:
    return [shop().build(), crashed(shop(name=b"w\x1b[2J\xe2\x80\xaeb")).build()]


def mutant(number: int, regions: list[bytes]) -> bytes:
    """The guarded header stays whole in most: behind it is more to break."""
    dice = random.Random(number)
    data = bytearray(dice.choice(regions))
    low = 0 if dice.random() < 0.1 else _abi.LIVE_OFFSET
    guarded = range(_abi.DIRECTORY_OFFSET, _abi.DIRECTORY_OFFSET + 1024)
    for _ in range(dice.choice((1, 3, 30, 300))):
        at = dice.randrange(low, len(data))
        if at in guarded and low:
            continue
        data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    return bytes(data)


@pytest.mark.timeout(120)
def test_mutants(regions: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "mutant.mem", shop())
    seen: set[int] = set()
    for number in range(MUTANTS):
        with path.open("r+b") as file:
            file.seek(shop().base)
            file.write(mutant(number, regions))
        command = COMMANDS[number % len(COMMANDS)] if MUTANTS < 200 else None
        for argv in [command] if command else COMMANDS:
            code = main([argv[0], str(path), *argv[1:]])
            shown = capsys.readouterr()
            said = f"mutant {number}: uniobs {' '.join(argv)} -> {code}\n{shown.err[-2000:]}"
            assert "bug in uniobs" not in shown.err, said
            seen.add(code)
            assert code in (0, 1, 3, 4, 5), said
            for line in (*shown.out.split("\n"), *shown.err.split("\n")):
                assert line.replace("\t", "").isprintable(), (said, line)
    assert {0, 1, 3} <= seen  # refused ones, and ones that were read
