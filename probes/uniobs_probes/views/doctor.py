"""doctor: what is missing on this host or for one guest, and what each costs."""

import shutil
from contextlib import suppress
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from uniobs.errors import UniobsError
from uniobs.model.view import Column, Table
from uniobs.model.where import image_name, proof_text

COLUMNS = (
    Column("check", "CHECK"),
    Column("status", "STATUS"),
    Column("detail", "WHAT IS THERE"),
    Column("costs", "WITHOUT IT", text=lambda row: row["costs"] if row["status"] != "ok" else "-"),
)
_CAP_SYS_PTRACE = 19


def _row(check: str, ok: bool | None, detail: str, costs: str) -> dict[str, Any]:
    """ok None: not there, and not needed for anything but ``costs``."""
    status = "ok" if ok else "missing" if ok is False else "absent"
    return {"check": check, "status": status, "detail": detail, "costs": costs}


class Doctor:
    name = "doctor"
    title = "What is missing"
    columns = COLUMNS
    default = tuple(column.key for column in COLUMNS)
    needs: frozenset[str] = frozenset()

    def rows(self, target: Any = None, **_: Any) -> Table:
        rows = host_rows() if target is None else guest_rows(target)
        return Table(COLUMNS, rows)


def capabilities() -> int:
    """The effective capability set of this process."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0


def host_rows() -> list[dict[str, Any]]:
    return [_ptrace(), _pagemap(), *_programs(), *_libraries(), *_debug_servers()]


def _debug_servers() -> list[dict[str, Any]]:
    """Those that are configured; each is asked."""
    from uniobs.image.debuginfod import URLS, reachable, servers

    costs = "images without debug information stay without, unless a debug file lies beside them"
    rows = []
    for url in servers():
        problem = reachable(url)
        rows.append(_row("debuginfod", problem is None, f"{url}: {problem or 'answers'}", costs))
    return rows or [_row("debuginfod", None, f"{URLS} isn't set", costs)]


def _ptrace() -> dict[str, Any]:
    costs = "guests of other users, or not our children, can't be read: run as root or give cap_sys_ptrace"
    if capabilities() >> _CAP_SYS_PTRACE & 1:
        return _row("ptrace rights", True, "cap_sys_ptrace: every process can be read", costs)
    scope = 0
    with suppress(OSError, ValueError):
        scope = int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text())
    if scope == 0:
        return _row("ptrace rights", True, "this user's processes can be read (ptrace_scope 0)", costs)
    return _row("ptrace rights", False, f"kernel.yama.ptrace_scope is {scope}", costs)


def _pagemap() -> dict[str, Any]:
    costs = "holes of a guest's memory aren't skipped: the search reads more"
    try:
        with open("/proc/self/pagemap", "rb") as file:
            file.read(8)
    except OSError as error:
        return _row("pagemap", None, f"/proc/self/pagemap: {error.strerror}", costs)
    return _row("pagemap", True, "readable", costs)


def _programs() -> list[dict[str, Any]]:
    rows = []
    for program, check, costs in (
        ("qemu-system-x86_64", "qemu", "no guest can be started here (make demo runs the hosted one)"),
        ("gdb", "gdb", "uniobs gdb, and core take of a hosted guest, don't work"),
    ):
        path = shutil.which(program)
        rows.append(_row(check, True if path else None, path or "not installed", costs))
    return rows


def _libraries() -> list[dict[str, Any]]:
    pcap = find_library("pcap")
    rows = [_row("libpcap", True if pcap else None, pcap or "not installed", "tcpdump takes no filter text")]
    for module, costs in (
        ("capstone", "bt and why don't show the faulting instruction"),
        ("scapy", "tcpdump -v doesn't dissect beyond the headers"),
    ):
        there = find_spec(module) is not None
        rows.append(_row(module, True if there else None, "installed" if there else "not installed", costs))
    return rows


def guest_rows(target: Any) -> list[dict[str, Any]]:
    return [_memory(target), _region(target), _registers(target), *_images(target), *_answers(target)]


def _memory(target: Any) -> dict[str, Any]:
    try:
        size = sum(part.size for part in target.memory.ranges())
    except UniobsError as error:
        return _row("memory", False, str(error), "nothing can be said about this guest")
    return _row("memory", True, f"{size >> 10} KiB readable from {target.vmm}", "")


def _region(target: Any) -> dict[str, Any]:
    costs = "no heartbeat, trace, packets or counters: add the stub to the guest"
    try:
        region = target.region
    except UniobsError as error:
        return _row("stub", False, str(error), costs)
    if region is None:
        with suppress(UniobsError):
            kind = target.walker("threads").name
            return _row("stub", None, f"no region; its image tells: {kind}", costs)
    if region is None:
        return _row("stub", False, "no region in its memory", costs)
    what = (
        f"{region.kernel or 'a guest'} with a region of {region.header.size >> 10} KiB at {region.address:#x}"
    )
    return _row("stub", True, what, costs)


def _registers(target: Any) -> dict[str, Any]:
    costs = "no stack of the thread that is running now"
    if target.kind == "process":
        return _row("registers", True, "of threads that wait, from Linux (/proc/PID/task/TID/syscall)", costs)
    try:
        found = target.registers()
    except UniobsError as error:
        return _row("registers", None, str(error), costs)
    sources = ", ".join(sorted({each.source for each in found})) or "unknown source"
    return _row("registers", bool(found), f"{len(found)} vCPU ({sources})", costs)


def _images(target: Any) -> list[dict[str, Any]]:
    costs = "addresses instead of names, and few stacks: name it with --image FILE"
    try:
        modules = target.modules
    except UniobsError as error:
        return [_row("image", False, str(error), costs)]
    if not modules:
        return [_row("image", False, "no image of it is known", costs)]
    rows = []
    for module in modules:
        known = module.proof is not None and (module.proof.proven or module.proof.build_id)
        rows.append(_row("image", bool(known), f"{image_name(module)}: {proof_text(module)}", costs))
        debug = module.debug.path if module.debug is not None else module.path
        rows.append(
            _row(
                "debug information",
                module.dwarf is not None,
                f"in {debug}"
                if module.dwarf is not None
                else "the image carries none, nor does a file beside it",
                "no lines and no inlined functions: build with -g, or keep the .debug file",
            )
        )
    return rows


def _answers(target: Any) -> list[dict[str, Any]]:
    """One line for each question that no walker answers."""
    questions = {
        "threads": "ps, bt, why",
        "locks": "who holds a mutex: no deadlock is found",
        "sockets": "netstat, ss",
        "interfaces": "netstat -i",
        "counters": "counters",
        "heap": "vmstat's heap columns",
        "trace": "strace",
        "packets": "tcpdump",
        "log": "dmesg",
    }
    rows = []
    for question, commands in questions.items():
        try:
            target.walker(question)
        except UniobsError as error:
            rows.append(_row(question, None, str(error), commands))
    if not rows:
        rows.append(_row("tables and rings", True, "all there", ""))
    return rows


view = Doctor()
