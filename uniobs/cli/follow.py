"""Following a ring: poll, print, and end when told, when the guest dies, or at a count."""

import time
from collections.abc import Callable
from typing import Any

from uniobs.cli import render
from uniobs.cli.output import Output
from uniobs.errors import EXIT_INTERRUPTED, EXIT_OK, TargetGone, UniobsError
from uniobs.model.view import Follow, Stream

INTERVAL_S = 0.06
QUIET_S = 3.0  # without anything to show: say that it waits


def wants_history(target: Any, last: bool) -> bool:
    """Whether what the ring holds is shown and that's all: asked for, or nothing will follow."""
    if last or not target.live:
        return True
    return target.status(watch=0).state in ("dead", "hung")


def run(
    out: Output,
    target: Any,
    stream: Stream,
    *,
    history: bool,
    count: int | None = None,
    from_start: bool = False,
    quiet: bool = False,
    source: Follow | None = None,
    announce: Callable[[], None] | None = None,
    whole: bool = True,
) -> int:
    """Print a stream. ``history``: what the ring holds, then end; ``from_start``: that, then follow.

    ``count`` items end it. ``quiet`` leaves the closing lines out. ``source``: where the items come from
    when it isn't the guest's own ring. ``announce`` is called once nothing that follows can be missed.
    ``whole``: of a recording, all that passed through the ring until the target's moment.
    130 when interrupted, after them.
    """
    if not history:
        from uniobs.image.overwritten import guard

        guard()  # it may run for days, and images be built anew meanwhile
    until = _rewind(target) if history and whole and source is None else None
    follow: Follow = source or getattr(target.walker(stream.question), stream.question)()
    if not history and not from_start:
        follow.seek_end()
    if announce is not None:
        announce()
    code, ending, enough = EXIT_OK, None, False
    try:
        if until is not None:
            ending, enough, follow = _play(out, target, stream, follow, count, until)
        else:
            ending, enough = _loop(out, target, stream, follow, history, count, guests=source is None)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    if not enough:
        _close(out, target, stream)
    if quiet:
        return code
    if ending is not None and stream.question != "log":
        out.closing(ending)
    for line in stream.closing(follow):
        out.closing(line)
    return code


def _rewind(target: Any) -> int | None:
    """A recording from its start on: the moment until which it is to be played; None for other targets."""
    if target.kind != "recording":
        return None
    until = int(target.playback.now)
    target.seek(target.playback.file.first)
    return until


def _play(
    out: Output, target: Any, stream: Stream, follow: Follow, count: int | None, until: int
) -> tuple[str | None, bool, Follow]:
    """What passed through a recording's ring: as _loop(), and the follow at its end."""
    boot, gone = _boot(target), False
    if _emit(out, target, stream, list(follow.poll()), count):
        return None, True, follow
    while target.playback.now < until and target.step():
        now = _boot(target)
        if now is None:
            gone = boot is not None
            continue
        if now != boot or gone:
            if _emit(out, target, stream, list(follow.flush()), count):
                return None, True, follow
            if boot is not None:
                out.notice("the guest booted anew: its rings begin again")
            boot, gone = now, False
            follow = getattr(target.walker(stream.question), stream.question)()
        if _emit(out, target, stream, list(follow.poll()), count):
            return None, True, follow
    return _last_words(target), _emit(out, target, stream, list(follow.flush()), count), follow


def _boot(target: Any) -> tuple[int, bytes] | None:
    """Which boot of the guest its rings are of, and where; None when it has none at this moment."""
    try:
        region = target.region
    except UniobsError:
        return None
    return (region.address, region.header.boot_id) if region is not None else (0, b"")


def _loop(
    out: Output,
    target: Any,
    stream: Stream,
    follow: Follow,
    history: bool,
    count: int | None,
    *,
    guests: bool,
) -> tuple[str | None, bool]:
    """(how the guest ended or None, whether the count was reached). ``guests``: it follows the guest's
    memory, which has to be read anew each time."""
    last_item = time.monotonic()
    while True:
        gone = None if not guests or (history and not target.live) else _ended(target)
        try:
            if guests and not history:
                target.refresh()
            items = [*follow.poll(), *(follow.flush() if gone is not None or history else ())]
        except TargetGone:
            items, gone = [*follow.flush()], _how_it_went(target)
        done = _emit(out, target, stream, items, count)
        if items:
            last_item = time.monotonic()
        if done:
            return None, True
        if gone is not None:
            return f"+++ {gone} +++", False
        if history:
            return _last_words(target), False
        if time.monotonic() - last_item > QUIET_S:
            before = "; --last shows what was recorded before" if guests else ""
            out.notice(f"no {stream.unit} for {QUIET_S:.0f} s, waiting{before}")
            last_item = time.monotonic()
        time.sleep(INTERVAL_S)


def _emit(out: Output, target: Any, stream: Stream, items: list[Any], count: int | None) -> bool:
    """Print; True when the count is reached."""
    for item in items if count is not None else ():
        _print(out, target, stream, [item])
        if count is not None and stream.shown() >= count:
            out.flush()
            return True
    if count is None:
        _print(out, target, stream, items)
    out.flush()
    return False


def _print(out: Output, target: Any, stream: Stream, items: list[Any]) -> None:
    if out.json:
        for row in stream.feed_json(items):
            out.object(json_line(stream, target, row))
    else:
        for line in stream.feed(items):
            out.line(line)


def json_line(stream: Stream, target: Any, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": render.SCHEMA,
        "view": stream.question,
        "target": target.name if target is not None else None,
        **row,
    }


def _close(out: Output, target: Any, stream: Stream) -> None:
    if out.json:
        for row in getattr(stream, "close_json", list)():
            out.object(json_line(stream, target, row))
    else:
        for line in stream.close():
            out.line(line)
    out.flush()


def _how_it_went(target: Any) -> str:
    try:
        reason = str(target.status(watch=0).reason)
    except UniobsError:
        reason = ""
    return reason or "gone"


def _ended(target: Any) -> str | None:
    """``exited with 3``, ``panicked``... when a guest's region says so, else None."""
    from uniobs.region import _abi

    try:
        region = target.region
        live = region.live() if region is not None else None
    except UniobsError:
        return None
    if live is None:
        return None
    if live.state == _abi.STATE_PANICKED:
        return "panicked" + _cause(target)
    if live.state == _abi.STATE_EXITED:
        return f"exited with {live.exit_code}"
    return None


def _cause(target: Any) -> str:
    from uniobs.cli.stacks import panic_of
    from uniobs.model import fault

    try:
        panic = panic_of(target)
    except UniobsError:
        return ""
    return f": {fault.cause(panic)}" if panic is not None else ""


def _last_words(target: Any) -> str | None:
    ended = _ended(target)
    return f"+++ {ended} +++" if ended is not None else None
