"""A kernel of a few functions, for logs of its crash; what is true of it is addr2line's word."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.build import compile_c, need

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "console.c"
FLAGS = ("-O1", "-g", "-fno-stack-protector", "-fcf-protection=none", "-ffreestanding", "-nostdlib")
FIXED = (*FLAGS, "-static", "-no-pie", "-fno-pie", "-Wl,-Ttext-segment=0x100000")
MOVABLE = (*FLAGS, "-fPIE", "-static-pie")


@dataclass(frozen=True)
class Kernel:
    path: Path
    functions: dict[str, int]
    calls: dict[str, int]  # by the caller's name: where its only call returns to

    def says(self, address: int) -> str:
        """function file:line of a link address, by addr2line."""
        done = subprocess.run(
            ["addr2line", "-f", "-e", self.path, hex(address)], capture_output=True, text=True, check=True
        )
        function, place = done.stdout.splitlines()[:2]
        return f"{function} {place.split(' ')[0].rsplit('/', 1)[-1]}"

    def call(self, function: str) -> str:
        """The same of the call in a function."""
        return self.says(self.calls[function] - 1)


def kernel(folder: Path, name: str = "kernel.elf", *flags: str, movable: bool = False) -> Kernel:
    need("addr2line", "objdump")
    path = compile_c(folder, name, [SOURCE], *(MOVABLE if movable else FIXED), *flags)
    listing = subprocess.run(["objdump", "-d", path], capture_output=True, text=True, check=True).stdout
    functions: dict[str, int] = {}
    calls: dict[str, int] = {}
    function, called = "", False
    for line in listing.splitlines():
        if line.endswith(">:"):
            address, _, rest = line.partition(" <")
            function = rest[:-2]
            functions[function] = int(address, 16)
        elif ":\t" in line:
            if called:
                calls[function] = int(line.split(":")[0], 16)
            called = "\tcall" in line
    return Kernel(path, functions, calls)
