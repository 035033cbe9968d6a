"""A packet dump that is attached to a running QEMU guest's cards, and taken off again.

A filter-dump object copies what passes between card and network into a file; the guest isn't touched.
Each object's id says which process put it there, so that the next one finds what a killed one left.
"""

import fcntl
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from uniobs.errors import NotOffered, TargetError, UniobsError, UsageError
from uniobs.model.row import frozen
from uniobs.target import procfs, qmp
from uniobs.target.dumpfile import DumpFile, DumpFollow, Source

if TYPE_CHECKING:
    from uniobs.target.discovery import GuestInfo

PREFIX: Final = "uniobs-dump-"
_ID = re.compile(rf"{PREFIX}(\d+)-(\d+)-(\d+)-(rx|tx)")
_CARD = re.compile(r"^([^\s:]+): index=\d+,type=nic,model=([^,\s]*)(?:,macaddr=([0-9a-fA-F:]+))?")
_PORT = re.compile(
    r"^ \\ (hub\d+port\d+): ([^\s:]+): index=\d+,type=nic,model=[^,\s]*(?:,macaddr=([0-9a-fA-F:]+))?"
)
_PEER = re.compile(r"^ \\ ([^\s:]+): index=\d+,type=([a-z-]+)(?:,(.*))?$")
# What QEMU calls a netdev's queue is seen from the network: what it receives was sent by the guest.
_QUEUES: Final[tuple[tuple[Literal["rx", "tx"], str], ...]] = (("tx", "rx"), ("rx", "tx"))
_HEADED: Final = ("tap", "bridge", "netmap")  # may put a virtio header before each packet
_STRIPS: Final = 8  # the first version of QEMU whose dump leaves that header out
TRIES: Final = 5
DETACH_SECONDS: Final = 10.0
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@frozen
class Card:
    """A network card of the guest and the VMM's end of it. ``name`` is the netdev's id."""

    index: int
    name: str
    nic: str
    kind: str  # "user", "tap", "socket"...
    mac: str | None = None
    host_interface: str | None = None

    def instead(self) -> str:
        """What else would show its packets."""
        if self.host_interface:
            return f"tcpdump -i {self.host_interface} on this host shows them"
        return "start it with a tap device, and the ordinary tcpdump shows them"


def parse_cards(text: str) -> list[Card]:
    """QEMU's "info network"; cards that are connected to nothing are left out."""
    found: list[Card] = []
    nic = None
    for line in text.splitlines():
        if (match := _PORT.match(line)) is not None:  # on a hub, as without -nodefaults
            found.append(Card(len(found), match[1], match[2], "hub", match[3] or None))
        elif (match := _CARD.match(line)) is not None:
            nic = match
        elif (match := _PEER.match(line)) is not None and nic is not None:
            words = dict(part.partition("=")[::2] for part in (match[3] or "").split(","))
            host = words.get("ifname") if match[2] == "tap" else words.get("br")
            found.append(Card(len(found), match[1], nic[1], match[2], nic[3] or None, host or None))
            nic = None
        else:
            nic = None
    return found


def choose(cards: Sequence[Card], wanted: str | None) -> list[Card]:
    """By the netdev's id, the card's name or the number. Raises UsageError for one that isn't there."""
    if wanted is None or wanted == "any":
        return list(cards)
    found = [card for card in cards if wanted in (card.name, card.nic, str(card.index))]
    if not found:
        there = ", ".join(card.name for card in cards) or "none"
        raise UsageError(f"no network card {wanted} at the VMM: there are {there}")
    return found


def cards_of(info: "GuestInfo | None") -> list[Card]:
    """Raises NotOffered without a QMP socket, or when it is in use."""
    with qmp.opened(_monitor(info)) as connection:
        return parse_cards(connection.monitor("info network"))


def _monitor(info: "GuestInfo | None") -> str:
    if info is None or not info.vmm.startswith("qemu"):
        raise NotOffered("packets can be had from the VMM of a running QEMU guest only")
    if info.qmp is None:
        why = info.qmp_unreachable or "it has no QMP socket (-qmp unix:PATH,server=on,wait=off)"
        raise NotOffered(
            f"the VMM's packets of {info.name} can't be had: {why}; if its card is on a tap device, the"
            " ordinary tcpdump on that device shows them"
        )
    return info.qmp


