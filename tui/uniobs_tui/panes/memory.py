"""Memory: the heap, who holds it, what lies where, and what the page tables map."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from uniobs.cli.report.context import Context, Options
from uniobs.errors import Incomplete, UniobsError
from uniobs.memory.paging import PageTables
from uniobs.model.guest import AllocSite, Heap
from uniobs.model.text import size_text
from uniobs.model.where import image_name
from uniobs_tui.graph import bar, plot
from uniobs_tui.lines_view import Line, LinesView, cells, cut, head, line, wrapped
from uniobs_tui.panes.parts import TextPane
from uniobs_tui.session import Session

SITES: Final = 200
AREAS: Final = 1000
MAPPINGS: Final = 1000
TABLES: Final = 4096  # page tables that one look may visit
EVERY_S: Final = 10.0  # the page tables of a live guest are looked at anew
LOAD: Final = 1


class Area(NamedTuple):
    start: int
    end: int
    what: str


class Map(NamedTuple):
    """``rows``: (address, (as text: address, size, physical, rights)). ``at``: ns since the epoch."""

    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...]
    at: int


class Memory(NamedTuple):
    heap: Heap | None
    heap_why: str
    past: tuple[float | None, ...]  # used bytes, look by look
    sites: tuple[tuple[AllocSite, str], ...]  # with where the code is
    sites_why: str
    areas: tuple[Area, ...]
    map: Map
    late_s: float  # how old the map is
    source: str


class MemoryPane(TextPane):
    name_, title, key_ = "memory", "Memory", "m"

    def __init__(self) -> None:
        super().__init__()
        self._map: tuple[Map, float] | None = None

    def look(self, session: Session, wish: Any) -> Memory:
        target, at = session.target, session.moment
        context = Context(target, Options())
        heap, why = _heap(target)
        sites, sites_why = _sites(context)
        past = tuple(rate.heap for rate in session.samples.rates(at, 400))
        found, late = self._mapped(session)
        return Memory(
            heap, why, past, sites, sites_why, areas(context), found, late, context.source_of("heap")
        )

    def _mapped(self, session: Session) -> tuple[Map, float]:
        """The page tables: of a live guest they may be some seconds old."""
        live = session.live and session.moment is None
        if live and self._map is not None and time.monotonic() - self._map[1] < EVERY_S:
            return self._map[0], time.monotonic() - self._map[1]
        found = mapping(session.target)
        self._map = (found, time.monotonic()) if live else None
        return found, 0.0

    def lay_out(self, value: Memory) -> Callable[[int, int], Any]:
        return lambda room, _height: layout(value, room)

    def on_lines_view_chosen(self, message: LinesView.Chosen) -> None:
        if isinstance(message.key, tuple):
            self.post_message(self.Open("hex", {"address": message.key[1]}))


# --- in the worker's thread ---------------------------------------------------------------------------


def _heap(target: Any) -> tuple[Heap | None, str]:
    try:
        heap: Heap = target.walker("heap").heap()
    except UniobsError as error:
        return None, str(error)
    return (None, "the heap's row was being written") if heap.torn else (heap, "")


def _sites(context: Context) -> tuple[tuple[tuple[AllocSite, str], ...], str]:
    try:
        found = [s for s in context.target.walker("sites").sites() if not s.torn and s.live_bytes]
    except UniobsError as error:
        return (), str(error)
    found.sort(key=lambda s: -(s.live_bytes or 0))
    rows = [(s, context.pointers.code(s.pc, call=True) or f"{s.pc:#x}") for s in found[:SITES]]
    return tuple(rows), "" if rows else "nothing is held"


def areas(context: Context) -> tuple[Area, ...]:
    """What is known to lie where: images, stacks, the heap, the region."""
    found: list[Area] = []
    for module in context.modules:
        for segment in module.elf.segments:
            if segment.type == LOAD and segment.memsz:
                start = segment.vaddr + module.bias
                rights = "".join(c for c, bit in (("r", 4), ("w", 2), ("x", 1)) if segment.flags & bit)
                found.append(Area(start, start + segment.memsz, f"{image_name(module)} {rights}"))
    for t in context.known_threads:
        if t.stack_lo and t.stack_hi and t.stack_lo < t.stack_hi:
            used = f", {size_text(t.stack_used)} used at most" if t.stack_used is not None else ""
            found.append(Area(t.stack_lo, t.stack_hi, f"stack of {t.name or f'tid {t.tid}'}{used}"))
    with suppress(UniobsError):
        ranges = getattr(context.target.walker("heap"), "heap_ranges", None)
        found += [Area(low, high, "heap") for low, high in (ranges() if ranges is not None else ())]
    with suppress(UniobsError):
        region = context.target.region
        if region is not None:
            start = region.header.self_va
            found.append(Area(start, start + region.header.size, "the uniobs region"))
    found.sort()
    return tuple(found[:AREAS])


def mapping(target: Any) -> Map:
    """The page tables' mappings; or what is held, where no tables are known."""
    now = time.time_ns()
    try:
        space = target.space
    except UniobsError as error:
        return Map((), (str(error),), now)
    rows: list[tuple[int, tuple[str, ...]]] = []
    notes: list[str] = []
    if not isinstance(space, PageTables):
        why = getattr(target, "space_note", None) or "addresses are physical ones"
        with suppress(UniobsError):
            for part in list(target.memory.ranges())[:MAPPINGS]:
                place = f"{part.start:x}"
                rows.append((part.start, (place, size_text(part.size), place, "held")))
        return Map(tuple(rows), (why,), now)
    try:
        for page in space.mappings(TABLES):
            rights = ("w" if page.writable else "-") + ("x" if page.executable else "-")
            who = "user" if page.user else "kernel"
            row = (f"{page.virtual:x}", size_text(page.size), f"{page.physical:x}", f"r{rights} {who}")
            rows.append((page.virtual, row))
            if len(rows) >= MAPPINGS:
                notes.append(f"the first {MAPPINGS} mappings are shown")
                break
    except Incomplete as error:
        notes.append(str(error))
    except UniobsError as error:
        notes.append(f"not all of it can be read: {error}")
    return Map(tuple(rows), tuple(notes), now)


