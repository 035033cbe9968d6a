"""One table on a terminal of its own, measured from inside: python -m tests.bench.tui_child KIND ROWS FILE"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Hashable, Sequence
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import DataTable

from uniobs_tui.table import LineTable

FRAMES = 40
HEADERS = ("NO", "TIME", "SOURCE", "DESTINATION", "PROTO", "LENGTH", "INFO", "MORE")


def cells(number: int) -> tuple[str, ...]:
    return (
        str(number), f"{number / 1000:.6f}", f"10.0.2.{number % 200}", "10.0.2.15",
        "TCP", str(number * 7919 % 1500), f"Flags [P.], seq {number}:{number + 118}, length 118", "-",
    )  # fmt: skip


class Many:
    """Rows that are made when they're drawn, and one column of numbers."""

    headers: Sequence[str] = HEADERS
    aligns: Sequence[str] = ("right", "right", "left", "left", "left", "right", "left", "left")

    def __init__(self, count: int) -> None:
        import numpy as np

        self._count = count
        self._lengths = np.empty(count, np.int16)
        for at in range(0, count, 1 << 16):
            some = np.arange(at, min(at + (1 << 16), count), dtype=np.int64)
            self._lengths[at : at + len(some)] = some * 7919 % 1500

    def __len__(self) -> int:
        return self._count

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]:
        return [cells(number) for number in range(start, min(stop, self._count))]

    def key(self, index: int) -> Hashable:
        return index

    def find(self, key: Hashable) -> int | None:
        return key if isinstance(key, int) else None

    def column(self, number: int) -> Any:
        return self._lengths if number == 5 else None

    def style(self, index: int) -> str:
        return "bad" if index % 11 == 0 else ""

    def widths(self) -> Sequence[int]:
        return (9, 14, 12, 12, 5, 6, 40, 4)


class Bench(App[None]):
    def __init__(self, kind: str, count: int) -> None:
        super().__init__()
        self._kind, self._count = kind, count
        self.told: dict[str, float] = {}

    def compose(self) -> ComposeResult:
        if self._kind == "line":
            yield LineTable(Many(self._count))
        else:
            yield DataTable(cursor_type="row")

    def on_mount(self) -> None:
        self.run_worker(self._measure(), exit_on_error=True)

    async def _painted(self) -> None:
        done = asyncio.Event()
        self.call_after_refresh(done.set)
        await done.wait()

    async def _measure(self) -> None:
        begun = time.perf_counter()
        if self._kind != "line":
            table: Any = self.query_one(DataTable)
            table.add_columns(*HEADERS)
            table.add_rows(cells(number) for number in range(self._count))
        else:
            table = self.query_one(LineTable)
        table.focus()
        await self._painted()
        self.told["filled_s"] = time.perf_counter() - begun
        await self._frames(table)
        self.told["rss_mib"] = _rss()
        if self._kind == "line":
            await self._blocks(table)
            self.told["rss_sorted_mib"] = _rss()
        self.exit()

    async def _frames(self, table: Any) -> None:
        """A page on: every line is another one."""
        for _ in range(4):
            await self._page(table)
        begun = time.process_time()
        for _ in range(FRAMES):
            await self._page(table)
        self.told["frame_ms"] = (time.process_time() - begun) / FRAMES * 1e3

    async def _page(self, table: Any) -> None:
        if self._kind == "line":
            table.action_page(1)
        else:
            table.action_page_down()
        await self._painted()

    async def _blocks(self, table: LineTable) -> None:
        """The longest that the screen's thread worked at a time while rows were sorted, then filtered; in its
        own CPU time, since others may have the processor meanwhile."""
        for name, act in (
            ("sort", lambda: table.sort_by(5)),
            ("filter", lambda: (table.sort_by(None), table.set_filter("length 11[0-9].*"))),
        ):
            begun = time.perf_counter()
            cpu = time.thread_time()
            act()
            worst = time.thread_time() - cpu
            while table._arranger.progress is not None and time.perf_counter() - begun < 8:
                cpu = time.thread_time()
                await asyncio.sleep(0.005)
                worst = max(worst, time.thread_time() - cpu)
            self.told[f"{name}_s"] = time.perf_counter() - begun
            self.told[f"{name}_block_ms"] = worst * 1e3


def _rss() -> float:
    """The most so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    kind, count, path = sys.argv[1:]
    app = Bench(kind, int(count))
    app.run()
    with open(path, "w", encoding="utf-8") as file:
        json.dump(app.told, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
