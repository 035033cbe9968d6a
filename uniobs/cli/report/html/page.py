"""The page: head, verdict, sections. It may be mailed, attached, and opened years later."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

from uniobs.cli.report import model
from uniobs.cli.report.html import bodies
from uniobs.cli.report.html.markup import Child, Html, el, join

LIMIT: Final = 1_900_000  # bytes of a page
OPEN: Final = frozenset({"cause", "place", "stacks", "timeline", "unknown"})
COMMAND: Final = "uniobs core show"
VERDICTS: Final = 12  # that are shown, and lines of each
VERDICT_LINES: Final = 40


def page(report: model.Report) -> str:
    """A whole document, below 2 MB: sections that don't fit any more say so."""
    style = files("uniobs.cli.report.html").joinpath("style.css").read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="generator", content=f"uniobs {report.version}"),
        el("title", f"{report.target}: {_short(report)}"),
        Html(f"<style>{style}</style>"),
    )
    top = _header(report)
    used = len(head.encode()) + len(top.encode())
    parts: list[Child] = []
    crashed = any(isinstance(section.body, model.Cause) for section in report.sections)
    for section in report.sections:
        made = _section(section, crashed)
        size = len(made.encode())
        if used + size > LIMIT:
            made = _line(section, f"left out, since the page would become too large: {COMMAND} --json has it")
            size = len(made.encode())
        used += size
        parts.append(made)
    links = [
        el("li", el("a", section.title, href=f"#{section.key}"))
        for section in report.sections
        if section.body
    ]
    nav = el("nav", el("ul", *links), aria_label="Sections")
    foot = el(
        "footer", f"Made by uniobs {report.version}. Addresses are the guest's; times count from its boot."
    )
    skip = el("a", "To the report", class_="skip", href="#report")
    body = el("body", skip, top, el("div", nav, el("main", *parts, id="report"), class_="columns"), foot)
    return f'<!DOCTYPE html>\n<html lang="en" dir="ltr">{head}\n{body}</html>\n'


def _short(report: model.Report) -> str:
    return report.verdicts[0].headline if report.verdicts else report.status.state


def _header(report: model.Report) -> Html:
    others: list[Child] = []
    for number, verdict in enumerate(report.verdicts[:VERDICTS]):
        if number:
            others.append(el("h2", f"Also: {verdict.title or verdict.headline}"))
        if verdict.lines:
            others.append(
                el(
                    "pre",
                    "",
                    *(join(line, Html("\n")) for line in verdict.lines[:VERDICT_LINES]),
                    tabindex="0",
                    aria_label="verdict",
                )
            )
    hidden = len(report.verdicts) - VERDICTS
    if hidden > 0:
        others.append(el("p", f"{hidden} more verdicts: {COMMAND} --json has them", class_="note"))
    unproven = f"Every answer is UNPROVEN, as --force has it: {report.unproven}" if report.unproven else None
    return el(
        "header",
        el("p", "uniobs report", class_="kicker"),
        el("h1", report.headline),
        el("p", report.about, class_="about"),
        el("p", unproven, class_="warn") if unproven else None,
        *others,
        bodies.facts(report.facts),
        class_=report.style,
    )


def _line(section: model.Section, text: str) -> Html:
    return el(
        "section", el("h2", section.title), el("p", text, class_="note"), id=section.key, class_="absent"
    )


_SAID: Final = {"not-offered": "not offered: ", "unknown": "not known: ", "empty": ""}


def _section(section: model.Section, crashed: bool) -> Html:
    if section.body is None:
        reason = "; ".join((section.reason or "none", *section.notes))
        return _line(section, _SAID.get(section.state, "") + reason)
    timeline = section.key == "timeline" and isinstance(section.body, model.Lines)
    inside = bodies.timeline(section.body) if timeline else bodies.RENDERERS[type(section.body)](section.body)  # type: ignore[arg-type]
    notes = [el("li", note) for note in section.notes]
    if section.source:
        notes.insert(0, el("li", f"source: {section.source}"))
    tail = el("ul", *notes, class_="notes") if notes else None
    summary = el("summary", el("h2", section.title), el("span", hint(section), class_="hint"))
    return el("section", el("details", summary, inside, tail, open=_opened(section, crashed)), id=section.key)


def _opened(section: model.Section, crashed: bool) -> bool:
    if isinstance(section.body, model.Locks):
        return any(edge.cycle is not None for edge in section.body.waits)
    return section.key in OPEN or (isinstance(section.body, model.Registers) and crashed)


def _plural(name: str, count: int) -> str:
    return name.removesuffix("s") if count == 1 else name


def hint(section: model.Section) -> str:
    """What a closed section holds."""
    body = section.body
    if isinstance(body, model.Stacks):
        threads = sum(len(group.threads) for group in body.groups)
        what = "vCPUs" if threads and body.groups[0].threads[0].tid is None else "threads"
        same = f", {len(body.groups)} different" if len(body.groups) != threads else ""
        return f"{threads} {_plural(what, threads)}{same}"
    if isinstance(body, model.Locks):
        circles = len({edge.cycle for edge in body.waits if edge.cycle is not None})
        return f"{len(body.rows)} {_plural('locks', len(body.rows))}" + (
            f", {circles} circle{'s' if circles > 1 else ''} of waiting" if circles else ""
        )
    if isinstance(body, model.Tables):
        return ", ".join(f"{len(t.cells)} {_plural(t.name, len(t.cells))}" for t in body.tables)
    if isinstance(body, model.Lines):
        lost = f", {body.lost} slots lost" if body.lost else ""
        return f"the last {len(body.entries)}{lost}"
    if isinstance(body, model.Around):
        return body.place
    if isinstance(body, model.Facts):
        return body.facts[0].text if body.facts else ""
    if isinstance(body, model.Registers):
        return section.source or ""
    return ""
