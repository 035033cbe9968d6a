"""Calls, packets and log on the screen: as they look, and by keys from one to the next."""

from pathlib import Path
from typing import Any

import pytest

from support import screens
from tests.support.server import Server
from tests.support.story import told
from uniobs.errors import NotOffered
from uniobs_tui.app import UniobsApp
from uniobs_tui.hexview import HexView
from uniobs_tui.homepoll import Host
from uniobs_tui.keys import Settings
from uniobs_tui.session import Session
from uniobs_tui.table import LineTable

BODY = "#body"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(told(tmp_path_factory.mktemp("tui") / "kv.uniobs"))


def app(file: str, theme: str = "dark") -> Any:
    return lambda: UniobsApp(Session(file), place=Host(processes=False), settings=Settings(theme=theme))


async def typed(pilot: Any, text: str) -> None:
    await pilot.press(*("space" if char == " " else char for char in text))
    await screens.settle(pilot)


async def opened(pilot: Any, view: str) -> None:
    await screens.press(pilot, {"trace": "s", "log": "d", "packets": "P"}[view])


@pytest.mark.parametrize(
    ("theme", "size"),
    [("dark", screens.SMALL), ("light", screens.SMALL), ("dark", screens.LARGE), ("light", screens.LARGE)],
    ids=["dark-80x24", "light-80x24", "dark-200x60", "light-200x60"],
)
def test_as_they_look(story: str, theme: str, size: tuple[int, int]) -> None:
    async def script(pilot: Any) -> None:
        where = f"{theme}-{size[0]}x{size[1]}"
        for view in ("trace", "log", "packets"):
            await opened(pilot, view)
            screens.check(pilot.app, f"{view}-{where}", only=BODY)
        await screens.press(pilot, "home", "down", "down", "enter", "end", "up", "up")
        screens.check(pilot.app, f"packet-{where}", only=BODY)

    screens.drive(app(story, theme), script, size)


def test_from_a_line_to_its_calls_to_their_packets_and_back(story: str) -> None:
    async def script(pilot: Any) -> None:
        await opened(pilot, "log")
        await screens.press(pilot, "home", "enter")  # worker-2's first line
        seen = screens.text(pilot.app)
        assert "only calls of worker-2" in seen and "worker-1 " not in seen
        await screens.press(pilot, "home", "down", "enter")
        seen = screens.text(pilot.app)
        assert "packets of worker-2, filter: host 10.0.2.2 and port 40001" in seen and "5 of 80" in seen
        assert "40003" not in seen
        await screens.press(pilot, "escape")
        assert "calls of worker-2" in screens.text(pilot.app)
        await screens.press(pilot, "end", "P")
        assert "host 10.0.2.2 and port (40015 or 40013 or 40011" in screens.text(pilot.app)
        assert "40 of 80" in screens.text(pilot.app)
        await screens.press(pilot, "escape", "escape")
        assert "MESSAGE" in screens.text(pilot.app)

    screens.drive(app(story), script, (120, 30))


def test_a_filter_of_packets_is_judged_as_it_is_typed(story: str) -> None:
    async def script(pilot: Any) -> None:
        await opened(pilot, "packets")
        await typed(pilot, "\\tcp port")
        assert "parse" in screens.text(pilot.app).split("\n")[-1]
        await typed(pilot, " 40003")
        assert "parse" not in screens.text(pilot.app).split("\n")[-1]
        await screens.press(pilot, "enter")
        assert "5 of 80" in screens.text(pilot.app)
        await screens.press(pilot, "escape")
        assert " of 80" not in screens.text(pilot.app)

    screens.drive(app(story), script)


