"""The state of a guest: live, hung or dead, and how that is known."""

import time

from uniobs.errors import BadFormat, ImageMismatch, NotOffered, TargetError, UniobsError, UnknownMemory
from uniobs.lean import TYPE_CHECKING, NamedTuple
from uniobs.model.guest import Status, Vitals
from uniobs.model.row import replace
from uniobs.region import _abi

if TYPE_CHECKING:
    from uniobs.region.reader import Region
    from uniobs.target.guest import Guest

HUNG_AFTER = 2.0  # seconds without progress
GLANCE = 0.1  # seconds between two samples when in doubt
QUIET = 2.0  # seconds without a tick after which the timer may stand still
STEP = 0.05
QMP_DEAD = {
    "shutdown": "shut down",
    "guest-panicked": "panicked (QMP)",
    "internal-error": "VMM internal error",
}
QMP_HELD = (
    "paused",
    "suspended",
    "prelaunch",
    "inmigrate",
    "io-error",
    "save-vm",
    "restore-vm",
    "debug",
    "watchdog",
)


class Sample(NamedTuple):
    """The heartbeat at one moment. ``idle`` is None when the current thread isn't known."""

    live: _abi.HeaderLive
    idle: bool | None

    @property
    def beat(self) -> int:
        return self.live.beat_count


def status(guest: "Guest", watch: float | None = None) -> Status:
    """See Target.status."""
    limit = HUNG_AFTER if watch is None else watch
    snapshot = not guest.live
    gone = _process_gone(guest)
    try:
        region = guest.region
        sample = None if region is None else _sample(guest, region)
    except (BadFormat, UnknownMemory) as error:
        if gone:
            return Status("dead", gone, snapshot=snapshot)
        return Status("unknown", f"its region can't be read: {error}", snapshot=snapshot)
    except TargetError:
        gone = _process_gone(guest)
        if not gone:
            raise
        return Status("dead", gone, snapshot=snapshot)
    if region is None or sample is None:
        return _without_region(guest, gone, limit)
    ended = _ended(sample)
    age = beat_age(region, sample.live)
    if ended or gone:
        return Status("dead", ended or gone, snapshot=snapshot, beat_age_s=age)
    if sample.live.state not in (_abi.STATE_RUNNING, _abi.STATE_INIT):
        return Status("unknown", f"its state is {sample.live.state}, which means nothing", snapshot=snapshot)
    if snapshot:
        if guest.kind == "recording":
            return _recorded(guest, sample, age)
        return _snapshot(guest, region, sample, age)
    if region.hosted:
        return _hosted(guest, age)
    found = _progress(guest, region, sample, limit)
    if found.for_at_least_s is not None:  # the guest's own clock may have stopped with it
        age = max(age or 0.0, found.for_at_least_s)
    return replace(found, beat_age_s=age)


def beat_age(region: "Region", live: _abi.HeaderLive) -> float | None:
    """Seconds from the last heartbeat to the last timer interrupt: the beat is at least that old."""
    if not live.beat_tsc or not live.tick_count:
        return None
    if live.tick_tsc <= live.beat_tsc:
        return 0.0
    span = region.clock.span_ns(live.tick_tsc - live.beat_tsc)
    return None if span is None else span / 1e9


def _sample(guest: "Guest", region: "Region") -> Sample:
    if guest.live and guest.origin.refresh is not None:
        guest.origin.refresh()
    live = region.live()
    current = [r.value for r in region.threads() if r.value.tid == live.current_tid and not r.torn]
    usable = live.current_tid and len(current) == 1
    return Sample(live, bool(current[0].flags & _abi.THREAD_FLAG_IDLE) if usable else None)


def _ended(sample: Sample) -> str:
    if sample.live.state == _abi.STATE_PANICKED:
        return "panicked"
    if sample.live.state == _abi.STATE_EXITED:
        return f"exited with {sample.live.exit_code}"
    return ""


def _process_gone(guest: "Guest") -> str:
    """Why its process can't run it any more, or ""."""
    from uniobs.target import procfs

    if guest.kind == "memory":
        from uniobs.target.backend import left_behind

        if not left_behind(guest.origin.backend or ""):
            return ""  # a copy, for all we know
        if guest.origin.identity:
            return "its process is gone: nobody maps this memory"
        return "VMM gone: no process has this memory"
    if guest.kind == "recording":
        return str(getattr(guest, "ending", ""))
    info = guest.origin.info
    if info is None or procfs.start_time(info.pid) == info.process.start:
        return ""
    return "its process is gone" if guest.kind == "process" else "VMM gone"


def _key(guest: "Guest", region: "Region") -> str:
    info = guest.origin.info
    where = f"{info.pid}.{info.process.start}" if info is not None else guest.origin.vmm
    return f"{region.header.boot_id.hex()}@{where}"


