"""From a target to the model of its report."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from uniobs import __version__
from uniobs.cli import headline
from uniobs.cli.report import cause, locks, recorded, registers, stackrows, tables
from uniobs.cli.report.context import Context, Options
from uniobs.cli.report.model import Fact, Report, Section, Unknowns
from uniobs.errors import ImageMismatch, NotOffered, TargetGone, UniobsError
from uniobs.model.findings import FINDING, findings
from uniobs.model.guest import Status, Verdict
from uniobs.model.text import size_text

Build = Callable[[Context], Section]
FIRST: Final[tuple[tuple[str, str, Build], ...]] = (
    ("registers", "Registers", registers.registers),
    ("stacks", "Stacks", stackrows.stack_rows),
    ("threads", "Threads", tables.threads),
    ("locks", "Locks", locks.locks),
    ("network", "Network", tables.network),
    ("memory", "Memory", tables.memory),
    ("devices", "Devices", tables.devices),
)
RECORDED: Final[tuple[tuple[str, str, Build], ...]] = (
    ("calls", "Last calls", recorded.calls),
    ("log", "Last log lines", recorded.log),
    ("packets", "Last packets", recorded.packets),
)
LAST: Final[tuple[tuple[str, str, Build], ...]] = (
    ("counters", "Counters", tables.counters),
    ("images", "Images", tables.images),
)
KEYS: Final = (
    *("cause", "place", *(key for key, _, _ in FIRST), "timeline"),
    *(*(key for key, _, _ in RECORDED), *(key for key, _, _ in LAST), "unknown"),
)


def build(target: Any, options: Options, unproven: str | None = None) -> Report:
    """Everything is asked once. Raises ImageMismatch for a named image that is wrong, TargetGone."""
    context = Context(target, options)
    status = _status(target)
    found, unknown = _findings(target)
    said = tuple(verdict for verdict in found if verdict.severity < FINDING)
    unknown += [*status.unknown, *(text for verdict in found for text in verdict.unknown)]
    image = headline.image_text(target, unknown)
    text, style = headline.sentence(target, status, found)
    first = said[0].threads if said else ()
    context.told = frozenset(first)
    death = [
        _section(context, "cause", "What happened", cause.cause),
        _section(context, "place", "The place", lambda shared: cause.place(shared, first)),
    ]
    middle = [_section(context, *row) for row in FIRST]
    rings = [_section(context, *row) for row in RECORDED]
    order = _section(context, "timeline", "Timeline", lambda shared: recorded.timeline(shared, rings))
    last = [_section(context, *row) for row in LAST]
    sections = [*death, *middle, order, *rings, *last]
    sections.append(_unknown(context, unknown, sections))
    return Report(
        *(target.name, __version__, text, style, f"{headline.who(target)}; {image}"),
        *(tuple(_facts(context, status)), status, tuple(found), bool(said), status.state != "unknown"),
        *(tuple(sections), unproven),
    )


def _status(target: Any) -> Status:
    try:
        found: Status = target.status()
    except (ImageMismatch, TargetGone):
        raise
    except UniobsError as error:
        return Status("unknown", str(error))
    return found


def _findings(target: Any) -> tuple[list[Verdict], list[str]]:
    found, unknown = findings(target)
    return found, list(unknown)


def _section(context: Context, key: str, title: str, make: Build) -> Section:
    try:
        return make(context)
    except (ImageMismatch, TargetGone):
        raise
    except NotOffered as error:
        return Section(key, title, "not-offered", reason=_without_name(context, str(error)))
    except UniobsError as error:
        return Section(key, title, "unknown", reason=str(error))


def _without_name(context: Context, text: str) -> str:
    """The report says of whom it is, and a section what is asked."""
    name = context.target.name
    if text.startswith(f"{name} carries no region"):
        return "it carries no region, and no image of it that is known tells"
    rest = text.removeprefix(f"{name} doesn't offer ")
    if rest == text:
        return text.removeprefix(f"{name} ")
    _, colon, reason = rest.partition(": ")
    if colon:
        return reason
    walkers = rest.partition(" (")[2].removesuffix(")")
    return f"{'the stub' if walkers == 'stub' else walkers or 'it'} doesn't tell"


def _facts(context: Context, status: Status) -> list[Fact]:
    """What was looked at."""
    target = context.target
    facts = []
    path = target.origin.backend
    with suppress(OSError):
        about = os.stat(path or "")
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(about.st_mtime))
        facts.append(Fact("file", f"{path}, {size_text(about.st_size)}, written {when} UTC"))
    with suppress(UniobsError):
        parts = getattr(target.memory, "blocks", None) or target.memory.ranges()  # blocks: holes are held too
        held = sum(part.size for part in parts)
        facts.append(Fact("memory", f"{size_text(held)} held"))
    if target.live and status.state != "dead":
        facts.append(Fact("note", "the guest ran while it was read: sections may be of different moments"))
    return facts


def _unknown(context: Context, unknown: list[str], sections: list[Section]) -> Section:
    missing = list(context.sources.missing)
    if missing:
        names = ", ".join(file.rsplit("/", 1)[-1] for file in missing[:8])
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        unknown = [*unknown, f"the source text of {names}{more} (not on this machine: --source-dir DIR)"]
    unknown += [
        f"{path} changed after the image was built: its lines may be others" for path in context.sources.newer
    ]
    unknown += [
        f"{s.title.lower()}: {s.reason}" for s in sections if s.state == "unknown" and s.key != "images"
    ]
    if not unknown:
        return Section("unknown", "Not known", "empty", reason="nothing that was asked for is missing")
    return Section("unknown", "Not known", "ok", Unknowns(tuple(dict.fromkeys(unknown))))
