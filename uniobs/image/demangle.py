"""Readable names: C++ and Rust by LLVM's demanglers (pycxxfilt), OCaml by a rule of our own.

The demanglers are native code and names are hostile: one whose nesting or repetitions could grow without
bound is demangled by a process of its own, under limits, or stays as it is.
"""

import re
import sys
from functools import lru_cache

from uniobs.lean import Final

LONGEST: Final = 1024  # characters of a name that is shown
# Characters that are demangled in this process: so deep its recursion can get, and patterns take its square.
_INPUT_MAX: Final = 1024
_CHILD_INPUT_MAX: Final = 16384
_CHILD_SECONDS: Final = 2
_CHILDREN_MAX: Final = 32  # processes in all: names that need one are rare
# what repeats text said before: n of them can double it n times; a pack repeats its pattern an element
_REPEATS: Final = re.compile(r"[ST][0-9A-Z]*_|B[0-9A-Za-z]*_|Dp")
_REPEATS_MAX: Final = 16
_PACK: Final = 8  # a pack weighs as much
_CLONES: Final = re.compile(r"\.[A-Za-z_]+(?:\.\d+)*")  # .part.0 .constprop.1 .cold .llvm.123
_PLAIN: Final = re.compile(r"_Z(?:L|St)?(\d{1,4})")  # a name of one part, so long
_RUST_HASH: Final = re.compile(r"17h[0-9a-f]{16}E(?=\.|\Z)")
_RUST_ESCAPE: Final = re.compile(r"\$(SP|BP|RF|LT|GT|LP|RP|C|u[0-9a-f]{1,6})\$|\.\.")
_RUST_CHARS: Final = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
_OCAML: Final = re.compile(r"caml[A-Z]\w*?(?:__|[.$])[\w.$']+\Z")
_OCAML_STAMP: Final = re.compile(r"(?<=[^_.])_\d+(?:_\d+)*(?:_code)?\Z")
_OCAML_HEX: Final = re.compile(r"\$([0-9a-fA-F]{2})")
_HERMIT: Final = "hermit_"  # what Hermit's build puts before each symbol of its kernel

_CHILD: Final = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
import pycxxfilt
name = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write((pycxxfilt.demangle(name) or "")[:65536].encode())
"""
_children = 0


def mangled(name: str) -> bool:
    """Whether it looks like a name that display() may show differently."""
    return _core(name) is not None


@lru_cache(16384)
def display(name: str) -> str:
    """The name without argument types, as gdb shows a frame's: ns::fn<int>, Main.loop, core::ptr::read."""
    core = _core(name)
    if core is None:
        return _cut(name)
    if core.startswith("caml"):
        return _cut(_ocaml(core))
    plain = _parts(core)[0]
    if plain.startswith("_Z") and not _RUST_HASH.search(plain):
        plain = _without_arguments(plain)
    return _cut(_readable(plain) or name)


@lru_cache(16384)
def full(name: str) -> str:
    """The name with argument types where it says them: ns::fn<int>(char const*) [clone .part.0]."""
    core = _core(name)
    if core is None:
        return _cut(name)
    if core.startswith("caml"):
        return _cut(_ocaml(core))
    plain, clones = _parts(core)
    text = _readable(plain)
    if text is None:
        return _cut(name)
    return _cut(text + "".join(f" [clone {clone}]" for clone in _CLONES.findall(clones)[:8]))


def bare(readable: str) -> str:
    """The function's own name: wait of sched::thread::wait, fmt of <T as core::fmt::Debug>::fmt."""
    text = readable
    while (at := text.find("<")) >= 0 and len(text) <= LONGEST:
        depth = 0
        for end in range(at, len(text)):
            depth += {"<": 1, ">": -1}.get(text[end], 0)
            if not depth:
                break
        else:
            break
        text = text[:at] + text[end + 1 :]
    words = text.partition("(")[0].split("::")
    parts = [word for word in words if word[:1].isalpha() or word[:1] in ("_", "~")]
    return parts[-1] if parts else readable