@pytest.mark.parametrize(
    ("view", "text", "there", "gone"),
    [
        ("trace", "%network", "accept(", "open("),
        ("trace", "!%network", "open(", "recv("),
        ("trace", "ENOENT", "ENOENT", "accept("),
        ("log", "-l err+", "disk", "GET"),
        ("log", "none.*404", "404", "200"),
    ],
)
def test_filters_of_calls_and_lines(story: str, view: str, text: str, there: str, gone: str) -> None:
    async def script(pilot: Any) -> None:
        await opened(pilot, view)
        await typed(pilot, "\\" + text)
        await screens.press(pilot, "enter")
        shown = "\n".join(line for line in screens.text(pilot.app).split("\n")[4:] if "only" not in line)
        rows = shown.split("───")[0]
        assert there in rows and gone not in rows

    screens.drive(app(story), script, (120, 40))


def test_a_field_lights_its_bytes(story: str) -> None:
    async def script(pilot: Any) -> None:
        await opened(pilot, "packets")
        await screens.press(pilot, "home", "down", "down", "enter")
        view = pilot.app.screen.query_one(HexView)
        await screens.press(pilot, *["down"] * 3)
        assert view._lit == (12, 14), "Ethernet's type"
        lit = view.get_component_rich_style("hex--lit").bgcolor
        found = [part.text for part in view.render_line(0) if part.style and part.style.bgcolor == lit]
        assert "".join(found).startswith("08 00")
        await screens.press(pilot, "escape")
        assert not pilot.app.screen.query_one("PacketDetail").display
        assert isinstance(pilot.app.focused, LineTable)

    screens.drive(app(story), script)


def test_following_a_connection(story: str) -> None:
    async def script(pilot: Any) -> None:
        await opened(pilot, "packets")
        await screens.press(pilot, "home", "f")
        await screens.settle(pilot)
        seen = screens.text(pilot.app)
        assert "> 10.0.2.2:40001   < 10.0.2.15:80" in seen
        for said in ("> GET /kv/key-0 HTTP/1.1", "< HTTP/1.1 200 OK", "< value 0"):
            assert said in seen
        await screens.press(pilot, "escape")
        assert "INFO" in screens.text(pilot.app)

    screens.drive(app(story), script, (100, 30))


def test_back_in_time(story: str) -> None:
    async def script(pilot: Any) -> None:
        await opened(pilot, "log")
        assert "flood 39" in screens.text(pilot.app) and "slots lost" in screens.text(pilot.app)
        await screens.press(pilot, *["left_square_bracket"] * 2)
        seen = screens.text(pilot.app)
        assert "flood" not in seen and "key-5" in seen and "key-6" not in seen
        await screens.press(pilot, "s")
        assert "key-5" not in screens.text(pilot.app) or "key-6" not in screens.text(pilot.app)
        await screens.press(pilot, "0", "d")
        assert "flood 39" in screens.text(pilot.app)

    screens.drive(app(story), script, (100, 60))


def test_a_guest_without_a_packet_ring_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()

    def without(question: str) -> Any:
        raise NotOffered(f"kv doesn't offer {question}: its kernel keeps none")

    monkeypatch.setattr(server.guest, "walker", without)
    monkeypatch.setattr("uniobs_tui.session.open_target", lambda *_, **__: server.guest)

    async def script(pilot: Any) -> None:
        await opened(pilot, "packets")
        seen = " ".join(screens.text(pilot.app, BODY).split())
        assert "kv doesn't offer packets: its kernel keeps none." in seen
        assert "uniobs tcpdump --vmm kv" in seen
        await opened(pilot, "trace")
        assert "links the stub" in " ".join(screens.text(pilot.app, BODY).split())

    screens.drive(app("kv"), script)


def test_a_search_takes_what_it_found_while_it_was_typed(story: str) -> None:
    async def script(pilot: Any) -> None:
        await opened(pilot, "trace")
        await screens.press(pilot, "home")
        rows = pilot.app.screen.query_one("#rows", LineTable)
        places = []
        for keys in (("slash", *"open"), ("enter",), ("n",), ("N",), ("slash", "enter")):
            await screens.press(pilot, *keys)
            places.append(rows.cursor)
        first, following = places[0], places[2]
        assert places == [first, first, following, first, following] and following == first + 5
        await screens.press(pilot, "escape")
        assert rows.lit is None

    screens.drive(app(story), script)
