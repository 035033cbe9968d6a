"""Guests on this host: VMM processes and hosted guests, found without flags or configuration."""

import os

from uniobs.errors import UniobsError
from uniobs.memory.maps import read_maps, read_maps_bytes
from uniobs.model.row import frozen
from uniobs.target import cmdline, procfs, tender

HOSTED_MARK = b"/memfd:uniobs-region"
REGION_FILE_VARIABLE = b"UNIOBS_REGION_FILE="
QEMU_NAMES = ("qemu-system-", "qemu-kvm", "kvm")


@frozen
class GuestInfo:
    """A guest as its process shows it; nothing of the guest's memory was read."""

    name: str
    pid: int
    kind: str  # "vm" or "process" (hosted)
    vmm: str  # "qemu microvm", "hosted"
    memory: int | None  # bytes
    kernel: str | None  # a path that we can open, if anybody can
    process: procfs.Process
    qmp: str | None = None
    qmp_unreachable: str | None = None
    machine: str | None = None
    accel: str | None = None
    region_file: str | None = None  # hosted: the file that holds the region, when it isn't a memfd
    options: cmdline.QemuOptions | None = None


def is_qemu(process: procfs.Process) -> bool:
    program = process.exe or (process.argv[0] if process.argv else process.comm)
    base = os.path.basename(program.removesuffix(" (deleted)"))
    return base.startswith(QEMU_NAMES[0]) or base in QEMU_NAMES[1:]


def qemu_info(process: procfs.Process) -> GuestInfo:
    options = cmdline.parse(process.argv)
    kernel = procfs.host_path(process.pid, options.kernel) if options.kernel else None
    name = options.name
    if name is None and kernel is not None:
        name = os.path.splitext(os.path.basename(kernel))[0]
    return GuestInfo(
        name=name or str(process.pid),
        pid=process.pid,
        kind="vm",
        vmm=f"qemu {options.machine}",
        memory=options.memory,
        kernel=kernel,
        process=process,
        qmp=procfs.host_path(process.pid, options.qmp) if options.qmp else None,
        qmp_unreachable=options.qmp_unreachable,
        machine=options.machine,
        accel=options.accel,
        options=options,
    )


def hosted_info(process: procfs.Process) -> GuestInfo | None:
    """None when the process carries no region, or when we may not look."""
    region_file = None
    try:
        maps = read_maps_bytes(process.pid)
    except UniobsError:
        return None
    if HOSTED_MARK not in maps:
        region_file = _region_file(process.pid)
        if region_file is None or os.fsencode(region_file) not in maps:
            return None
    program = process.argv[0] if process.argv else process.comm
    return GuestInfo(
        name=os.path.basename(program) or str(process.pid),
        pid=process.pid,
        kind="process",
        vmm="hosted",
        memory=None,
        kernel=_program(process),
        process=process,
        region_file=region_file,
    )


def _program(process: procfs.Process) -> str:
    """The program's path when it still is the file that runs; else what /proc keeps of it."""
    kept = f"/proc/{process.pid}/exe"
    path = procfs.host_path(process.pid, process.exe)
    try:
        return path if process.exe and os.path.samefile(path, kept) else kept
    except OSError:
        return kept


def _region_file(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read(1 << 20)
    except OSError:
        return None
    for entry in environ.split(b"\0"):
        if entry.startswith(REGION_FILE_VARIABLE):
            path = os.fsdecode(entry[len(REGION_FILE_VARIABLE) :])
            return os.path.basename(path) and os.path.abspath(procfs.host_path(pid, path))
    return None


def region_mappings(info: GuestInfo) -> list[int]:
    """Where a hosted guest's process maps its region. Raises TargetGone or AccessDenied."""
    mark = HOSTED_MARK.decode()
    return [
        mapping.start
        for mapping in read_maps(info.pid)
        if mapping.offset == 0
        and (mapping.path.startswith(mark) or (info.region_file and mapping.path == info.region_file))
    ]


def guest_of(pid: int) -> GuestInfo | None:
    """The guest that process ``pid`` runs, or None. Raises NoSuchTarget."""
    return _info(procfs.read_process(pid))


def _info(process: procfs.Process) -> GuestInfo | None:
    if is_qemu(process):
        return qemu_info(process)
    name = tender.tender(process)
    if name is not None:
        return GuestInfo(pid=process.pid, kind="vm", process=process, **tender.facts(process, name))
    return hosted_info(process)


def find_guests() -> list[GuestInfo]:
    """All of this host that we can see, by pid."""
    found = []
    for pid in procfs.pids():
        if pid == os.getpid():
            continue
        try:
            process = procfs.read_process(pid)
        except UniobsError:
            continue
        if not process.argv:
            continue  # a kernel thread or a zombie
        info = _info(process)
        if info is not None:
            found.append(info)
    return found
