"""System-call arguments as strace prints them."""

import errno
import os
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Final

from uniobs.model.guest import Arg
from uniobs.region import _abi
from uniobs_probes.views import strace_names as names

UNKNOWN: Final = "?"
ESCAPES: Final = {9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
MAX_ERRNO: Final = 4095

FdText = Callable[[int], str]


def quoted(data: bytes, full: int, limit: int = 32) -> str:
    """``"GET / HTTP/1."...``: at most ``limit`` bytes, and dots when there was more."""
    shown = data[:limit]
    out = ['"']
    for i, byte in enumerate(shown):
        if byte in ESCAPES:
            out.append(ESCAPES[byte])
        elif 32 <= byte < 127:
            out.append(chr(byte))
        else:
            digit_follows = i + 1 < len(shown) and 48 <= shown[i + 1] <= 57
            out.append(f"\\{byte:03o}" if digit_follows else f"\\{byte:o}")
    return "".join(out) + '"' + ("..." if full > len(shown) else "")


def flags(value: int, table: Sequence[tuple[int, str]], unknown: str) -> str:
    """Names of the bits joined by |; bits without one as a number; ``0``-like when there are none."""
    found = []
    left = value
    for mask, name in sorted(table, key=lambda entry: -entry[0].bit_count()):
        if left & mask == mask:
            found.append((table.index((mask, name)), name))
            left &= ~mask
    out = [name for _, name in sorted(found)]
    if left:
        out.append(f"{left:#x}" if out else f"{left:#x} /* {unknown} */")
    return "|".join(out) or "0"


def constant(value: int, table: dict[int, str], unknown: str) -> str:
    return table.get(value) or f"{value:#x} /* {unknown} */"


def open_flags(value: int) -> str:
    rest = value & ~3
    mode = names.ACCESS_MODES[value & 3]
    return f"{mode}|{flags(rest, names.OPEN_FLAGS, 'O_???')}" if rest else mode


def sock_type(value: int) -> str:
    kind = constant(value & 0xF, names.SOCK_TYPES, "SOCK_???")
    rest = value & ~0xF
    return f"{kind}|{flags(rest, names.SOCK_FLAGS, 'SOCK_???')}" if rest else kind


def sockaddr(value: int) -> str:
    """A SOCKADDR word; 0 is no address."""
    if value == 0:
        return "NULL"
    family = value >> 48
    if family != 4:
        return UNKNOWN
    host = IPv4Address((value & 0xFFFFFFFF).to_bytes(4, "little"))
    port = value >> 32 & 0xFFFF
    return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{host}")}}'


def timespec(ns: int) -> str:
    return f"{{tv_sec={ns // 1_000_000_000}, tv_nsec={ns % 1_000_000_000}}}"


def returned(value: int) -> str:
    """``7``, or ``-1 ENOENT (No such file or directory)``."""
    if -MAX_ERRNO <= value < 0:
        name = errno.errorcode.get(-value)
        return f"-1 {name} ({os.strerror(-value)})" if name else f"-1 (errno {-value})"
    return str(value)


def text(arg: Arg, fd_text: FdText, limit: int, level: int | None = None) -> str:
    """One argument. ``level`` is the call's socket level, which says what an option's number means."""
    value, kind = arg.value, arg.kind
    if isinstance(value, bytes):
        return quoted(value, len(value) if arg.length is None else arg.length, limit)
    if kind == "fd":
        return "AT_FDCWD" if value == -100 else fd_text(value)
    if kind == "sock_opt":
        table = names.OPTIONS.get(level if level is not None else -1, {})
        prefix = names.OPTION_PREFIXES.get(level if level is not None else -1, "SO")
        return constant(value, table, f"{prefix}_???")
    form = _FORMS.get(kind)
    return form(value) if form is not None else str(value)


def _hex(value: int) -> str:
    return f"{value:#x}" if value else "0"


def _pointer(value: int) -> str:
    return f"{value:#x}" if value else "NULL"


_FORMS: Final[dict[str, Callable[[int], str]]] = {
    "hex": _hex,
    "ptr": _pointer,
    "lock": _pointer,
    "string": lambda _: UNKNOWN,  # its text isn't in the region (any more)
    "open_flags": open_flags,
    "msg_flags": lambda v: flags(v, names.MSG_FLAGS, "MSG_???"),
    "mode": lambda v: f"0{v:o}" if v else "000",
    "sock_domain": lambda v: constant(v, names.DOMAINS, "AF_???"),
    "sock_type": sock_type,
    "sock_proto": lambda v: constant(v, names.PROTOCOLS, "IPPROTO_???"),
    "sockaddr": sockaddr,
    "ns": timespec,
    "shut_how": lambda v: constant(v, names.SHUT, "SHUT_???"),
    "sock_level": lambda v: constant(v, names.LEVELS, "SOL_???"),
    "wait": lambda v: _abi.WAIT_NAMES.get(v, UNKNOWN),
    "thread_state": lambda v: _abi.THREAD_STATE_NAMES.get(v, UNKNOWN),
}
