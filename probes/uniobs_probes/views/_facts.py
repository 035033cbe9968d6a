"""What several views need from a target: tables that may not be offered, its clock, names of addresses."""

from collections.abc import Sequence
from contextlib import suppress

from uniobs.errors import BadFormat, ImageMismatch, NotOffered, UniobsError
from uniobs.image.frames import readable
from uniobs.lean import Any
from uniobs.model.guest import Heap, Lock, Socket, Thread


def ask(target: Any, question: str) -> Sequence[Any]:
    """A walker's answer, or () when nobody can answer it."""
    with suppress(NotOffered):
        return tuple(getattr(target.walker(question), question)())
    return ()


def heap_of(target: Any) -> Heap | None:
    """The heap row; None when it isn't offered or is torn."""
    with suppress(NotOffered):
        heap: Heap = target.walker("heap").heap()
        return None if heap.torn else heap
    return None


class Facts:
    """One reading of threads, locks and sockets, with what names them."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.threads: tuple[Thread, ...] = tuple(target.walker("threads").threads())
        self.now_ns = guest_now(target)
        self.locks: dict[int, Lock] = {lock.address: lock for lock in ask(target, "locks") if not lock.torn}
        self.sockets: dict[int, Socket] = {
            s.fd: s for s in ask(target, "sockets") if s.fd is not None and not s.torn
        }
        self.names = {t.tid: t.name for t in self.threads if t.name}

    def command(self, thread: Thread) -> str | None:
        """The function a thread began in; its address when no image says more."""
        if not thread.entry:
            return None
        for module in self._modules():
            found = module.function(thread.entry)
            if found is not None:
                return readable(found[0])[0]
        return f"{thread.entry:#x}"

    def _modules(self) -> Sequence[Any]:
        """None when the image that was named isn't the one in memory: names would be another's."""
        try:
            return tuple(self.target.modules)
        except ImageMismatch:
            return ()


def live_header(target: Any) -> Any | None:
    """The changing part of the region's header, or None when there is no (readable) region."""
    with suppress(BadFormat):
        region = target.region
        return region.live() if region is not None else None
    return None


def guest_now(target: Any) -> int | None:
    """Nanoseconds since boot of the guest's last sign of life: its own clock can't be read from outside."""
    live = live_header(target)
    if live is None:
        now = getattr(target.walker("threads"), "now_ns", None)
        found: int | None = now() if now is not None else None
        return found
    clock = target.region.clock
    stamps = [clock.ns(live.beat_tsc), clock.ns(live.tick_tsc)]
    with suppress(UniobsError):
        panic = target.walker("panic").panic()
        stamps.append(panic.time_ns if panic is not None else None)
    return max((stamp for stamp in stamps if stamp is not None), default=None)


def overflow_notes(target: Any, *tables: str) -> list[str]:
    """A note for each of the guest's tables that was too small for everything it had to hold."""
    live = live_header(target)
    if live is None:
        with suppress(NotOffered):
            return list(getattr(target.walker("threads"), "problems", ()))
        return []
    notes = []
    for table in tables:
        count = getattr(live, f"{table}_overflow", 0)
        if count:
            notes.append(f"{count} {table}s are missing: the guest's table was full when they were made")
    return notes


def torn_note(rows: Sequence[Any], what: str) -> list[str]:
    torn = sum(1 for row in rows if row.torn)
    return [f"{torn} {what}: the row was being written, its fields are unknown"] if torn else []
