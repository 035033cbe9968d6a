"""What gdb prints of expressions on a core, laid out as `print` with pretty on."""

import subprocess
from pathlib import Path

SETTINGS = (
    "pagination off", "confirm off", "debuginfod enabled off", "print pretty on", "print null-stop on",
    "print elements 200", "print repeats 10", "style enabled off", "width 0",
)  # fmt: skip
_MARK = "@@next@@"


def printed(program: Path, core: Path, orders: list[str]) -> dict[str, str]:
    """{"p EXPR" or any other command: what gdb says to it}; of p, without "$1 = "."""
    command = ["gdb", "-q", "-nx", "-batch"]
    for setting in SETTINGS:
        command += ["-iex", f"set {setting}"]
    command += [str(program), str(core), "-ex", f"echo {_MARK}\\n"]
    for order in orders:
        word = f"output{order[1:]}" if order[:2] in ("p ", "p/") else order
        command += ["-ex", word, "-ex", f"echo \\n{_MARK}\\n"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    parts = done.stdout.split(_MARK + "\n")[1:]
    assert len(parts) >= len(orders), done.stdout[-2000:]
    return {order: text.strip("\n") for order, text in zip(orders, parts, strict=False)}
