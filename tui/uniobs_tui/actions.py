"""What can be done about a guest beyond looking at it: each is a command that a person could type. No Textual
here.
"""

import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

NS: Final = 10**9
How = Literal["once", "until stopped", "on the terminal", "here"]


class Subject(NamedTuple):
    """Whom it is about, and at which moment; made in the worker's thread by subject_of()."""

    name: str
    spec: str
    kind: str
    live: bool
    images: tuple[str, ...] = ()
    at: str | None = None  # a recording's moment, as --at has it
    memory: int | None = None  # bytes
    past: tuple[int, int] | None = None  # what this program kept of a live guest, ns since the epoch
    seen: int | None = None  # the moment that is on the screen, of a live guest that was left behind
    core: bool = False  # a file that core fix may make readable


class Action(NamedTuple):
    """``words`` without the output; ``flag`` goes before the output's name. ``asks``: what it changes, said
    before it is done."""

    key: str
    title: str
    words: tuple[str, ...]
    how: How
    flag: str = ""
    ending: str = ""  # of the proposed file's name
    asks: str = ""
    note: str = ""

    def command(self, output: str = "") -> list[str]:
        return [*self.words, *((self.flag, output) if self.flag and output else ())]

    def text(self, output: str = "") -> str:
        """As it would be typed."""
        return shlex.join(self.command(output))


def subject_of(session: Any) -> Subject:
    guest, target = session.guest, session.target
    recording = guest.kind == "recording"
    spec = str(guest.pid) if guest.live and guest.pid is not None else session.spec
    return Subject(
        session.name,
        spec,
        guest.kind,
        guest.live and session.gone is None,
        tuple(guest.images),
        moment_text(session.moment) if recording and session.moment is not None else None,
        _size(target) if guest.live else None,
        session.bounds() if guest.live else None,
        session.moment if guest.live else None,
        guest.kind == "core" and not guest.origin.thread_registers,
    )


def _size(target: Any) -> int | None:
    info = target.origin.info
    return getattr(info, "memory", None) if info is not None else None


def actions(about: Subject) -> list[Action]:
    """Those that its target offers."""
    now = "of now, not of the moment that is shown" if about.seen is not None else ""
    found = []
    if about.past is not None:
        seconds = (about.past[1] - about.past[0]) // NS
        title = f"Keep what was seen ({seconds // 60}m{seconds % 60:02d}s) as a recording"
        found.append(Action("k", title, ("# copies what this program kept",), "here", "to", ".uniobs"))
    if about.live and about.kind in ("vm", "process"):
        words = _words(about, "record")
        found.append(Action("r", "Record from now on", words, "until stopped", "-o", ".uniobs"))
    words = _words(about, "tcpdump", "--last")
    found.append(Action("p", "Packets of its ring, as pcapng", words, "once", "-w", ".pcapng", note=now))
    if about.live:
        words = _words(about, "tcpdump", "-U")
        found.append(Action("w", "Packets from now on, as pcapng", words, "until stopped", "-w", ".pcapng"))
    if about.live and about.kind in ("vm", "process"):
        much = f", {about.memory >> 20} MiB," if about.memory else ""
        asks = f"{about.name} stands still while its memory{much} is written"
        words = _words(about, "core", "take")
        found.append(Action("c", "Take a core", words, "once", "-o", ".core", asks, now))
    if about.core:
        title = "Fix the core for gdb and drgn"
        found.append(Action("f", title, _words(about, "core", "fix", at=False), "once", "-o", ".gdb.core"))
    found.append(
        Action("h", "Report as one HTML page", _words(about, "core", "show"), "once", "-o", ".html", note=now)
    )
    found.append(Action("s", "Open a shell on it", _words(about, "shell"), "on the terminal", note=now))
    if about.kind in ("process", "core"):
        asks = f"{about.name} stands still while gdb has it" if about.live else ""
        found.append(Action("g", "Open gdb", _words(about, "gdb", at=False), "on the terminal", asks=asks))
    return found


def _words(about: Subject, *verb: str, at: bool = True) -> tuple[str, ...]:
    images = [word for image in about.images for word in ("--image", image)]
    moment = ("--at", about.at) if at and about.at is not None else ()
    plain = not about.spec.startswith("-")
    target = (about.spec,) if plain else ("-g", about.spec)
    return ("uniobs", *verb, *images, *moment, *target)


def proposed(about: Subject, action: Action, directory: str = ".") -> str:
    """A file's name that isn't taken: kv-221430.pcapng; fixed cores stand beside theirs."""
    if not action.flag:
        return ""
    if action.ending == ".gdb.core":
        base, ending = os.path.splitext(about.spec)[0], action.ending
    else:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", about.name.rsplit("/", 1)[-1]).strip("._-")[:40] or "guest"
        stamp = about.seen if about.seen is not None else time.time_ns()
        base, ending = f"{plain}-{time.strftime('%H%M%S', time.localtime(stamp // NS))}", action.ending
    name, number = base + ending, 1
    while os.path.lexists(os.path.join(directory, name)):
        number += 1
        name = f"{base}-{number}{ending}"
    return name


def moment_text(moment: int) -> str:
    """As --at has it, to the nanosecond."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment // NS)) + f".{moment % NS:09d}"


def runnable(words: Sequence[str]) -> list[str]:
    """With the uniobs that this is a part of, wherever PATH leads."""
    if words[0] != "uniobs":
        return list(words)
    beside = os.path.join(os.path.dirname(sys.executable), "uniobs")
    found = beside if os.access(beside, os.X_OK) else shutil.which("uniobs")
    if found is not None:
        return [found, *words[1:]]
    code = "import sys; from uniobs.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", code, *words[1:]]
