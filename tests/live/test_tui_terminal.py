"""The terminal UI on a real terminal, and in what stands in for a browser."""

import asyncio
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import screens
from support.cli import UNIOBS, uniobs
from support.terminal import Terminal

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
PLAIN = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "NO_COLOR": ""}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(screens.recorded_shop(tmp_path_factory.mktemp("tui") / "shop.uniobs", 5, 3))


def test_without_arguments_it_opens_on_a_terminal() -> None:
    with Terminal([UNIOBS], PLAIN) as terminal:
        terminal.wait("uniobs")
        terminal.wait("Quit")
        terminal.keys("q")
        assert terminal.end() == 0


def test_elsewhere_it_says_what_there_is() -> None:
    out = uniobs().out
    assert "usage: uniobs COMMAND" in out and "\x1b" not in out


def test_a_recording_on_a_terminal(recording: str) -> None:
    with Terminal([UNIOBS, "tui", recording, "--at", "start", "--keys", "vim"], PLAIN, 24, 80) as terminal:
        terminal.wait("shop.uniobs")
        terminal.wait("22:14:20" if os.environ.get("TZ") == "UTC" else "recording")
        terminal.keys(":q\r")
        assert terminal.end() == 0


def test_mistakes_are_one_line(recording: str) -> None:
    assert "needs a terminal" in uniobs("tui", recording, expect=2).err
    with Terminal([UNIOBS, "tui", "/nowhere/at/all"], PLAIN) as terminal:
        said = terminal.wait("no such file")
        assert terminal.end() == 3
        assert "Traceback" not in said
    assert "is no file" in uniobs("tui", recording, "nowhere", expect=2).err
    assert "--serve" in uniobs("tui", "--port", "80", expect=2).err


@contextmanager
def served(*words: str) -> Iterator[str]:
    """The URL that was printed."""
    process = subprocess.Popen(
        [UNIOBS, "tui", "--serve", *words], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)


def test_a_browser_needs_the_token_and_gets_the_screen(recording: str) -> None:
    with served(recording) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", url), url
        base = url.partition("?")[0]
        _wait(base)
        for path in ("", "static/css/xterm.css", "ws", "?token=wrong"):
            assert _status(base + path) == 403, path
        assert _status(url, Host="evil.example") == 403
        assert _status(url, Origin="http://evil.example") == 403
        assert asyncio.run(_screen(url)).count(b"shop.uniobs")


def _status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _wait(url: str) -> None:
    import time

    limit = time.monotonic() + 30
    while True:
        try:
            _status(url)
            return
        except OSError:
            assert time.monotonic() < limit
            time.sleep(0.1)


async def _screen(url: str) -> bytes:
    """As textual-serve's page does: the cookie, then the socket, until the guest's name is drawn."""
    import aiohttp

    seen = b""
    jar = aiohttp.CookieJar(unsafe=True)  # it is an address, not a name
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        async with session.get(url) as page:
            assert page.status == 200 and "uniobs" in await page.text()
        place = url.partition("?")[0] + "ws?width=80&height=24"
        async with session.ws_connect(place, timeout=aiohttp.ClientWSTimeout(ws_close=5)) as socket:
            async for message in socket:
                seen += message.data if isinstance(message.data, bytes) else b""
                if b"shop.uniobs" in seen:
                    return seen
    return seen


def test_without_its_library_it_says_so(
    tmp_path: Path, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "textual_serve.py").write_text("raise ImportError\n", "utf-8")
    said = uniobs("tui", "--serve", recording, expect=5).one_line()
    assert "pip install 'uniobs[serve]'" in said
