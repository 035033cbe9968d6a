"""The descriptors of Nanos' processes that are sockets.

Shapes: struct fdesc of src/unix/unix_internal.h, struct sock of src/unix/socket.h, struct netsock of
src/net/netsyscall.c.
"""

from typing import Any, Final

from uniobs.errors import NotOffered, UniobsError
from uniobs_probes.kernels.nanos_threads import pointers

SOCKET: Final = 4  # FDESC_TYPE_SOCKET
INTERNET: Final = (2, 10)  # AF_INET, AF_INET6


class Files:
    """Of one kernel image."""

    def __init__(self, module: Any) -> None:
        self._types = module.types

    def sockets(self, processes: tuple[int, ...], space: Any) -> dict[int, int]:
        """Descriptor -> address of lwIP's control block (0 when it has none)."""
        found: dict[int, int] = {}
        for address in processes:
            try:
                process = self._types.at("struct process", address, space)
                if not process.has("files") or not int(process.member("files")):
                    continue
                for number, pointer in enumerate(pointers(process.member("files").deref())):
                    if pointer and (block := self._block(pointer, number, space)) is not None:
                        found[number] = block
            except UniobsError:
                continue
        return found

    def _block(self, address: int, number: int, space: Any) -> int | None:
        """None: no socket."""
        try:
            row = self._types.at("struct netsock", address, space)
            if int(row.member("sock").member("f").member("type")) != SOCKET:
                return None
            sock = row.member("sock")
            if int(sock.member("fd")) != number or int(sock.member("domain")) not in INTERNET:
                return 0
            return int(row.member("info").member("tcp").member("lw"))
        except NotOffered:
            return None
