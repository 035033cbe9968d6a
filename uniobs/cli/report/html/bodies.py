"""Each kind of section as markup."""

from collections.abc import Callable
from typing import Any, Final

from uniobs.cli.report import model
from uniobs.cli.report.html import graph, strip
from uniobs.cli.report.html.markup import Child, Html, el, join
from uniobs.cli.report.registers import MAIN
from uniobs.cli.report.words import edge_text, function, members, spot, title


def scroll(label: str, *children: Child) -> Html:
    """What may be wider than the page scrolls by itself, by keyboard too."""
    return el("div", *children, class_="scroll", tabindex="0", role="region", aria_label=label)


def facts(rows: "tuple[model.Fact, ...] | list[model.Fact]") -> Html:
    return el("dl", *(join(el("dt", row.label), el("dd", row.text)) for row in rows)) if rows else Html("")


def cause(body: model.Cause) -> Html:
    rows = []
    if body.tid is not None:
        rows.append(
            model.Fact("thread", f"{body.thread} (tid {body.tid})" if body.thread else f"tid {body.tid}")
        )
    rows += body.facts
    if body.message and body.message != body.sentence:
        rows.append(model.Fact("said", body.message))
    return join(el("p", body.sentence, class_="sentence"), facts(rows))


def around(body: model.Around) -> Html:
    unproven = el("p", "UNPROVEN: its code in memory differs from the image", class_="warn")
    return join(
        unproven if body.unproven else None,
        el("div", source(body.source), code(body.code), class_="pair"),
    )


def source(body: model.Source | None) -> Html | None:
    if body is None:
        return None
    rows = []
    for number, line in enumerate(body.lines, body.first):
        here = number == body.line
        rows.append(
            el(
                "span",
                el("i", f"{number:>5} "),
                line.expandtabs(4) or " ",
                Html("\n"),
                class_="hit" if here else None,
            )
        )
    head = el(
        "figcaption",
        f"{body.path or body.file}:{body.line}",
        el("em", f" {body.note}") if body.note else None,
    )
    lines = el("pre", *rows, tabindex="0", aria_label="source") if rows else None
    return el("figure", head, lines)


def code(body: model.Code | None) -> Html | None:
    if body is None:
        return None
    rows = []
    names = max((len(body.offset(row)) for row in body.rows), default=0)
    for row in body.rows:
        where = el("b", f"{body.offset(row):<{min(names, 32)}}  ") if names else None
        address = el("i", f"{row.address:x} ")
        rows.append(el("span", address, where, row.text, Html("\n"), class_="hit" if row.marked else None))
    held = body.function or "instructions"
    held += ", as in memory" if body.from_memory else ", as in the image: memory doesn't hold it"
    head = el("figcaption", held, el("em", f" ({body.note})") if body.note else None)
    return el("figure", head, el("pre", *rows, tabindex="0", aria_label="instructions"))


def registers(body: model.Registers) -> Html:
    parts = []
    for number, one in enumerate(body.sets):
        cpu = f" of CPU {one.cpu}" if one.cpu is not None else ""
        main = [row for row in one.rows if row.name in MAIN or row.what]
        rest = [row for row in one.rows if row.name not in MAIN and not row.what]
        rows = [
            el(
                "tr",
                el("th", row.name, scope="row"),
                el("td", el("code", f"{row.value:016x}")),
                el("td", row.what or ""),
            )
            for row in main
        ]
        table = scroll("registers", el("table", *rows, class_="registers"))
        others = el("p", *(el("code", f"{row.name} {row.value:x}") for row in rest), class_="others")
        unknown = el("p", f"not known: {', '.join(one.unknown)}", class_="note") if one.unknown else None
        inside = join(table, others if rest else None, unknown)
        parts.append(el("details", el("summary", f"{one.source}{cpu}"), inside, open=number == 0))
    return join(*parts)


def stacks(body: model.Stacks) -> Html:
    return join(*(_group(group, n == 0 or len(body.groups) <= 3) for n, group in enumerate(body.groups)))


def _group(group: model.StackGroup, opened: bool) -> Html:
    who = members(group)
    hint = el("span", group.place, class_="hint") if group.place is not None else None
    parts: list[Child] = [el("p", line, class_="note") for line in who]
    if group.error is not None:
        parts.append(el("p", f"no stack: {group.error}", class_="note"))
    parts += [_frame(frame) for frame in group.frames]
    if group.note is not None:
        parts.append(el("p", group.note, class_="note"))
    name = el("span", title(group), class_="bad" if group.told else None)
    names = el("span", ", ".join(t.name or f"tid {t.tid}" for t in group.threads[:8]), class_="names")
    summary = el("summary", name, names if len(group.threads) > 1 else None, hint)
    return el("details", summary, *parts, open=opened or group.told, class_="group")


