"""The command lines of gdb and drgn on a fixed core: every image where it lies."""

import re
import shlex
from collections.abc import Sequence
from typing import Any

NAME_MAX = 32
_UNFIT = re.compile(r"[^A-Za-z0-9 _.,:@/+\-\[\]]")


def gdb(core: str, modules: Sequence[Any]) -> list[str]:
    """gdb's words. A slid image's symbols are loaded beside their slide, as gdb can't learn it."""
    if not modules:
        return ["-c", core]
    from uniobs.export.gdbcore_file import symbol_file
    from uniobs.image.separate import SYSTEM, folders

    words = []
    if (named := folders()) != [SYSTEM]:
        words += ["-iex", f"set debug-file-directory {':'.join(named)}"]
    first, others = modules[0], modules[1:]
    if first.bias:
        words += ["-ex", f"symbol-file -o {_address(first.bias)} {_quoted(symbol_file(first))}"]
    for module in others:
        words += ["-ex", f"add-symbol-file -o {_address(module.bias)} {_quoted(symbol_file(module))}"]
    return [*words, "-c", core] if first.bias else [*words, symbol_file(first), core]


def drgn(core: str) -> list[str]:
    """drgn's words: its plugin, which comes with uniobs, places the images as the core says."""
    return ["-c", core]


def thread_names(names: dict[int, str], order: Sequence[int]) -> str:
    """A gdb script that names the threads. Names are the guest's: nothing but plain words gets through."""
    lines = []
    for number, pid in enumerate(order, 1):
        name = _UNFIT.sub("?", names.get(pid, ""))[:NAME_MAX].strip()
        if name:
            lines.append(f"thread apply {number} -q thread name {name}\n")
    return "".join(lines)


def shell(program: str, words: Sequence[str]) -> str:
    return shlex.join([program, *words])


def _address(bias: int) -> str:
    return f"{bias & (1 << 64) - 1:#x}"


def _quoted(path: Any) -> str:
    """As gdb splits a command's words."""
    text = str(path)
    return text if re.fullmatch(r"[\w./+@:,-]+", text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
