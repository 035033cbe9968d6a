"""Which socket a Unikraft thread polls: from lwIP's sockets over posix-socket's files to their poll queues.

Shapes: struct lwip_sock of Unikraft's lwIP (its sock_data is the file), struct uk_file and struct uk_pollq of
lib/ukfile. A thread counts only when the queue's tickets name it.
"""

from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import BadFormat, NotOffered, UnknownMemory
from uniobs.image.types_walk import chain

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

TABLE: Final = "sockets"
UNIT: Final = "sockets.c"
TICKETS_MAX: Final = 1024
SOCKETS_MAX: Final = 4096


def pollers(module: Any, space: Any) -> dict[int, int]:
    """Thread -> control block of the TCP or UDP socket that it polls; {} where the image isn't built so."""
    found: dict[int, int] = {}
    try:
        kind = module.types.type("struct uk_file")
        if not kind.has("state") or not kind.path("state")[1].has("pollq"):
            return {}
        table = module.types.variable(TABLE, space, UNIT)
        for number in range(min(len(table), SOCKETS_MAX)):
            row = table[number]
            if not row.has("conn", "sock_data"):
                return {}
            if not int(row.member("conn")) or not int(row.member("sock_data")):
                continue
            try:
                pcb = int(row.member("conn").deref().member("pcb").member("tcp"))
                for thread in _waiting(row.member("sock_data").pointee(kind)):
                    found.setdefault(thread, pcb)
            except UnknownMemory:
                continue
    except (NotOffered, BadFormat, UnknownMemory):
        pass
    return found


def _waiting(file: "Value") -> list[int]:
    """The threads whose tickets are in a file's poll queue."""
    queue = file.member("state").deref().member("pollq")
    return [int(ticket.member("thread")) for ticket in chain(queue.member("wait"), "next", TICKETS_MAX)]
