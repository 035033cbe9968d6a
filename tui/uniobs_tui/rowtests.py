"""What rows of streams can be asked besides their text: whose they are, which call, which packet."""

import re
from collections.abc import Sequence
from typing import Any, Final

from uniobs.errors import UsageError
from uniobs_probes.views.log_text import parse_levels
from uniobs_probes.views.strace_filter import parse_filter
from uniobs_tui.search import limited

WORD: Final = re.compile(r"[\w.:-]+")
NAMED: Final = frozenset({"port", "portrange", "proto", "protochain"})  # what follows is no host
FLAGS: Final = ("tcp-", "icmp-", "icmp6-")
WORDS: Final = frozenset(
    "aarp ah and arp atalk broadcast clnp decnet dst esis esp ether fddi gateway greater host icmp icmp6 "
    "icmp6code icmp6type icmpcode icmptype igmp igrp inbound ip ip6 ipx isis iso lat len less link llc mask "
    "mopdl moprc mpls multicast net netbeui not or outbound pim port portrange pppoed pppoes proto "
    "protochain rarp sca sctp src stp tcp tcpflags tr udp vlan vrrp wlan".split()
)


class OfThread:
    """Rows of one thread; what was lost may have been its too."""

    def __init__(self, tid: int) -> None:
        self.tid = tid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OfThread) and other.tid == self.tid

    def __hash__(self) -> int:
        return hash(self.tid)

    def passing(self, source: Any, indexes: Sequence[int]) -> Sequence[int]:
        return [i for i in indexes if source.tid(i) == self.tid or source.is_note(i)]


class OfText:
    """Equal when their texts are."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, OfText) and other.text == self.text

    def __hash__(self) -> int:
        return hash((type(self), self.text))


class OfCalls(OfText):
    """strace's -e: ``%network``, ``!%file``, ``open,close``. Raises UsageError."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._wanted = parse_filter(text)

    def passing(self, source: Any, indexes: Sequence[int]) -> Sequence[int]:
        with limited():
            return [i for i in indexes if source.is_note(i) or self._wanted(_name(source, i))]


class OfLevels(OfText):
    """dmesg's -l: ``err+``, ``warn,err``. Raises UsageError."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._wanted = parse_levels(text)

    def passing(self, source: Any, indexes: Sequence[int]) -> Sequence[int]:
        return [i for i in indexes if source.is_note(i) or source.number(i) in self._wanted]


class OfPackets(OfText):
    """pcap-filter(7), but that no host's name is looked up: that may take for ever, with each key that is
    typed. Raises UsageError with libpcap's words, NotOffered without it."""

    def __init__(self, text: str) -> None:
        from uniobs.export.bpf import Filter

        super().__init__(text)
        refuse_names(text)
        self._filter = Filter(text)

    def passing(self, source: Any, indexes: Sequence[int]) -> Sequence[int]:
        passes = self._filter
        return [i for i in indexes if source.is_note(i) or passes(source.data(i), source.number(i) or 0)]

    def __del__(self) -> None:
        if hasattr(self, "_filter"):
            self._filter.close()


def refuse_names(text: str) -> None:
    """Raises UsageError for a word that libpcap would take for a host's name."""
    before = ""
    for word in WORD.findall(text):
        known = word in WORDS or word.startswith(FLAGS) or before in NAMED
        if word[0].isalpha() and ":" not in word and not known:
            raise UsageError(f"{word}: hosts' names aren't looked up here, say their addresses")
        before = word


def _name(source: Any, index: int) -> str:
    """The call's name: what its text begins with."""
    text: str = source.cells(index, index + 1)[0][-1]
    return text.removeprefix("<... ").partition("(")[0].partition(" resumed>")[0]
