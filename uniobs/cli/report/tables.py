"""Sections that are a view's table, or a few facts: threads, sockets, memory, counters, devices, images."""

from collections.abc import Callable
from typing import Any, Final

from uniobs.cli import render
from uniobs.cli.report.context import Context
from uniobs.cli.report.model import ColumnHead, Fact, Facts, Section, TableBody, Tables
from uniobs.errors import NotOffered, UniobsError
from uniobs.model import registry
from uniobs.model.text import size_text
from uniobs.model.view import Column, Table
from uniobs.model.where import image_name, proof_text

ROWS_MAX: Final = 300
SITES: Final = 12
NAMES: Final = {"ps": "threads", "netstat": "sockets"}  # what a view's rows are


def table_body(
    name: str, table: Table, notes: list[str], keep: Callable[[Any], bool] | None = None
) -> TableBody:
    rows = [row for row in table.rows if keep is None or keep(row)]
    notes.extend(table.notes)
    if len(rows) > ROWS_MAX:
        notes.append(f"{len(rows) - ROWS_MAX} more rows aren't shown")
    rows = rows[:ROWS_MAX]
    columns = tuple(ColumnHead(c.key, c.header, c.align) for c in table.columns)
    cells = tuple(tuple(render.cell(column, row) for column in table.columns) for row in rows)
    values = render.json_rows(Table(table.columns, rows, json_keys=table.json_keys))
    return TableBody(name, table.caption, columns, cells, tuple(values))


def view(
    key: str, title: str, question: str, views: tuple[tuple[str, dict[str, Any]], ...]
) -> Callable[[Context], Section]:
    """A section of one or more views; the first must be offered."""

    def build(context: Context) -> Section:
        notes: list[str] = []
        bodies = []
        for number, (name, options) in enumerate(views):
            try:
                table = registry.load(registry.VIEWS, name).rows(context.target, **options)
            except UniobsError as error:
                if not number:
                    raise
                notes.append(f"{name}: {error}")
                continue
            bodies.append(table_body(NAMES.get(name, name), table, notes))
        source = context.source_of(question)
        if not any(body.cells for body in bodies):
            return Section(key, title, "empty", source=source, reason="there is none", notes=tuple(notes))
        shown = tuple(body for body in bodies if body.cells)
        return Section(key, title, "ok", Tables(shown), source, notes=tuple(notes))

    return build


threads = view("threads", "Threads", "threads", (("ps", {}),))
network = view(
    "network", "Network", "sockets", (("netstat", {"all": True, "programs": True}), ("interfaces", {}))
)


def counters(context: Context) -> Section:
    """Those that aren't zero."""
    title = "Counters"
    table = registry.load(registry.VIEWS, "counters").rows(context.target)
    notes: list[str] = []
    body = table_body("counters", table, notes, lambda row: render.field(row, "value") != 0)
    hidden = len(table.rows) - len(body.cells)
    if 0 < hidden <= len(table.rows) - min(len(body.cells), ROWS_MAX):
        notes.append(f"{hidden} counters that are zero aren't shown")
    source = context.source_of("counters")
    if not body.cells:
        return Section("counters", title, "empty", source=source, reason="all are zero", notes=tuple(notes))
    return Section("counters", title, "ok", Tables((body,)), source, notes=tuple(notes))