# --- on the screen ------------------------------------------------------------------------------------


def layout(value: Memory, room: int) -> list[Line]:
    lines = [head("Heap", room, value.source), *_heap_lines(value, room), Line()]
    lines.append(head("Who holds it", room))
    if value.sites:
        total = sum(site.live_bytes or 0 for site, _ in value.sites)
        rows = [
            (size_text(s.live_bytes), f"{100 * (s.live_bytes or 0) / total:.0f} %", _pieces(s), where)
            for s, where in value.sites
        ]
        for text, (site, _) in zip(cells(rows, "rrr"), value.sites, strict=True):
            lines.append(Line(cut(((text, ""),), room), ("site", site.pc)))
    else:
        lines += wrapped(value.sites_why, room, "dim")
    if value.areas:
        lines += [Line(), head("What lies where", room, "Enter shows its bytes")]
        rows2 = [(f"{a.start:x}", f"{a.end:x}", size_text(a.end - a.start), a.what) for a in value.areas]
        for number, text in enumerate(cells(rows2, "rrr")):
            area = value.areas[number]
            lines.append(Line(cut(((text, ""),), room), (f"area{number}", area.start)))
    late = f"as of {value.late_s:.0f} s ago" if value.late_s >= 2 else ""
    lines += [Line(), head("Page tables", room, late)]
    for note in value.map.notes:
        lines += wrapped(note, room, "dim")
    texts = cells([("VIRTUAL", "SIZE", "PHYSICAL", "RIGHTS"), *(row for _, row in value.map.rows)], "rrr")
    if value.map.rows:
        lines.append(line(texts[0], "dim"))
    for text, (start, _) in zip(texts[1:], value.map.rows, strict=True):
        lines.append(Line(cut(((text, ""),), room), ("page", start)))
    return lines


def _pieces(site: AllocSite) -> str:
    return "" if site.live_count is None else f"{site.live_count} pc"


def _heap_lines(value: Memory, room: int) -> list[Line]:
    heap = value.heap
    if heap is None:
        return wrapped(value.heap_why, room, "dim")
    lines = []
    if heap.used is not None and heap.total:
        share = heap.used / heap.total
        look = "bad" if share >= 0.95 else "warn" if share >= 0.8 else "graph"
        text = f"  {100 * share:.0f} %  {size_text(heap.used)} of {size_text(heap.total)}"
        lines.append(Line(((bar(share, max(10, min(60, room - 30))), look), (text, "bold"))))
    facts: Sequence[tuple[str, str | None]] = (
        ("peak", None if heap.peak is None else size_text(heap.peak)),
        ("largest free piece", None if heap.largest_free is None else size_text(heap.largest_free)),
        ("allocations", None if heap.allocs is None else str(heap.allocs)),
        ("freed", None if heap.frees is None else str(heap.frees)),
        ("failed", None if heap.failures is None else str(heap.failures)),
    )
    spans = []
    for label, told in facts:
        if told is not None:
            look = "bad" if label == "failed" and told != "0" else ""
            spans += [(f"{label} ", "dim"), (f"{told}   ", look)]
    lines.append(Line(cut(spans, room)))
    known = [v for v in value.past if v is not None]
    if known and max(known) > min(known):
        top = float(heap.total or max(known))
        lines += [line(text, "graph") for text in plot(value.past, min(room, 100), 3, top)]
    return lines
