"""The report as text of 80 columns; only what a guest said may be wider."""

import textwrap
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from uniobs.cli.output import Output
from uniobs.cli.report.model import (
    Around,
    Body,
    Cause,
    Code,
    Fact,
    Facts,
    Lines,
    Locks,
    Registers,
    RegisterSet,
    Report,
    Section,
    Source,
    StackGroup,
    Stacks,
    TableBody,
    Tables,
    Unknowns,
)
from uniobs.cli.report.registers import MAIN
from uniobs.cli.report.words import edge_text, function, members, spot, stamp, title
from uniobs.model.text import pad, safe, width

WIDTH: Final = 80
TAIL: Final = 20  # lines of each record: JSON and HTML have more
NAMES: Final = 36
REPEATS: Final = 3
HIDDEN: Final = frozenset({"timeline"})  # the same lines as of the records, which text has below each other


def show(out: Output, report: Report) -> None:
    out.line(f"{report.headline} ({report.about})", report.style)
    if report.unproven:
        out.line(f"every answer is UNPROVEN, as --force has it: {report.unproven}", "warn")
    for fact in report.facts:
        _wrapped(out, f"{fact.label}: {fact.text}", "dim")
    for number, verdict in enumerate(report.verdicts):
        out.line()
        if number:
            out.line(f"  Also: {report.target} {verdict.title or verdict.headline}", "bad")
        for line in verdict.lines:
            out.line(f"  {line}")
    close = False
    for section in report.sections:
        if section.key not in HIDDEN:
            _section(out, section, close and section.body is None)
            close = section.body is None


def _section(out: Output, section: Section, close: bool) -> None:
    """``close``: without an empty line before it, as the one above is a line only, too."""
    if not close:
        out.line()
    if section.body is None:
        said = {"not-offered": "not offered: ", "unknown": "not known: ", "empty": ""}[section.state]
        reason = section.reason or "none"
        _wrapped(
            out, f"== {section.title}: {said}{reason}", "warn" if section.state == "unknown" else "dim", "   "
        )
        for note in section.notes:
            _wrapped(out, f"({note})", "dim", "   ")
        return
    out.line(f"== {section.title}", "head")
    _body(out, section.body)
    if section.source:
        _wrapped(out, f"(source: {section.source})", "dim", "   ")
    for note in section.notes:
        _wrapped(out, f"({note})", "dim", "   ")


def _wrapped(out: Output, text: str, style: str | None = None, indent: str = "  ") -> None:
    for line in textwrap.wrap(
        safe(text), WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ):
        out.line(line, style)


def _body(out: Output, body: Body) -> None:
    renderer: Callable[[Output, Any], None] = _RENDERERS[type(body)]
    renderer(out, body)


def _facts(out: Output, facts: Iterable[Fact]) -> None:
    facts = list(facts)
    cells = max((width(safe(fact.label)) for fact in facts), default=0)
    for fact in facts:
        lines = textwrap.wrap(
            safe(fact.text), WIDTH - cells - 4, break_long_words=False, break_on_hyphens=False
        ) or [""]
        out.line(f"  {pad(safe(fact.label), cells)}  {lines[0]}".rstrip())
        for line in lines[1:]:
            out.line(f"  {' ' * cells}  {line}")


def _cause(out: Output, body: Cause) -> None:
    for line in textwrap.wrap(safe(body.sentence), WIDTH - 2, break_long_words=False, break_on_hyphens=False):
        out.line(f"  {line}", "bad")
    rows = []
    if body.tid is not None:
        name = f"{body.thread} (tid {body.tid})" if body.thread else f"tid {body.tid}"
        rows.append(Fact("thread", name))
    rows += body.facts
    if body.message and body.message != body.sentence:
        rows.append(Fact("said", body.message))
    _facts(out, rows)


def _around(out: Output, body: Around) -> None:
    out.line(
        f"  {body.place}" + (" UNPROVEN: its code in memory differs from the image" if body.unproven else "")
    )
    if body.source is not None:
        out.line()
        _source(out, body.source)
    if body.code is not None:
        out.line()
        _code(out, body.code)


def _source(out: Output, body: Source) -> None:
    where = body.path or body.file
    _wrapped(out, f"  {where}:{body.line}" + (f" ({body.note})" if body.note else ""), "dim", "    ")
    digits = len(str(body.first + len(body.lines)))
    for number, line in enumerate(body.lines, body.first):
        here = number == body.line
        mark = "->" if here else "  "
        out.line(f"  {mark} {number:>{digits}}  {safe(line.expandtabs(4))}".rstrip(), "bad" if here else None)


def _code(out: Output, body: Code) -> None:
    held = "as in memory" if body.from_memory else "as in the image: memory doesn't hold it"
    note = f" ({body.note})" if body.note else ""
    _wrapped(out, f"  {body.function or 'instructions'}, {held}{note}", "dim", "    ")
    names = min(NAMES, max((width(safe(body.offset(row))) for row in body.rows), default=0))
    for row in body.rows:
        mark = "->" if row.marked else "  "
        line = f"  {mark} {row.address:x}  {pad(safe(body.offset(row)), names)}  {row.text}"
        out.line(line.rstrip(), "bad" if row.marked else None)