def _monitor(guest: "Guest") -> tuple[str | None, str | None]:
    """(QMP's status, why there is none). Only asked when progress is in doubt: QMP has room for one."""
    from uniobs.target import qmp

    info = guest.origin.info
    if info is None:
        return None, None
    if info.qmp is None:
        return None, "whether the VMM paused it: no QMP socket"
    try:
        with qmp.opened(info.qmp) as connection:
            return connection.status(), None
    except NotOffered:
        return None, "whether the VMM paused it: QMP in use"
    except UniobsError as error:
        return None, f"whether the VMM paused it: {error}"


def _held(guest: "Guest") -> tuple[Status | None, tuple[str, ...]]:
    """What the VMM says: a state of its own, or what couldn't be known."""
    from uniobs.target import procfs

    if guest.pid is not None and procfs.process_state(guest.pid) in ("T", "t"):
        return Status("live", "paused: its process is stopped (SIGSTOP or a debugger)"), ()
    said, why = _monitor(guest)
    if said in QMP_DEAD:
        return Status("dead", QMP_DEAD[said]), ()
    if said in QMP_HELD:
        return Status("live", "not started yet" if said == "prelaunch" else f"{said} by its VMM"), ()
    return None, (why,) if why else ()


def _progress(guest: "Guest", region: "Region", first: Sample, limit: float) -> Status:
    """A running guest on a VMM: does its scheduler still pass?"""
    from uniobs.target import observed

    if first.idle:
        held = _held_while_idle(guest, region, first) if limit > 0 else None
        return held or Status("live", "idle")
    key = _key(guest, region)
    since = observed.observe(key, first.beat)
    stuck = _stuck_by_ticks(region, first, HUNG_AFTER)
    if limit <= 0 and stuck is None and observed.now() - since < HUNG_AFTER:
        return Status("unknown", "running; whether it makes progress wasn't watched")
    sample, waited, asked = first, 0.0, False
    while waited < limit:
        time.sleep(STEP)
        waited += STEP
        try:
            sample = _sample(guest, region)
        except BadFormat as error:  # caught in the middle of a change
            if waited < limit:
                continue
            return Status("unknown", f"its region can't be read: {error}")
        if ended := _ended(sample):
            return Status("dead", ended)
        if sample.beat != first.beat:
            observed.observe(key, sample.beat)
            return Status("live", "idle" if sample.idle else "running")
        if waited < GLANCE:
            continue
        if gone := _process_gone(guest):
            return Status("dead", gone)
        if not asked:
            asked = True
            held, _ = _held(guest)
            if held is not None:
                observed.forget(key)
                return held
        ticking = sample.live.tick_count != first.live.tick_count
        stuck = _stuck_by_ticks(region, sample, HUNG_AFTER) if ticking else None
        if stuck is not None or observed.now() - since >= max(limit, HUNG_AFTER):
            break
    held, unknown = _held(guest)
    if held is not None:
        observed.forget(key)
        return held
    watched = observed.now() - observed.observe(key, sample.beat)
    lasted = max(watched, stuck or 0.0)
    if lasted < min(limit or HUNG_AFTER, HUNG_AFTER):
        return Status(
            "unknown", f"no progress for {lasted:.1f} s: too short to tell", lasted, unknown=unknown
        )
    if sample.idle is None:
        unknown += ("whether it idles: its current thread's row isn't readable",)
        return Status("unknown", f"no progress for {lasted:.1f} s", lasted, unknown=unknown)
    return Status("hung", "no progress", round(lasted, 3), unknown=unknown)


def _held_while_idle(guest: "Guest", region: "Region", first: Sample) -> Status | None:
    """What the VMM says of an idle guest whose timer stands still; None when it doesn't, or nothing is said.

    Only a guest whose last tick is old by its own wall clock is looked at twice: the others cost nothing.
    """
    if not first.live.tick_count:
        return None  # tickless, for all we know
    ticked = region.clock.wall_ns(first.live.tick_tsc)
    if ticked is not None and abs(time.time() - ticked / 1e9) < QUIET:
        return None
    time.sleep(GLANCE)
    try:
        again = _sample(guest, region)
    except BadFormat:
        return None
    return _held(guest)[0] if again.live.tick_count == first.live.tick_count else None


def _stuck_by_ticks(region: "Region", sample: Sample, limit: float) -> float | None:
    """The guest's own clock may prove it at once: timer interrupts went on long after the last pass."""
    age = beat_age(region, sample.live)
    return age if age is not None and age >= limit else None


def _snapshot(guest: "Guest", region: "Region", sample: Sample, age: float | None) -> Status:
    if region.hosted:
        return Status("live", "running when the core was taken", snapshot=True)
    if sample.idle:
        return Status("live", "idle", snapshot=True, beat_age_s=age)
    if sample.idle is False and age is not None and age >= HUNG_AFTER:
        return Status("hung", "no progress", age, True, age)
    return Status(
        "unknown",
        "busy when it was taken; one moment doesn't show progress",
        snapshot=True,
        beat_age_s=age,
        unknown=("whether it made progress",),
    )


