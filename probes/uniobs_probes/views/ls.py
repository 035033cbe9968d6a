"""ls: the guests on this host, one line each, with the verdict."""

import os
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

from uniobs.errors import NoSuchTarget, NotOffered, TargetGone, UniobsError
from uniobs.model.findings import FINDING, findings
from uniobs.model.text import percent_text, size_text, span_text
from uniobs.model.view import Column, Table

WATCH_S = 0.2  # between the two reads of the VMM's CPU time
BUSY = 50.0  # per cent: below it nobody spins in there, so it needn't be watched


def _beat(row: dict[str, Any]) -> str:
    age = row["beat_age_s"]
    if age is None or row["state"] == "dead":
        return "-"
    return "now" if age < 0.001 else span_text(int(age * 1e9))


COLUMNS = (
    Column("name", "NAME"),
    Column("pid", "PID"),
    Column("vmm", "VMM"),
    Column("unikernel", "UNIKERNEL"),
    Column("state", "STATE"),
    Column("beat_age_s", "BEAT", doc="since its scheduler last ran", text=_beat),
    Column("cpu", "CPU%", "right", "of the VMM", lambda row: percent_text(row["cpu"])),
    Column("memory", "MEM", "right", text=lambda row: size_text(row["memory"])),
    Column("sees", "SEES"),
    Column("verdict", "VERDICT"),
)


class Ls:
    name = "ls"
    title = "Guests"
    columns = COLUMNS
    default = tuple(column.key for column in COLUMNS)
    needs: frozenset[str] = frozenset()

    def rows(
        self, target: Any = None, *, files: Sequence[str] = (), images: Sequence[str] = (), **_: Any
    ) -> Table:
        from uniobs.target import find_guests

        guests = list(find_guests())
        begun = time.monotonic()
        ticks = {guest.pid: cpu_ticks(guest.pid) for guest in guests}
        if guests:
            time.sleep(WATCH_S)
        rows: list[dict[str, Any]] = []
        notes: list[str] = []
        for guest in guests:
            elapsed = time.monotonic() - begun
            cpu = cpu_percent(ticks[guest.pid], cpu_ticks(guest.pid), elapsed)
            base = {
                "name": guest.name,
                "pid": guest.pid,
                "vmm": guest.vmm,
                "cpu": cpu,
                "memory": guest.memory,
            }
            found = _look(str(guest.pid), base, images, notes)
            if found is not None:
                rows.append(found)
        for file in files:
            base = {
                "name": os.path.basename(file),
                "pid": None,
                "vmm": os.path.basename(file),
                "cpu": None,
                "memory": None,
            }
            found = _look(file, base, images, notes)
            if found is not None:
                rows.append(found)
        return Table(COLUMNS, rows, tuple(notes), complete=not notes)


def cpu_ticks(pid: int) -> int | None:
    """User and system time of a process in clock ticks; None when it's gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return None


def cpu_percent(before: int | None, after: int | None, elapsed: float) -> float | None:
    if before is None or after is None or elapsed <= 0:
        return None
    return round(100.0 * (after - before) / os.sysconf("SC_CLK_TCK") / elapsed, 1)


def _look(spec: str, row: dict[str, Any], images: Sequence[str], notes: list[str]) -> dict[str, Any] | None:
    """The row with what opening the guest tells; a guest that can't be read keeps its line, one that
    ended meanwhile has none."""
    from uniobs.target import open_target

    row |= {"unikernel": None, "app": None, "state": "unknown", "reason": None, "beat_age_s": None,
            "sees": None, "verdict": None, "verdicts": []}  # fmt: skip
    try:
        with closing(open_target(spec, images=list(images))) as target:
            row["sees"] = "memory"
            if row["pid"] is None:
                row["name"], row["vmm"] = target.name, target.vmm
            region = target.region
            if region is not None:
                row |= {"sees": "stub", "unikernel": region.kernel or None, "app": region.app or None}
            else:
                with suppress(NotOffered):
                    row |= {"unikernel": target.walker("threads").name, "sees": "walker"}
            if row["memory"] is None and target.kind != "process":
                row["memory"] = sum(part.size for part in target.memory.ranges())
            status = target.status()
            row |= {"state": status.state, "reason": status.reason, "beat_age_s": status.beat_age_s}
            quiet = row["cpu"] is not None and row["cpu"] < BUSY
            found, _ = findings(target, skip={"spinning", "device"} if quiet else {"device"})
            row["verdicts"] = [v.name for v in found]
            row["verdict"] = next((v.headline for v in found if v.severity < FINDING), None)
    except (TargetGone, NoSuchTarget) as error:
        if row["pid"] is not None:
            return None
        notes.append(str(error))
        row["verdict"] = "not readable (see below)"
    except UniobsError as error:
        notes.append(f"{row['name']}: {error}")
        row["verdict"] = "not readable (see below)"
    return row


view = Ls()
