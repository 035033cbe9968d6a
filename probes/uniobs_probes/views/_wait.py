"""What a thread waits for, as a sentence."""

from uniobs.model.guest import Lock, Socket, Thread, Wait
from uniobs.model.text import span_text

_ON_LOCK = {"mutex", "cond", "sem", "mbox"}
_ON_SOCKET = {"accept", "recv", "send", "connect", "poll"}


def endpoint(address: str | None, port: int | None) -> str:
    """10.0.2.2:51544, with * for what isn't set, as ss writes it."""
    if address is None and port is None:
        return "-"
    host = "0.0.0.0" if address is None else address
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{port if port else '*'}"


def wait_text(
    thread: Thread,
    locks: dict[int, Lock],
    sockets: dict[int, Socket],
    names: dict[int, str],
    now_ns: int | None,
) -> str:
    """``accept 0.0.0.0:80``, ``mutex ledger (tid 9)``, ``sleep 60ms``, ``cond jobs``; - when none."""
    wait = thread.wait
    if wait is None or thread.state not in ("blocked", "sleeping"):
        return "-"
    if wait.kind in _ON_LOCK:
        return _lock(wait, locks.get(wait.object) if wait.object is not None else None)
    if wait.kind == "sleep":
        return _timed("sleep", wait, now_ns)
    if wait.kind == "join":
        if not wait.object:
            return "join"
        name = names.get(wait.object)
        return f"join {name} (tid {wait.object})" if name else f"join tid {wait.object}"
    if wait.kind in _ON_SOCKET:
        return _socket(wait, sockets.get(wait.fd) if wait.fd is not None else None)
    if wait.kind == "irq":
        return f"irq {wait.object}" if wait.object is not None else "irq"
    return wait.name or (f"{wait.kind} {wait.object:#x}" if wait.object else wait.kind)


def _lock(wait: Wait, lock: Lock | None) -> str:
    name = wait.name or (lock.name if lock is not None else None)
    if name is None:
        name = f"{wait.object:#x}" if wait.object else "?"
    owner = wait.owner_tid if wait.owner_tid is not None else lock.owner_tid if lock is not None else None
    if wait.kind == "mutex" and owner:
        return f"mutex {name} (tid {owner})"
    return f"{wait.kind} {name}"


def _timed(what: str, wait: Wait, now_ns: int | None) -> str:
    if wait.until_ns is None or now_ns is None:
        return what
    left = wait.until_ns - now_ns
    return f"{what} {span_text(left)}" if left > 0 else f"{what} (due)"


def _socket(wait: Wait, socket: Socket | None) -> str:
    if socket is None and wait.name:
        return f"{wait.kind} {wait.name}"
    if socket is None:
        return f"{wait.kind} fd {wait.fd}" if wait.fd is not None else wait.kind
    if wait.kind == "accept" or not socket.rport:
        return f"{wait.kind} {endpoint(socket.laddr, socket.lport)}"
    return f"{wait.kind} {endpoint(socket.raddr, socket.rport)}"