def _recorded(guest: "Guest", sample: Sample, age: float | None) -> Status:
    """A moment of a recording: the moments before it show whether there was progress."""
    from uniobs.target.recorded import RecordedGuest, unmoved_for

    if sample.idle:
        return Status("live", "idle", snapshot=True, beat_age_s=age)

    def beat(at: "Guest") -> int | None:
        return at.region.live().beat_count if at.region is not None else None

    lasted = unmoved_for(guest, beat) if isinstance(guest, RecordedGuest) else None
    if lasted == 0.0:
        return Status("live", "running", snapshot=True, beat_age_s=age)
    if lasted is None:
        lasted = age if age is not None and age >= HUNG_AFTER else None
    if lasted is None:
        unknown = ("whether it made progress: too little was recorded before",)
        return Status("unknown", "busy at this moment", snapshot=True, beat_age_s=age, unknown=unknown)
    return Status("hung", "no progress", max(lasted, age or 0.0), True, age)


def _hosted(guest: "Guest", age: float | None) -> Status:
    """Linux schedules a hosted guest: what its threads do there is what can be said."""
    from uniobs.target import procfs

    states = procfs.thread_states(guest.pid) if guest.pid is not None else []
    if states and all(state in ("T", "t") for state in states):
        return Status("live", "paused: its process is stopped (SIGSTOP or a debugger)", beat_age_s=age)
    return Status("live", "running" if any(state in "RD" for state in states) else "idle", beat_age_s=age)


def _without_region(guest: "Guest", gone: str, limit: float) -> Status:
    """By what its image's walker sees, and what its VMM says."""
    from uniobs.target import procfs, solo5, tender

    if gone:
        return Status("dead", gone, snapshot=not guest.live)
    vitals = vitals_of(guest)
    if vitals is not None and vitals.ended:
        return Status("dead", vitals.ended, snapshot=not guest.live)
    if not guest.live:
        return _snapshot_without_region(vitals)
    if limit <= 0 and vitals is not None and vitals.idle:
        return Status("live", "idle")  # in passing: its VMM isn't asked
    info = guest.origin.info
    if info is not None and info.vmm in tender.TENDERS and procfs.process_state(info.pid) not in ("T", "t"):
        return solo5.status(info, limit)
    held, why = _held(guest)
    if held is not None:
        return held
    if vitals is not None and vitals.beat is not None and vitals.idle is not None:
        return _passes(guest, vitals, limit, why)
    unknown = ("progress: no region, so no heartbeat", *why)
    try:
        if all(registers.get("halted") for registers in guest.registers()):
            return Status("live", "idle (hlt)", unknown=unknown)
    except UniobsError:
        pass
    return Status("unknown", "no region, so no heartbeat", unknown=unknown)


def vitals_of(guest: "Guest") -> Vitals | None:
    """What the walker of its image sees of its scheduler; None when there is none that does."""
    try:
        look = getattr(guest.walker("threads"), "vitals", None)
        found: Vitals | None = look() if look is not None else None
        return found
    except (NotOffered, UnknownMemory, BadFormat, ImageMismatch):
        return None


def _snapshot_without_region(vitals: Vitals | None) -> Status:
    if vitals is None or vitals.idle is None:
        return Status("unknown", "no region in it", snapshot=True, unknown=("progress: no heartbeat",))
    if vitals.idle:
        return Status("live", "idle", snapshot=True)
    return Status(
        "unknown",
        "busy when it was taken; one moment doesn't show progress",
        snapshot=True,
        unknown=("whether it made progress",),
    )


def _passes(guest: "Guest", first: Vitals, limit: float, why: tuple[str, ...]) -> Status:
    """A running guest: does its scheduler still choose threads?"""
    from uniobs.target import observed

    if first.idle:
        return Status("live", "idle", unknown=why)
    info = guest.origin.info
    key = f"walker@{info.pid}.{info.process.start}" if info is not None else guest.origin.vmm
    since = observed.observe(key, first.beat or 0)
    waited, last = 0.0, first
    while waited < limit and observed.now() - since < max(limit, HUNG_AFTER):
        time.sleep(STEP)
        waited += STEP
        again = vitals_of(guest)
        if again is None or again.beat is None:
            continue
        last = again
        if last.ended:
            return Status("dead", last.ended)
        if last.beat != first.beat or last.idle:
            return Status("live", "idle" if last.idle else "running", unknown=why)
        if gone := _process_gone(guest):
            return Status("dead", gone)
    lasted = observed.now() - observed.observe(key, last.beat or 0)
    if lasted < HUNG_AFTER:
        said = "running; whether it makes progress wasn't watched" if limit <= 0 else "no progress yet"
        return Status("unknown", said, lasted, unknown=why)
    held, why = _held(guest)
    if held is not None:
        observed.forget(key)
        return held
    return Status("hung", "no progress", round(lasted, 3), unknown=why)