@contextmanager
def attached(
    info: "GuestInfo", wanted: str | None, say: Callable[[str], None]
) -> Iterator[tuple[DumpFollow, list[Card]]]:
    """Packets from now on, and the cards. The dump is taken off at the end, whatever ends it but SIGKILL.

    ``say`` gets a line when it's attached, when it's off again, and when leftovers were found. Raises
    NotOffered with what else would do, UsageError for a card that isn't there.
    """
    path = _monitor(info)
    _same_files(info)
    with _signals():
        dump = _Dump(info, path)
        try:
            cards = dump.attach(wanted, say)
            yield dump.follow(), cards
        finally:
            with _undisturbed():
                dump.detach(say)


class _Dump:
    def __init__(self, info: "GuestInfo", path: str) -> None:
        self._info, self._path = info, path
        self._directory = tempfile.mkdtemp(prefix=PREFIX)
        self._sources: dict[str, Source] = {}  # by the object's id
        self._files: list[DumpFile] = []

    def attach(self, wanted: str | None, say: Callable[[str], None]) -> list[Card]:
        if os.geteuid() == 0 and self._info.process.uid != 0:
            os.chown(self._directory, self._info.process.uid, -1)
        with qmp.opened(self._path) as connection:
            clear_leftovers(connection, say)
            cards = choose(parse_cards(connection.monitor("info network")), wanted)
            if not cards:
                raise NotOffered(f"{self._info.name} has no network card that is connected to anything")
            cards = _usable(connection, cards, wanted, say)
            start = procfs.start_time(os.getpid()) or 0
            for card in cards:
                for direction, _ in _QUEUES:
                    name = f"{PREFIX}{os.getpid()}-{start}-{card.index}-{direction}"
                    file = os.path.join(self._directory, name)
                    self._sources[name] = Source(file, card.index, direction)
            self._add(connection, cards)
        self._files = [DumpFile(source) for source in self._sources.values()]
        names = ", ".join(card.name for card in cards)
        say(
            f"attached a packet dump to {names} of {self._info.name} (in its VMM, for as long as this runs; "
            "changes nothing in the guest)"
        )
        return cards

    def _add(self, connection: qmp.Qmp, cards: Sequence[Card]) -> None:
        """All of them within one second of the clock, so that their times can be compared."""
        queues = dict(_QUEUES)
        for _ in range(TRIES):
            if time.time() % 1 > 0.8:
                time.sleep(1 - time.time() % 1)
            second = int(time.time())
            for name, source in self._sources.items():
                card = next(card for card in cards if card.index == source.iface)
                arguments = {"qom-type": "filter-dump", "id": name, "netdev": card.name}
                arguments |= {"file": source.path, "queue": queues[source.direction]}
                try:
                    connection.call("object-add", arguments=arguments)
                except TargetError as error:
                    raise NotOffered(f"no packet dump on {card.name}: {error}; {card.instead()}") from error
            if int(time.time()) == second:
                return
            for name in self._sources:
                connection.call("object-del", arguments={"id": name})
        raise TargetError("the VMM answers too slowly for a packet dump: try again")

    def follow(self) -> DumpFollow:
        return DumpFollow(self._files, self._info.pid, self._info.process.start)

    def detach(self, say: Callable[[str], None]) -> None:
        """Never raises for what can't be undone: it is said."""
        stopped = bool(self._files) and not self._written()
        for file in self._files:
            file.close()
        left: list[str] | None = list(self._sources)
        why = ""
        end = time.monotonic() + DETACH_SECONDS
        while left and procfs.start_time(self._info.pid) == self._info.process.start:
            try:
                with qmp.opened(self._path) as connection:
                    left = [name for name in left if not _delete(connection, name)]
                break
            except UniobsError as error:  # somebody else has the monitor
                why = str(error)
                if time.monotonic() > end:
                    break
                time.sleep(0.1)
        gone = procfs.start_time(self._info.pid) != self._info.process.start
        if left and not gone:
            say(
                f"the packet dump on {self._info.name} could not be taken off ({why or 'refused'}): the next "
                f"uniobs tcpdump --vmm does, or object_del {' and '.join(left)} at QEMU's monitor"
            )
            return
        shutil.rmtree(self._directory, ignore_errors=True)
        if not self._files:
            return
        if stopped and not gone:
            say("the VMM stopped writing the dump (disk full?): packets may be missing at its end")
        say(f"the packet dump is off {self._info.name} again" + (": its VMM is gone" if gone else ""))

    def _written(self) -> bool:
        """Whether the VMM still has all files open: it closes one that it can't write to."""
        open_there = set()
        with suppress(OSError):
            for name in os.listdir(f"/proc/{self._info.pid}/fd"):
                with suppress(OSError):
                    info = os.stat(f"/proc/{self._info.pid}/fd/{name}")
                    open_there.add((info.st_dev, info.st_ino))
            return all(file.identity in open_there for file in self._files)
        return True  # it may not be known


