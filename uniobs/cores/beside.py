"""Memory without a header of its own, whose description lies beside it."""

import os

from uniobs.cores.core import Core
from uniobs.memory.file import open_file


def described(fd: int, path: str) -> Core | None:
    """The snapshot that a file of bare memory belongs to; it owns ``fd`` then. Raises BadFormat."""
    directory, name = os.path.split(path)
    from uniobs.cores import cloud_hypervisor, vmware

    if name == cloud_hypervisor.MEMORY and os.path.isfile(os.path.join(directory, cloud_hypervisor.STATE)):
        return _instead(fd, cloud_hypervisor.read_directory(directory or ".", directory or path))
    stem, ending = os.path.splitext(path)
    if ending.lower() == ".vmem":
        for other in vmware.ENDINGS:
            if os.path.isfile(stem + other):
                state = open_file(stem + other)
                try:
                    return _instead(fd, vmware.read(state, stem + other))
                except BaseException:
                    os.close(state)
                    raise
    from uniobs.cores import firecracker

    return firecracker.beside(fd, path)


def _instead(fd: int, core: Core) -> Core:
    os.close(fd)
    return core


def in_directory(path: str) -> Core | None:
    """The one snapshot that a directory is. Raises BadFormat."""
    from uniobs.cores import cloud_hypervisor, firecracker

    if cloud_hypervisor.is_directory(path):
        return cloud_hypervisor.read_directory(path, path)
    return firecracker.read_directory(path) if firecracker.is_directory(path) else None
