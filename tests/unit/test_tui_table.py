"""LineTable: the cursor, sorting, searching, filtering; driven by keys as a person does it."""

from collections.abc import Sequence

from textual import events
from textual.pilot import Pilot

from support.screens import text
from support.tables import COLUMNS, ROWS, Row, drive, names, source
from uniobs.model.view import Table
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable


def lines(pilot: Pilot[None]) -> list[str]:
    return [line for line in text(pilot.app).split("\n") if line]


def test_the_cursor_stays_on_its_row() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        await pilot.press("down", "down")
        assert table.key == 3
        table.show(source(Row(9, "first"), *ROWS))
        assert table.key == 3 and table.cursor == 3
        table.show(source(*ROWS[:2]))  # it's gone
        assert table.cursor == 1
        table.show(source())
        assert table.key is None

    drive(source(*ROWS), script)


def test_sorting_by_keys() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        await pilot.press("down", "down", "greater_than_sign")  # by tid, the largest first
        assert names(table) == ["worker-2", "worker-1", "idle", "main"] and table.key == 3
        await pilot.press("greater_than_sign")
        assert names(table) == ["idle", "main", "worker-1", "worker-2"]
        await pilot.press("greater_than_sign")
        assert names(table) == ["worker-1", "worker-2", "main", "idle"], "what isn't known comes last"
        await pilot.press("I")
        assert names(table) == ["main", "worker-2", "worker-1", "idle"], "both ways"
        assert "%CPU▲" in lines(pilot)[0]
        table.show(source(Row(5, "late", 1.0), *ROWS))
        assert names(table)[1] == "late"
        await pilot.press("greater_than_sign")
        assert names(table)[0] == "late", "beyond the last column: as they come"

    drive(source(*ROWS), script)


def test_the_sort_menu() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        await pilot.press("f6", "down", "enter")
        await pilot.pause()
        assert names(table) == ["idle", "main", "worker-1", "worker-2"]
        await pilot.press("f6", "enter")
        await pilot.pause()
        assert names(table) == ["worker-2", "worker-1", "main", "idle"], "again: the other way"
        await pilot.press("f6", "escape")
        await pilot.pause()
        assert names(table)[0] == "worker-2"

    drive(source(*ROWS), script, size=(40, 20))


def test_searching() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        assert table.search("work") == "" and table.key == 3
        assert table.search("work") == "" and table.key == 4
        assert table.search("work") == "" and table.key == 3, "around the end"
        assert table.search("work", -1) == "" and table.key == 4
        assert table.search("MAIN") == "no match for /MAIN/" and table.key == 4
        assert table.search("^2 ID.*", 0) == "no match for /^2 ID.*/"
        table.search("")
        assert table.search("m", 0) == "" and table.key == 1
        assert table.search("ma", 0) == "" and table.key == 1
        assert table.search("w", 0) == "" and table.key == 4, "typed anew, it begins where it began"

    drive(source(*ROWS), script)


def test_what_a_search_found_is_lit() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        table.search("worker")
        match = table.get_component_rich_style("table--match").bgcolor
        strip = table.render_line(4)
        lit = [segment.text for segment in strip if segment.style and segment.style.bgcolor == match]
        assert lit == ["worker"]
        table.search("3 worker-.")
        lit = [s.text for s in table.render_line(3) if s.style and s.style.bgcolor == match]
        assert lit == ["3", "worker-1"], "over columns"

    drive(source(*ROWS), script)


def test_filtering() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        await pilot.press("end")
        table.set_filter("worker")
        assert names(table) == ["worker-1", "worker-2"] and table.key == 4
        await pilot.pause()
        assert "2 of 4" in lines(pilot)[0]
        await pilot.press("greater_than_sign")
        assert names(table) == ["worker-2", "worker-1"]
        table.show(source(*ROWS, Row(8, "worker-9")))
        assert names(table) == ["worker-9", "worker-2", "worker-1"] and table.key == 4
        table.set_filter("")
        assert table.count == 5 and table.key == 4
        table.set_filter("main(")  # no expression: stands for itself
        assert table.count == 0

    drive(source(*ROWS), script)


def test_a_pattern_that_never_ends() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        table.set_filter("(x+x+)+y")
        assert "too long" in table.note() and table.count == 2
        assert "too long" in table.search("(x+x+)+y")
        assert table.lit is None

    drive(source(Row(1, "x" * 60), Row(2, "y")), script)