def clear_leftovers(connection: qmp.Qmp, say: Callable[[str], None]) -> None:
    """Take off what a uniobs that is gone (killed) left at this VMM."""
    cleared: set[str] = set()
    for name in _objects(connection):
        match = _ID.fullmatch(name)
        if match is None or procfs.start_time(int(match[1])) == int(match[2]):
            continue
        file = None
        with suppress(TargetError):
            file = connection.call("qom-get", arguments={"path": f"/objects/{name}", "property": "file"})
        if isinstance(file, str) and _is_read(file):
            continue  # by a process whose id means nothing here (a container's)
        if not _delete(connection, name):
            continue
        cleared.add(match[1])
        if isinstance(file, str):
            _remove(file, name)
    for pid in sorted(cleared):
        say(f"took off a packet dump that uniobs (pid {pid}) left behind when it was killed")


def _is_read(file: str) -> bool:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def _remove(file: str, name: str) -> None:
    """The path comes from the VMM: only what is named as ours is."""
    directory = os.path.dirname(file)
    if os.path.basename(file) == name and os.path.basename(directory).startswith(PREFIX):
        with suppress(OSError):
            os.unlink(file)
        with suppress(OSError):
            os.rmdir(directory)


def _objects(connection: qmp.Qmp) -> list[str]:
    answer: Any = connection.call("qom-list", arguments={"path": "/objects"})
    rows = answer if isinstance(answer, list) else []
    return [row["name"] for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str)]


def _delete(connection: qmp.Qmp, name: str) -> bool:
    """Whether it's gone. An object that never was is gone."""
    if name not in _objects(connection):
        return True
    with suppress(TargetError):
        connection.call("object-del", arguments={"id": name})
    return name not in _objects(connection)


def _usable(
    connection: qmp.Qmp, cards: Sequence[Card], wanted: str | None, say: Callable[[str], None]
) -> list[Card]:
    """Without those whose packets this QEMU's dump would garble; one that was asked for is refused."""
    answer: Any = connection.call("query-version")
    version = answer.get("qemu") if isinstance(answer, dict) else None
    major = version.get("major") if isinstance(version, dict) else None
    if isinstance(major, int) and major >= _STRIPS:
        return list(cards)
    whole = [card for card in cards if card.kind not in _HEADED]
    for card in cards:
        if card in whole:
            continue
        text = f"this QEMU's dump would garble what passes a {card.kind} device; {card.instead()}"
        if wanted not in (None, "any") or not whole:
            raise NotOffered(f"no packet dump on {card.name}: {text}")
        say(f"{card.name} is left out: {text}")
    return whole


def _same_files(info: "GuestInfo") -> None:
    """QEMU must be able to write where we read."""
    if procfs.host_path(info.pid, "/") != "/":
        raise NotOffered(f"no packet dump: {info.name} sees other files than we do (a container)")
    for name, value in info.options.options if info.options else ():
        if name == "rtc" and re.search(r"clock=(vm|rt)\b", value):
            raise NotOffered(f"no packet dump: the clock of {info.name} isn't the host's (-rtc {value})")


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end us as Ctrl-C does: with everything undone."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in SIGNALS[1:]}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C mustn't leave the dump attached."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
