"""The first line that is said of a guest: its verdict or its state, what it is, and its image's proof."""

from contextlib import suppress
from typing import Any

from uniobs.errors import ImageMismatch, UniobsError
from uniobs.model.findings import FINDING
from uniobs.model.guest import Status, Verdict
from uniobs.model.text import span_text
from uniobs.model.where import image_name, proof_text

# verdicts that say by themselves that the guest is dead
ENDS = frozenset({"crash", "assertion", "stack-smash", "stack-overflow", "oom", "abort", "exited"})


def sentence(target: Any, status: Status, found: list[Verdict]) -> tuple[str, str]:
    """(NAME is DEAD: page fault in deref (srv.c:14), its style): without what stands in brackets after it."""
    said = [verdict for verdict in found if verdict.severity < FINDING]
    snapshot = f", as of {_moment(target)}" if status.snapshot and status.state != "dead" else ""
    if said:
        first = said[0]
        length = since(first.for_at_least_s if first.for_at_least_s is not None else _hung_for(status))
        ended = (
            f"; it is dead now: {status.reason}" if status.state == "dead" and first.name not in ENDS else ""
        )
        return f"{target.name} {first.title or first.headline}{length}{snapshot}{ended}", "bad"
    if status.state == "live" and not status.reason.startswith(("idle", "running")):
        return f"{target.name} is not running: {status.reason}{snapshot}", "warn"
    if status.state == "live":
        return f"{target.name} is fine: {status.state}, {status.reason}{_beat(status)}{snapshot}", "good"
    if status.state == "dead" and found:
        return f"{target.name} {found[0].title}{snapshot}", "bold"
    if status.state == "unknown":
        return f"{target.name}: its state isn't known: {status.reason}{snapshot}", "warn"
    return f"{target.name} is {status.state}: {status.reason}{since(status.for_at_least_s)}{snapshot}", "warn"


def _hung_for(status: Status) -> float | None:
    return status.for_at_least_s if status.state == "hung" else None


def who(target: Any) -> str:
    """unikraft on qemu q35, pid 4711"""
    pid = f"pid {target.pid}" if target.pid is not None else ""
    return ", ".join(part for part in (_kind(target), pid) if part)


def _kind(target: Any) -> str:
    try:
        region = target.region
    except UniobsError:
        region = None
    kernel = region.kernel if region is not None else ""
    if region is None:
        with suppress(UniobsError):
            kernel = target.walker("threads").name
    return f"{kernel} on {target.vmm}" if kernel and kernel != target.vmm else str(target.vmm)


def _beat(status: Status) -> str:
    if status.beat_age_s is None:
        return ""
    if status.beat_age_s < 0.001:
        return "; its scheduler ran just now"
    return f"; its scheduler ran {span_text(int(status.beat_age_s * 1e9))} ago"


def since(seconds: float | None) -> str:
    return "" if seconds is None else f", for at least {span_text(int(seconds * 1e9))}"


def image_text(target: Any, unknown: list[str]) -> str:
    """image demo.elf, text proven; what it makes unknown is appended. Raises ImageMismatch."""
    try:
        modules = target.modules
    except ImageMismatch:
        raise
    except UniobsError as error:
        unknown.append(str(error))
        return "no image"
    if not modules:
        unknown.append("lines and functions (no image of it is known: --image FILE)")
        return "no image"
    module = modules[0]
    others = [other for other in modules[1:] if target.kind != "process" and not target.origin.identity]
    if not others:
        return f"image {image_name(module)}, {proof_text(module)}"
    proofs = {proof_text(other) for other in (module, *others)}
    names = ", ".join(image_name(other) for other in (module, *others))
    return f"images {names}, {proofs.pop()}" if len(proofs) == 1 else f"images {names}, not all proven alike"


def _moment(target: Any) -> str:
    """this snapshot; 12:00:03.250 in this recording"""
    if target.kind != "recording":
        return "this snapshot"
    from uniobs.target.recorded import clock

    return f"{clock(target.playback.now)} in this recording"
