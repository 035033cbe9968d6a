"""The walker of guests that carry the stub: everything comes from the region."""

from collections.abc import Sequence

from uniobs.errors import NotOffered
from uniobs.lean import TYPE_CHECKING, Any, Final
from uniobs.model.guest import AllocSite, Counter, Heap, Interface, Lock, Panic, Socket, Thread
from uniobs.region import _abi
from uniobs.region.panic import read_panic
from uniobs.region.reader import Region
from uniobs_probes.kernels import stub_rows as rows

if TYPE_CHECKING:
    from uniobs.region.follow import LogFollow, PacketFollow, TraceFollow

OFFERS: Final = {
    "threads": _abi.SECTION_THREADS,
    "locks": _abi.SECTION_LOCKS,
    "sockets": _abi.SECTION_SOCKETS,
    "interfaces": _abi.SECTION_IFACES,
    "counters": _abi.SECTION_COUNTERS,
    "heap": _abi.SECTION_HEAP,
    "sites": _abi.SECTION_SITES,
    "panic": _abi.SECTION_PANIC,
    "log": _abi.SECTION_LOG,
    "trace": _abi.SECTION_TRACE,
    "packets": _abi.SECTION_PACKETS,
}


class StubWalker:
    """model.view.Walker over a region. It answers what the guest's build of the stub has a section for."""

    name = "stub"

    def __init__(self, region: Region) -> None:
        self._region = region
        kinds = {section.kind for section in region.sections}
        self.answers = frozenset(question for question, kind in OFFERS.items() if kind in kinds)

    def _need(self, question: str) -> Region:
        if question not in self.answers:
            raise NotOffered(f"this guest's stub was built without {question}")
        return self._region

    def threads(self) -> Sequence[Thread]:
        region = self._need("threads")
        found, live = region.threads(), region.live_or_none()
        names = rows.Names(self._maybe("locks"), self._maybe("sockets"), found)
        return [rows.thread(region.clock, row, live, names) for row in found]

    def locks(self) -> Sequence[Lock]:
        region = self._need("locks")
        used = (r for r in region.locks() if r.torn or r.value.kind != _abi.LOCK_KIND_FREE)
        return [rows.lock(region.clock, row) for row in used]

    def sockets(self) -> Sequence[Socket]:
        region = self._need("sockets")
        used = (r for r in region.sockets() if r.torn or r.value.kind != _abi.FD_KIND_FREE)
        return [rows.socket(region.clock, row) for row in used]

    def interfaces(self) -> Sequence[Interface]:
        return [rows.interface(row) for row in self._need("interfaces").interfaces()]

    def counters(self) -> Sequence[Counter]:
        region = self._need("counters")
        found = (rows.counter(region, row) for row in region.counters())
        return [counter for counter in found if counter is not None]

    def heap(self) -> Heap:
        found = self._need("heap").heap()
        if not found:
            raise NotOffered("this guest hasn't reported its heap")
        return rows.heap(found[0])

    def sites(self) -> Sequence[AllocSite]:
        return [rows.site(row) for row in self._need("sites").sites() if row.torn or row.value.pc]

    def panic(self) -> Panic | None:
        return read_panic(self._need("panic"))

    def log(self) -> "LogFollow":
        from uniobs.region.follow import LogFollow

        return LogFollow(self._need("log"))

    def trace(self) -> "TraceFollow":
        from uniobs.region.follow import TraceFollow

        return TraceFollow(self._need("trace"))

    def packets(self) -> "PacketFollow":
        from uniobs.region.follow import PacketFollow

        return PacketFollow(self._need("packets"))

    def _maybe(self, question: str) -> Sequence[Any]:
        return getattr(self, question)() if question in self.answers else ()


def probe(target: Any) -> StubWalker | None:
    """The walker when the target carries a region. Raises BadFormat when its region is garbled."""
    region = target.region
    return None if region is None else StubWalker(region)
