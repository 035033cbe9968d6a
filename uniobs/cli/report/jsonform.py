"""The report as one JSON object: docs/report.md describes it."""

from dataclasses import asdict
from typing import Any, Final

from uniobs.cli import render
from uniobs.cli.report.model import Facts, Report, Section, Tables

SCHEMA: Final = 1  # of the report; it grows by members only


def report_object(report: Report) -> dict[str, Any]:
    """The envelope of every command, its rows the verdicts, and the sections by key."""
    answer = render.envelope("core show", report.target, list(report.verdicts), (), report.complete)
    found: dict[str, Any] = {
        **answer,
        "report": SCHEMA,
        "uniobs": report.version,
        "headline": report.headline,
        "about": report.about,
        "facts": [asdict(fact) for fact in report.facts],
        "finding": report.finding,
        "status": report.status,
        "sections": {section.key: _section(section) for section in report.sections},
    }
    if report.unproven is not None:
        found["unproven"] = report.unproven
    return found


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "state": section.state,
        "source": section.source,
        "reason": section.reason,
        "notes": list(section.notes),
        "data": _data(section),
    }


def _data(section: Section) -> Any:
    body = section.body
    if body is None:
        return None
    if isinstance(body, Tables):  # typed rows; cells are for people
        return {
            "tables": [
                {"name": t.name, "columns": [c.key for c in t.columns], "rows": list(t.rows)}
                for t in body.tables
            ]
        }
    if isinstance(body, Facts):
        return body.data
    return asdict(body)