def _frame(frame: model.FrameRow) -> Html:
    doubt = frame.trust == "scan" or frame.unproven
    cells = (
        el("span", f"#{frame.level}", class_="level"),
        el("code", function(frame), class_="function", title=frame.function),
        el("span", spot(frame), class_="spot"),
        el("span", frame.how, class_="how warn" if doubt else "how"),
    )
    if frame.source is None and frame.code is None:
        return el("div", *cells, class_="frame")
    summary = el("summary", *cells, class_="frame")
    return el("details", summary, el("div", source(frame.source), code(frame.code), class_="pair"))


def tables(body: model.Tables) -> Html:
    return join(*(_table(table) for table in body.tables))


def _table(table: model.TableBody) -> Html:
    classes = ["r" if column.align == "right" else None for column in table.columns]
    head = el(
        "tr",
        *(
            el("th", column.header, class_=c, scope="col")
            for column, c in zip(table.columns, classes, strict=True)
        ),
    )
    rows = [
        el("tr", *(el("td", cell, class_=c) for cell, c in zip(row, classes, strict=True)))
        for row in table.cells
    ]
    caption = el("caption", table.caption) if table.caption else None
    return scroll(table.caption or "table", el("table", caption, el("thead", head), el("tbody", *rows)))


def locks(body: model.Locks) -> Html:
    parts: list[Child] = []
    for number in sorted({edge.cycle for edge in body.waits if edge.cycle is not None}):
        parts.append(graph.circle([edge for edge in body.waits if edge.cycle == number], number))
    if body.waits:
        parts.append(
            el(
                "ul",
                *(
                    el("li", edge_text(edge), class_="bad" if edge.cycle is not None else None)
                    for edge in body.waits
                ),
            )
        )
    heads = el("tr", *(el("th", name, scope="col") for name in ("kind", "lock", "state")))
    rows = [
        el("tr", el("td", row.kind), el("td", el("code", row.name)), el("td", row.text)) for row in body.rows
    ]
    if rows:
        parts.append(scroll("locks", el("table", el("thead", heads), el("tbody", *rows))))
    return join(*parts)


def fact_body(body: model.Facts) -> Html:
    return facts(body.facts)


def lines(body: model.Lines) -> Html:
    rows = []
    for entry in body.entries:
        when = f"{entry.time_ns / 1e9:.6f}" if entry.time_ns is not None else "?"
        rows.append(el("span", el("i", f"{when:>12}  "), entry.text, Html("\n")))
    earlier = el("p", f"{body.earlier} earlier ones are recorded", class_="note") if body.earlier else None
    return join(earlier, el("pre", *rows, tabindex="0", aria_label="lines"))


def timeline(body: model.Lines) -> Html:
    last = body.entries[-1].time_ns or 0
    rows = []
    for entry in body.entries:
        back = (last - (entry.time_ns or 0)) / 1e6
        rows.append(
            el(
                "tr",
                el("td", f"{(entry.time_ns or 0) / 1e9:.6f}", class_="r when"),
                el(
                    "td",
                    (
                        "0 ms"
                        if back < 0.05
                        else f"-{back:.1f} ms"
                        if back < 10_000
                        else f"-{back / 1e3:.0f} s"
                    ),
                    class_="r when back",
                ),
                el("td", el("span", entry.lane, class_=f"lane {entry.lane}")),
                el("td", el("code", entry.text)),
            )
        )
    heads = el("tr", *(el("th", name, scope="col") for name in ("since boot", "before the end", "what", "")))
    table = el("table", el("thead", heads), el("tbody", *rows), class_="timeline")
    drawn = strip.strip(body.entries)
    return join(el("div", drawn, class_="strips") if drawn else None, scroll("timeline", table))


def unknowns(body: model.Unknowns) -> Html:
    return el("ul", *(el("li", text) for text in body.texts))


RENDERERS: Final[dict[type, Callable[[Any], Html]]] = {
    model.Cause: cause,
    model.Around: around,
    model.Registers: registers,
    model.Stacks: stacks,
    model.Tables: tables,
    model.Locks: locks,
    model.Facts: fact_body,
    model.Lines: lines,
    model.Unknowns: unknowns,
}
