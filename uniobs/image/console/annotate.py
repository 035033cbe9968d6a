"""A log's lines, with names on their addresses."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from uniobs.image.console.demo import Demo
from uniobs.image.console.found import Address, Code, Crash, Fact, Reader, Slide
from uniobs.image.console.generic import Generic
from uniobs.image.console.hermit import Hermit
from uniobs.image.console.includeos import IncludeOs
from uniobs.image.console.nanos import Nanos
from uniobs.image.console.osv import Osv
from uniobs.image.console.placed import Image, Images, Named
from uniobs.image.console.registers import Registers
from uniobs.image.console.unikraft import Unikraft

if TYPE_CHECKING:
    from uniobs.image.module import Module

LONGEST: Final = 4096  # characters of a line that are looked at
_LATE: Final = 256  # addresses that wait for a slide
_MOST: Final = 65536  # lines, and addresses, that are kept of a log
_TOP: Final = 1 << 63  # kernels that slide lie above


class Lines:
    """All kernels' readers over one log."""

    def __init__(self) -> None:
        # the first to claim a number says what it is
        self._readers: tuple[Reader, ...] = (
            *(Osv(), IncludeOs(), Unikraft(), Nanos(), Hermit(), Demo()),
            *(Registers(), Generic()),
        )

    def read(self, text: str) -> tuple[list[Address], list[Fact]]:
        """(addresses by column, facts) of the next line."""
        text = text[:LONGEST]
        addresses: list[Address] = []
        facts: list[Fact] = []
        for reader in self._readers:
            for found in reader.read(text):
                if not isinstance(found, Address):
                    facts.append(found)
                elif all(found.end <= other.start or found.start >= other.end for other in addresses):
                    addresses.append(found)
        return sorted(addresses, key=lambda one: one.start), facts


@dataclass(frozen=True, slots=True)
class Annotated:
    """A line's addresses that could be named. ``late``: of lines before, whose place is known only now."""

    named: list[Named]
    late: list[Named]


class Survey:
    """What a whole log says, by the number of the line. ``complete``: no line is missing."""

    def __init__(self) -> None:
        self.lines: dict[int, tuple[list[Address], list[Fact]]] = {}
        self.complete = True

    @property
    def facts(self) -> list[tuple[int, Fact]]:
        return [(number, fact) for number, (_, facts) in self.lines.items() for fact in facts]

    @property
    def addresses(self) -> list[Address]:
        """Those that something speaks for."""
        return [one for found, _ in self.lines.values() for one in found if one.kind != "word"]


def survey(lines: Iterable[str]) -> Survey:
    reader = Lines()
    found = Survey()
    for number, text in enumerate(lines):
        what = reader.read(text)
        if what[0] or what[1]:
            if len(found.lines) < _MOST:
                found.lines[number] = what
            else:
                found.complete = False
    return found


def judge(images: Images, log: Survey) -> None:
    """Look through the log once, so that images that aren't its are told before a name is."""
    annotator = Annotator(images, log)
    for number in log.lines:
        annotator.take(number)
    for image in images.images:
        image.distrusted = image.fit.wrong


class Annotator:
    """Line after line. ``log``: what survey() found, when it could be read before: then nothing is late."""

    def __init__(self, images: Images, log: Survey | None = None) -> None:
        self.images = images
        self._lines = Lines()
        self._number = -1
        self._log = log
        self._ahead = log.facts if log is not None else []
        self._waiting: list[Address] = []
        self.unknown: dict[int, Address] = {}  # where it executed, or returns to, that no image has code at
        for _, fact in reversed(self._ahead):
            if isinstance(fact, Slide):  # what is said first holds from the first line on
                images.slide(fact)
        for _, fact in self._ahead:
            if isinstance(fact, Code):
                images.check(fact)

    def feed(self, text: str) -> Annotated:
        """The next line."""
        if self._log is not None and self._log.complete:
            return self.take(self._number + 1)
        self._number += 1
        return self._annotate(*self._lines.read(text))

    def take(self, number: int) -> Annotated:
        """A line of the survey."""
        self._number = number
        return self._annotate(*self._log.lines.get(number, ([], [])) if self._log is not None else ([], []))

    def _annotate(self, addresses: list[Address], facts: list[Fact]) -> Annotated:
        late = [named for fact in facts for named in self._take(fact)]
        named: list[Named] = []
        for address in addresses:
            found = self.images.find(address)
            if found is not None:
                named.append(found)
            elif address.value >= _TOP and self.images.waits and len(self._waiting) < _LATE:
                self._waiting.append(address)
            else:
                self._miss(address)
        return Annotated(named, late)

    def _miss(self, address: Address) -> None:
        if address.kind in ("pc", "return") and address.value and len(self.unknown) < _MOST:
            self.unknown[address.value] = address

    def _take(self, fact: Fact) -> list[Named]:
        if isinstance(fact, Code):
            if not self._ahead:
                self.images.check(fact)
            return []
        if isinstance(fact, Crash):
            self._waiting.clear()
            if fact.slide:
                self.images.unknown_again()
                if (slide := self._next_slide()) is not None:
                    self.images.slide(slide)
            return []
        self.images.slide(fact)
        late: list[Named] = []
        for address in self._waiting:
            found = self.images.find(address)
            if found is not None:
                late.append(found)
            else:
                self._miss(address)
        self._waiting.clear()
        return late

    def _next_slide(self) -> Slide | None:
        """The one that belongs to the dump that begins in this line."""
        for number, fact in self._ahead:
            if number > self._number:
                if isinstance(fact, Crash):
                    return None
                if isinstance(fact, Slide) and fact.image == "nanos":
                    return fact
        return None


def annotate(lines: Iterable[str], modules: "Iterable[Module]") -> Iterator[tuple[str, list[Named]]]:
    """Each line with its addresses named, by modules that lie where their bias says."""
    annotator = Annotator(Images([Image(module, placed=True) for module in modules]))
    for text in lines:
        yield text, annotator.feed(text).named