def brief(readable: str, most: int = 48) -> str:
    """As display() gave it, but template arguments of a longer one become <...>; of a very long one the end
    goes too."""
    if len(readable) <= most:
        return readable
    kept: list[str] = []
    depth = begin = 0
    for at, char in enumerate(readable):
        depth += {"<": 1, ">": -1}.get(char, 0)
        if char == "<" and depth == 1:
            begin = at
        elif char == ">" and depth == 0:
            kept.append("<...>" if at - begin > 8 else readable[begin : at + 1])
        elif depth == 0:
            kept.append(char)
        elif depth < 0:
            break  # operator> and its like
    text = "".join(kept) if depth == 0 else readable
    return text if len(text) <= 4 * most else text[: 4 * most - 3] + "..."


def _core(name: str) -> str | None:
    """The mangled name in ``name``; None when it isn't mangled."""
    name = name.removeprefix(_HERMIT) if name.startswith((_HERMIT + "_Z", _HERMIT + "_R")) else name
    if name.startswith("_Z") or (name.startswith("_R") and name[2:3].isalpha()):
        return name
    return name if name.startswith("caml") and len(name) <= _INPUT_MAX and _OCAML.match(name) else None


def _parts(name: str) -> tuple[str, str]:
    """A mangled name, and what the compiler put behind it."""
    rust = _RUST_HASH.search(name)
    at = rust.end() if rust else name.find(".")
    return (name[:at], name[at:]) if at >= 0 else (name, "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _readable(name: str) -> str | None:
    """By the library; None for what it doesn't take, or not within our limits."""
    rust = _RUST_HASH.search(name) if name.startswith("_ZN") else None
    text = _library(name[: rust.start()] + "E" if rust else name)
    return _rust(text) if rust and text else text


def _library(name: str) -> str | None:
    weight = sum(_PACK if found == "Dp" else 1 for found in _REPEATS.findall(name[:_CHILD_INPUT_MAX]))
    if len(name) > _INPUT_MAX or weight > _REPEATS_MAX:
        return _in_child(name)
    import pycxxfilt

    try:
        text: str | None = pycxxfilt.demangle(name)
    except ValueError:
        return None
    return text or None


def _in_child(name: str) -> str | None:
    global _children
    if len(name) > _CHILD_INPUT_MAX or _children >= _CHILDREN_MAX:
        return None
    _children += 1
    import subprocess

    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD],
            input=name.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_CHILD_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") or None


def _without_arguments(whole: str) -> str:
    """The start of a C++ name that is a name already: _ZN2ns2fnEi without the i, and with its template
    arguments. (A mangled function is a name and then types, so the shortest valid start is the name.)"""
    import pycxxfilt

    name = whole[:_INPUT_MAX]
    length, weight = len(name), 0
    for found in _REPEATS.finditer(name):
        weight += _PACK if found[0] == "Dp" else 1
        if weight > _REPEATS_MAX:
            length = found.end() - 1
            break
    plain = _PLAIN.match(name)
    best, end = 0, plain.end() + int(plain[1]) if plain else 4
    nested = name.startswith("_ZN")
    while end <= length and (not best or name[best : best + 1] in ("I", "B")):
        try:
            if (name[end - 1] == "E" or not (nested or best)) and pycxxfilt.demangle(name[:end]):
                best = end
        except ValueError:
            pass
        end += 1
    return name[:best] if best else whole


def _rust(text: str) -> str:
    """Rust's legacy escapes, undone (source of the rules: rustc's symbol_names/legacy.rs)."""
    text = re.sub(r"(^|::)_(?=\$)", r"\1", text)
    return _RUST_ESCAPE.sub(_rust_char, text)


def _rust_char(found: re.Match[str]) -> str:
    code = found[1]
    if code is None:
        return "::"
    if code in _RUST_CHARS:
        return _RUST_CHARS[code]
    number = int(code[1:], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else found[0]


def _ocaml(name: str) -> str:
    """camlDune__exe__Main__loop_1234 and camlDune__exe__Main.loop_1234 are Main.loop.

    No library offers it. The number is the compiler's; an anonymous function keeps it (Main.fun_42).
    """
    text = name[4:].removeprefix("Dune__exe__")
    stamp = _OCAML_STAMP.search(text)
    if stamp and not text[: stamp.start()].endswith(("fun", "anon_fn")):
        text = text[: stamp.start()]
    text = re.sub(r"__(?=[A-Za-z_$])", ".", text)
    return _OCAML_HEX.sub(lambda found: chr(int(found[1], 16)), text)