def _registers(out: Output, body: Registers) -> None:
    for number, one in enumerate(body.sets):
        if number:
            out.line()
        cpu = f" of CPU {one.cpu}" if one.cpu is not None else ""
        out.line(f"  {one.source}{cpu}")
        _set(out, one)


def _set(out: Output, one: RegisterSet) -> None:
    rest = []
    for row in one.rows:
        if row.name in MAIN or row.what:
            out.line(f"  {row.name:<8} {row.value:016x}  {safe(row.what or '')}".rstrip())
        else:
            rest.append(f"{row.name} {row.value:x}")
    for line in textwrap.wrap("  ".join(safe(text).replace(" ", "\0") for text in rest), WIDTH - 2):
        out.line("  " + line.replace("\0", " "))
    if one.unknown:
        _wrapped(out, f"  not known: {', '.join(one.unknown)}", "dim", "    ")


def _stacks(out: Output, body: Stacks) -> None:
    for number, group in enumerate(body.groups):
        if number:
            out.line()
        _group(out, group)


def _group(out: Output, group: StackGroup) -> None:
    _wrapped(out, title(group), "bad" if group.threads[0].crashed else "head")
    for line in members(group):
        _wrapped(out, f"  {line}", indent="    ")
    if group.error is not None:
        _wrapped(out, f"  no stack: {group.error}", indent="    ")
    names = min(NAMES, max((width(safe(function(f))) for f in group.frames), default=0))
    spots = min(NAMES, max((width(safe(spot(f))) for f in group.frames), default=0))
    last, same, skipped = "", 0, 0
    for number, frame in enumerate(group.frames):
        what = "  ".join([pad(safe(function(frame)), names), pad(safe(spot(frame)), spots), frame.how])
        same = same + 1 if what == last else 0
        last = what
        if same >= REPEATS and number + 1 < len(group.frames):
            skipped += 1
            continue
        if skipped:
            out.line(f"  ...  {skipped} more of the same", "dim")
        skipped = 0
        out.line(f"  #{frame.level:<2} {what}".rstrip())
    if group.note is not None:
        _wrapped(out, f"  ({group.note})", "dim", "   ")


def _tables(out: Output, body: Tables) -> None:
    for number, table in enumerate(body.tables):
        if number:
            out.line()
        _table(out, table)


def _table(out: Output, table: TableBody) -> None:
    if table.caption:
        out.line(f"  {table.caption}")
    heads = [column.header for column in table.columns]
    rows = [heads, *([safe(cell) for cell in row] for row in table.cells)]
    widths = [max(width(row[n]) for row in rows) for n in range(len(heads))]
    for number, row in enumerate(rows):
        aligns: list[Literal["left", "right"]] = [
            "right" if c.align == "right" else "left" for c in table.columns
        ]
        cells = [pad(cell, size, align) for cell, size, align in zip(row, widths, aligns, strict=True)]
        out.line(("  " + " ".join(cells)).rstrip(), "dim" if number == 0 else None)


def _locks(out: Output, body: Locks) -> None:
    names = min(NAMES, max((width(safe(row.name)) for row in body.rows), default=0))
    for row in body.rows:
        out.line(f"  {row.kind:<6} {pad(safe(row.name), names)}  {row.text}".rstrip())
    if body.waits:
        out.line()
    circles = {edge.cycle for edge in body.waits if edge.cycle is not None}
    for number in sorted(circles):
        ring = [edge for edge in body.waits if edge.cycle == number]
        out.line(f"  A circle of {len(ring)}:" if len(ring) > 1 else "  Waits for itself:", "bad")
        for edge in ring:
            out.line(f"    {edge_text(edge)}")
    others = [edge for edge in body.waits if edge.cycle is None]
    if others:
        out.line("  Waits:")
        for edge in others:
            out.line(f"    {edge_text(edge)}")


def _fact_body(out: Output, body: Facts) -> None:
    _facts(out, body.facts)


def _lines(out: Output, body: Lines) -> None:
    for entry in body.entries[-TAIL:]:
        out.line(f"  {stamp(entry.time_ns)} {entry.text}".rstrip())
    earlier = body.earlier + max(0, len(body.entries) - TAIL)
    if earlier:
        _wrapped(out, f"({earlier} earlier ones are recorded)", "dim", "   ")


def _unknowns(out: Output, body: Unknowns) -> None:
    for text in body.texts:
        _wrapped(out, f"  {text}", None, "    ")


_RENDERERS: Final[dict[type, Callable[[Output, Any], None]]] = {
    Cause: _cause,
    Around: _around,
    Registers: _registers,
    Stacks: _stacks,
    Tables: _tables,
    Locks: _locks,
    Facts: _fact_body,
    Lines: _lines,
    Unknowns: _unknowns,
}
