"""The views of one guest. PANES is their order on the screen; each is imported when it is first opened."""

from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from uniobs_tui.panes.base import Pane


class PaneInfo(NamedTuple):
    """``where`` is module:class below uniobs_tui.panes."""

    name: str
    title: str
    key: str
    where: str


PANES: Final = (
    PaneInfo("overview", "Overview", "o", "overview:OverviewPane"),
    PaneInfo("threads", "Threads", "t", "threads:ThreadsPane"),
    PaneInfo("stacks", "Stacks", "b", "stacks:StacksPane"),
    PaneInfo("trace", "Calls", "s", "trace:TracePane"),
    PaneInfo("packets", "Packets", "P", "packets:PacketsPane"),
    PaneInfo("log", "Log", "d", "log:LogPane"),
    PaneInfo("locks", "Locks", "l", "locks:LocksPane"),
    PaneInfo("sockets", "Sockets", "i", "sockets:SocketsPane"),
    PaneInfo("memory", "Memory", "m", "memory:MemoryPane"),
    PaneInfo("counters", "Counters", "c", "counters:CountersPane"),
    PaneInfo("verdict", "Verdict", "w", "verdict:VerdictPane"),
    PaneInfo("registers", "Registers", "r", "registers:RegistersPane"),
    PaneInfo("hex", "Bytes", "x", "hexview:HexPane"),
    PaneInfo("virtio", "Devices", "v", "devices:DevicesPane"),
    PaneInfo("diff", "Diff", "D", "diff:DiffPane"),
)


def load(info: PaneInfo) -> "type[Pane]":
    module, _, name = info.where.partition(":")
    found: type[Pane] = getattr(import_module(f"uniobs_tui.panes.{module}"), name)
    return found