def memory(context: Context) -> Section:
    title = "Memory"
    heap = context.target.walker("heap").heap()
    source = context.source_of("heap")
    if heap.torn:
        return Section("memory", title, "unknown", source=source, reason="the heap's row was being written")
    facts = []
    if heap.total is not None or heap.used is not None:
        share = f" ({100 * heap.used / heap.total:.0f} %)" if heap.used is not None and heap.total else ""
        facts.append(Fact("heap", f"{size_text(heap.used)} of {size_text(heap.total)} used{share}"))
    rows = (("peak", heap.peak), ("largest free", heap.largest_free))
    facts += [Fact(label, size_text(value)) for label, value in rows if value is not None]
    counts = ((heap.allocs, "made"), (heap.frees, "freed"), (heap.failures, "failed"))
    if any(count is not None for count, _ in counts):
        facts.append(Fact("allocations", ", ".join(f"{n} {what}" for n, what in counts if n is not None)))
    notes: list[str] = []
    sites: list[Any] = []
    try:
        found = [s for s in context.target.walker("sites").sites() if not s.torn and s.live_bytes]
        sites = sorted(found, key=lambda s: s.live_bytes or 0, reverse=True)
    except NotOffered:
        notes.append("which code holds the memory isn't recorded by this guest")
    except UniobsError as error:
        notes.append(f"which code holds the memory: {error}")
    for site in sites[:SITES]:
        pieces = _pieces(site.live_count)
        place = context.pointers.code(site.pc, call=True) or f"{site.pc:#x}"
        facts.append(Fact("held", f"{size_text(site.live_bytes)}{pieces} by {place}"))
    if len(sites) > SITES:
        notes.append(f"{len(sites) - SITES} more call sites hold less")
    data = {"heap": heap, "sites": sites[:SITES]}
    return Section("memory", title, "ok", Facts(tuple(facts), data), source, notes=tuple(notes))


def _pieces(count: int | None) -> str:
    return "" if count is None else f" in {count} piece{'s' if count != 1 else ''}"


_QUEUE: Final = (
    Column("device", "DEVICE"),
    Column("index", "QUEUE", "right"),
    Column("size", "SIZE", "right"),
    Column("offered", "OFFERED", "right"),
    Column("taken", "TAKEN", "right"),
    Column("returned", "RETURNED", "right"),
    Column("in_flight", "IN-FLIGHT", "right"),
)


def devices(context: Context) -> Section:
    """Virtio queues: the VMM's half of the indexes is in no core."""
    title = "Devices"
    target = context.target
    info = getattr(target.origin, "info", None)
    if not target.live or info is None or info.qmp is None:
        raise NotOffered("how far its VMM came with each virtio queue is known of a running QEMU guest only")
    from uniobs.target import qmp, virtio

    with qmp.opened(info.qmp) as connection:
        queues = virtio.queues(connection, target.memory)
    notes: list[str] = []
    body = table_body("queues", Table(_QUEUE, queues), notes)
    if not body.cells:
        return Section(
            "devices", title, "empty", source="QMP", reason="no virtio queue is in use, or the guest is held"
        )
    return Section(
        "devices", title, "ok", Tables((body,)), "QMP, and the rings in memory", notes=tuple(notes)
    )


_IMAGE: Final = tuple(
    Column(key, header)
    for key, header in (
        ("name", "IMAGE"),
        ("proof", "PROOF"),
        ("bias", "MOVED BY"),
        ("debug", "DEBUG INFO"),
        ("build_id", "BUILD-ID"),
    )
)


def images(context: Context) -> Section:
    title = "Images"
    modules = context.target.modules  # raises why
    notes: list[str] = []
    rows = []
    for module in modules:
        debug = (
            "none" if module.dwarf is None else "DWARF" + (f" of {module.debug.path}" if module.debug else "")
        )
        rows.append(
            {
                "name": image_name(module),
                "proof": proof_text(module),
                "bias": f"{module.bias:#x}",
                "debug": debug,
                "build_id": module.build_id or "none",
                "path": str(module.path),
            }
        )
        if module.proof is not None and module.proof.note:
            notes.append(f"{module.name}: {module.proof.note}")
        notes += [f"{module.name}: {note}" for note in module.notes]
    if not rows:
        return Section(
            "images", title, "unknown", reason="no image of it is known: name its ELF with --image"
        )
    body = table_body("images", Table(_IMAGE, rows), notes)
    source = "each image's text compared with memory, byte by byte"
    return Section("images", title, "ok", Tables((body,)), source, notes=tuple(notes))
