"""What the everyday commands import: nothing heavy, on a real guest."""

import subprocess
import sys

import pytest

import boot
from support.qemu import demo_elf

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
CODE = """
import sys
from uniobs.cli.main import main
code = main(sys.argv[1:])
assert code in (0, 1, 4), code
assert not {"numpy", "scapy", "textual", "asyncio", "elftools"} & set(sys.modules), sorted(sys.modules)
"""


def test_everyday_commands_do_without_heavy_imports() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        boot.traffic(guest, 2)
        for words in (("ls",), ("ps",), ("why",), ("bt",), ("netstat", "-a"), ("dmesg",)):
            target = [] if words == ("ls",) else [str(guest.pid)]
            done = subprocess.run(
                [sys.executable, "-c", CODE, *words, *target], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
