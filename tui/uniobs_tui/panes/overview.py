"""Overview: how is it? The verdict, graphs of what it does, its threads, its last words."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from uniobs.cli import before
from uniobs.cli.commands.why import next_commands
from uniobs.errors import UniobsError
from uniobs.model import registry
from uniobs.model.findings import FINDING
from uniobs_tui.judge import Judge, Judgement
from uniobs_tui.overview_lines import Facts, layout
from uniobs_tui.panes.parts import TextPane
from uniobs_tui.panes.threads import crashed_of
from uniobs_tui.session import Session
from uniobs_tui.source_view import Reader, StackText

LOOKS: Final = 480
LOG: Final = 40
ORDER: Final = {"D": 0, "?": 1, "R": 2, "S": 3, "Z": 4}


class OverviewPane(TextPane):
    name_, title, key_ = "overview", "Overview", "o"
    DEFAULT_CSS = """
    OverviewPane LinesView { overflow-y: hidden; scrollbar-gutter: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._judge = Judge()

    def look(self, session: Session, wish: Any) -> Facts:
        return facts(session, self._judge)

    def unfinished(self, value: Any) -> bool:
        return bool(value.more)

    def fill(self, value: Facts, answer: Any) -> None:
        super().fill(value, answer)
        if value.more:
            self.post_message(self.Again())

    def lay_out(self, value: Facts) -> Callable[[int, int], Any]:
        return lambda room, height: layout(value, room, height)


def facts(session: Session, judge: Judge) -> Facts:
    target, at = session.target, session.moment
    more = False
    if at is not None and not session.live:
        more = session.samples.fill(session, at)
    verdict = judge.judge(session)
    now = session.samples.last_at
    late = max(0.0, (now - verdict.at) / 1e9) if session.live and at is None else 0.0
    crashed = crashed_of(target)
    threads, why = _threads(target, crashed)
    sockets = _asked(target, "sockets")
    log, log_why = _log(target)
    heap = None
    with suppress(UniobsError):
        heap = target.walker("heap").heap()
    return Facts(
        verdict,
        late,
        tuple(session.samples.rates(at, LOOKS)),
        more,
        (None, None) if heap is None or heap.torn else (heap.used, heap.total),
        threads,
        why,
        crashed,
        session.samples.shares(at),
        None if sockets is None else _kinds(sockets),
        _counted(target),
        log,
        log_why,
        tuple(next_commands(shlex.quote(session.spec), target, list(verdict.found))),
        _stack(target, verdict, crashed) if not session.live and at is None else None,
    )


def _stack(target: Any, verdict: Judgement, crashed: int | None) -> StackText | None:
    told = [tid for one in verdict.found if one.severity < FINDING for tid in one.threads]
    tid = crashed if crashed is not None else told[0] if told else None
    if tid is None:
        return None
    with suppress(UniobsError):
        found = Reader().stack(target, tid, None)
        return found if found.frames else None
    return None


def _threads(target: Any, crashed: int | None) -> tuple[Sequence[Any], str]:
    try:
        rows = registry.load(registry.VIEWS, "ps").rows(target).rows
    except UniobsError as error:
        return (), str(error)
    order = sorted(rows, key=lambda row: (bool(row.idle), ORDER.get(row.stat, 9), row.tid))
    return sorted(order, key=lambda row: row.tid != crashed), ""


def _asked(target: Any, question: str) -> tuple[Any, ...] | None:
    with suppress(UniobsError):
        return tuple(getattr(target.walker(question), question)())
    return None


def _kinds(sockets: Sequence[Any]) -> tuple[tuple[str, int], ...]:
    """(state, how many), the usual ones first."""
    count = Counter("torn" if s.torn else s.state or s.kind or "?" for s in sockets if s.kind != "file")
    order = {"LISTEN": 0, "ESTAB": 1, "UNCONN": 2}
    return tuple(sorted(count.items(), key=lambda item: (order.get(item[0], 3), item[0])))


def _counted(target: Any) -> tuple[str, ...]:
    """Interfaces, as address and totals."""
    found = []
    for row in _asked(target, "interfaces") or ():
        if row.torn or not row.name or row.name == "lo":
            continue
        address = f" {row.addr}" if row.addr else ""
        totals = ""
        if row.rx_packets is not None and row.tx_packets is not None:
            totals = f"  in {row.rx_packets}  out {row.tx_packets} packets"
        found.append(f"{row.name}{address}{totals}")
    return tuple(found[:4])


def _log(target: Any) -> tuple[tuple[str, ...], str]:
    try:
        follow = target.walker("log").log()
        entries = [*follow.poll(), *follow.flush()][-LOG:]
    except UniobsError as error:
        return (), str(error)
    return tuple(before.log_text(entry) for entry in entries), ""
