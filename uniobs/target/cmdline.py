"""QEMU's command line: what it says about the guest."""

import os
import re

from uniobs.model.row import frozen

SUFFIXES = {"": 20, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
DEFAULT_MEMORY = 128 << 20
_BARE = """
nodefaults no-user-config nographic snapshot S s no-reboot no-shutdown daemonize enable-kvm no-acpi no-hpet
full-screen win2k-hack no-fd-bootchk preconfig only-migratable mem-prealloc singlestep usb h help version
"""
VALUELESS = frozenset(_BARE.split())  # options that no value follows


@frozen
class QemuOptions:
    """Paths are as QEMU was given them: relative to its working directory, in its root."""

    machine: str
    memory: int  # bytes
    name: str | None = None
    kernel: str | None = None
    qmp: str | None = None
    qmp_unreachable: str | None = None  # why there is a QMP without a socket to connect to
    accel: str | None = None
    options: tuple[tuple[str, str], ...] = ()


def split_options(text: str) -> list[str]:
    """Comma-separated, ",," being a comma."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def parse_value(text: str, first: str) -> dict[str, str]:
    """key=value pairs; a leading bare word belongs to the key ``first``."""
    found: dict[str, str] = {}
    for index, part in enumerate(split_options(text)):
        key, equals, value = part.partition("=")
        if index == 0 and not equals:
            key, value = first, part
        found.setdefault(key, value if equals or index == 0 else "on")
    return found


def parse_size(text: str) -> int | None:
    """Bytes; a bare number is MiB, as for -m."""
    match = re.fullmatch(r"(\d{1,15})(?:\.(\d{1,6}))?([bkmgtpe]?)i?b?", text.strip().lower())
    if match is None:
        return None
    shift = SUFFIXES[match[3]]
    size = int(match[1]) << shift
    if match[2]:
        size += (int(match[2]) << shift) // 10 ** len(match[2])
    return size


def parse(argv: tuple[str, ...]) -> QemuOptions:
    """What is said twice: the last counts, as in QEMU. Unknown options are skipped."""
    pairs: list[tuple[str, str]] = []
    index = 1
    while index < len(argv):
        option = argv[index]
        index += 1
        if not option.startswith("-"):
            continue
        name = option.lstrip("-")
        if name in VALUELESS or index >= len(argv):
            pairs.append((name, ""))
        else:
            pairs.append((name, argv[index]))
            index += 1
    last: dict[str, str] = {}
    machine: dict[str, str] = {}
    for name, value in pairs:
        last[name] = value
        if name in ("M", "machine"):
            machine.update(parse_value(value, "type"))
    memory = parse_value(last.get("m", ""), "size").get("size", "")
    size = parse_size(memory)
    guest = parse_value(last["name"], "guest") if "name" in last else {}
    qmp, why = _qmp(pairs)
    accel = parse_value(last["accel"], "accel").get("accel") if "accel" in last else machine.get("accel")
    if accel is None:
        accel = "kvm" if "enable-kvm" in last else "tcg"
    return QemuOptions(
        machine=machine.get("type") or default_machine(argv[0] if argv else ""),
        memory=size if size else DEFAULT_MEMORY,
        name=guest.get("guest") or None,
        kernel=last.get("kernel") or None,
        qmp=qmp,
        qmp_unreachable=why,
        accel=accel.partition(":")[0],
        options=tuple(pairs),
    )


def default_machine(program: str) -> str:
    return (
        "pc"
        if os.path.basename(program) in ("qemu-system-x86_64", "qemu-system-i386", "qemu-kvm", "kvm")
        else "?"
    )


def _qmp(pairs: list[tuple[str, str]]) -> tuple[str | None, str | None]:
    """The path of a QMP socket, or why there is one that can't be connected to."""
    chardevs = {}
    why = None
    for name, value in pairs:
        if name == "chardev":
            options = parse_value(value, "backend")
            chardevs[options.get("id", "")] = options
    for name, value in pairs:
        if name in ("qmp", "qmp-pretty"):
            if value.startswith("unix:"):
                return split_options(value.removeprefix("unix:"))[0], None
            why = f"QMP is on {value.partition(',')[0]}, which is no unix socket"
        elif name == "mon":
            options = parse_value(value, "chardev")
            if options.get("mode", "readline") != "control":
                continue
            chardev = chardevs.get(options.get("chardev", ""), {})
            if chardev.get("path"):
                return chardev["path"], None
            why = "QMP is held by whoever started the VMM (libvirt?)"
    return None, why