def test_tags() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        await pilot.press("space", "space", "up", "space")
        assert table.tagged == {1}
        await pilot.press("U")
        assert not table.tagged

    drive(source(*ROWS), script)


def test_the_mouse() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        await pilot.click(LineTable, offset=(2, 3))
        assert table.key == 3
        await pilot.click(LineTable, offset=(2, 3), times=2)
        assert pilot.app.chosen == [3]
        await pilot.click(LineTable, offset=(5, 0))
        assert names(table) == ["idle", "main", "worker-1", "worker-2"]
        await pilot.click(LineTable, offset=(5, 0))
        assert names(table)[0] == "worker-2"
        await pilot.click(LineTable, offset=(5, 7))  # below the last row
        assert table.key == 3

    drive(source(*ROWS), script)


def test_columns_keep_their_widths() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        wide = lines(pilot)[0].index("%CPU")
        table.show(source(Row(1, "m", 0.5)))
        await pilot.pause()
        assert lines(pilot)[0].index("%CPU") == wide

    drive(source(*ROWS), script)


def test_guest_text_cannot_steer() -> None:
    hostile = ("\x1b[2J\x1b[H", "a\nb\rc", "\u202eabc", "漢字" * 30, "e" + "\u0301" * 50, "\x9b31m", "\t")

    class Raw(TableSource):
        """A source that forgot to make its cells safe."""

        def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]:
            return [("1", name, "") for name in hostile[start:stop]]

    async def script(pilot: Pilot[None], table: LineTable) -> None:
        for y in range(8):
            strip = table.render_line(y)
            assert strip.cell_length == table.scrollable_content_region.width
            assert strip.text.isprintable()

    drive(Raw(Table(COLUMNS, [Row(n, "") for n in range(len(hostile))]), "tid"), script, size=(30, 9))


def test_small_screens_and_storms() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        for width, height in ((20, 5), (1, 1), (200, 60), (3, 2), (80, 24), (20, 5)) * 3:
            await pilot.resize_terminal(width, height)
            await pilot.press("down")
        await pilot.pause()
        assert any(line.split()[0] == str(table.key) for line in lines(pilot)[1:])

    drive(source(*(Row(n, f"thread-{n}", n / 10) for n in range(500))), script)


def test_sideways() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        assert "END" not in text(pilot.app)
        await pilot.press("right", "right", "right")
        assert "END" in text(pilot.app)
        await pilot.press("left", "left", "left", "left")
        assert lines(pilot)[1].startswith("  1")

    drive(source(Row(1, "x" * 40 + "END")), script)


def test_following_the_end() -> None:
    def rows(count: int) -> TableSource:
        return source(*(Row(n, f"line {n}") for n in range(count)))

    async def script(pilot: Pilot[None], table: LineTable) -> None:
        assert table.key == 49 and "line 49" in text(pilot.app)
        table.show(rows(60))
        await pilot.pause()
        assert table.key == 59 and "line 59" in text(pilot.app)
        await pilot.press("up")
        table.show(rows(70))
        await pilot.pause()
        assert table.key == 58 and "F: follow" in lines(pilot)[0]
        await pilot.press("F")
        assert table.key == 69
        await pilot.press("home", "end")
        table.show(rows(80))
        assert table.key == 79, "at the end it follows"

    drive(rows(50), script, tail=True)


def test_the_wheel() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        assert table.following
        for _ in range(4):
            table.post_message(wheel(events.MouseScrollUp, table))
            await pilot.pause()
        await pilot.pause()
        assert not table.following and f"line {table.cursor}" in text(pilot.app) and table.cursor < 49
        for _ in range(40):
            table.post_message(wheel(events.MouseScrollDown, table))
            await pilot.pause()
        assert "line 49" in text(pilot.app) and table.cursor == 49 and table.following

    def wheel(kind: type[events.MouseEvent], table: LineTable) -> events.MouseEvent:
        at = table.region
        return kind(
            table, 2, 2, 0, 1, 0, False, False, False, screen_x=at.x + 2, screen_y=at.y + 2, style=None
        )

    drive(source(*(Row(n, f"line {n}") for n in range(50))), script, tail=True)
