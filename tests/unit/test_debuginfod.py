"""Debug files from servers: real HTTP on loopback, Debian's own debuginfod, and servers that misbehave."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.build import need
from support.cli import uniobs
from support.crashlog import kernel
from uniobs.image import debuginfod
from uniobs.image.elf import Elf
from uniobs.image.module import Module

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, bytes]:
    """(an image without debug information, its debug file's bytes)"""
    need("objcopy", "strip")
    path = kernel(tmp_path, "app", "-Wl,--build-id=sha1").path
    debug = tmp_path / "kept" / "app.debug"
    debug.parent.mkdir()
    subprocess.run(["objcopy", "--only-keep-debug", path, debug], check=True)
    subprocess.run(["strip", "-g", path], check=True)
    return path, debug.read_bytes()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def server(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """(its URL, the paths that were asked for)"""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that had enough closes the connection."""

    httpd = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}", asked
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def sends(data: bytes, length: int | None = None, status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        if length != -1:
            request.send_header("Content-Length", str(len(data) if length is None else length))
        request.end_headers()
        request.wfile.write(data)

    return answer


def doctor() -> dict[str, Any]:
    rows = uniobs("doctor", "--json", expect=None).rows
    return next(row for row in rows if row["check"] == "debuginfod")


def kept() -> list[str]:
    folder = debuginfod.directory()
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_debug_file_is_fetched_once(image: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path, debug = image
    identity = Elf(path).build_id
    with server(sends(debug)) as (url, asked):
        assert Module.load(path).debug is None and not asked, "nobody is asked who wasn't named"
        monkeypatch.setenv(debuginfod.URLS, f"file:///etc {url}/ ftp://example.invalid")
        module = Module.load(path)
        assert module.debug is not None and asked == [f"/buildid/{identity}/debuginfo"]
        start = (module.symbol("deref") or (0, 0))[0]
        assert module.symbolise(start)[0].line == 10
        assert kept() == [f"{identity}.debug"]
    assert Module.load(path).debug is not None, "the server is gone, the file is there"
    assert len(asked) == 1


def cut(debug: bytes) -> bytes:
    return debug[: len(debug) // 2]


STRANGERS: dict[str, Callable[[bytes], Answer]] = {
    "absent": lambda _: sends(b"no", status=404),
    "garbage": lambda _: sends(b"garbage" * 1000),
    "empty": lambda _: sends(b""),
    "another image": lambda _: sends(Path("/proc/self/exe").resolve().read_bytes()),
    "cut short": lambda debug: sends(cut(debug), len(debug)),
    "cut without saying": lambda debug: sends(cut(debug)[: 1 << 20]),
    "huge": lambda debug: sends(debug, 1 << 40),
    "error": lambda debug: sends(debug, status=500),
    "encoded": lambda debug: sends(debug, Content_Encoding="gzip"),
    "to a file": lambda _: sends(b"", status=302, Location="file:///etc/passwd"),
    "to itself": lambda _: sends(b"", status=302, Location="/buildid/again"),
    "nonsense": lambda _: lambda request: request.wfile.write(b"\0\0\0 nonsense\r\n\r\n") and None,
    "silence": lambda _: lambda request: time.sleep(0.6),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_servers_that_have_no_such_file(
    image: tuple[Path, bytes], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cost nothing but the file: none is kept, and for a while they aren't asked again."""
    path, debug = image
    identity = Elf(path).build_id or ""
    with server(STRANGERS[kind](debug)) as (url, asked):
        monkeypatch.setenv(debuginfod.URLS, url)
        if kind == "cut without saying":
            found = debuginfod.fetch(identity, seconds=0.3)
            assert found is None or Elf(found).build_id == identity
            return
        assert debuginfod.fetch(identity, seconds=0.3) is None
        assert asked and kept() == [f"{identity}.missing"]
        count = len(asked)
        assert debuginfod.fetch(identity, seconds=0.3) is None and len(asked) == count
        with server(sends(debug)) as (other, _):
            monkeypatch.setenv(debuginfod.URLS, f"{url} {other}")
            assert debuginfod.fetch(identity, seconds=0.3) is not None, "the next one has it"


def test_a_server_that_never_ends(image: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = image

    def drips(request: BaseHTTPRequestHandler) -> None:
        sends(b"", -1)(request)
        while True:
            request.wfile.write(b"x")
            time.sleep(0.05)

    def pours(request: BaseHTTPRequestHandler) -> None:
        sends(b"", -1)(request)
        while True:
            request.wfile.write(bytes(1 << 16))

    identity = Elf(path).build_id or ""
    for answer in (drips, pours):
        monkeypatch.setattr(debuginfod, "_LARGEST", 1 << 20)
        with server(answer) as (url, _):
            monkeypatch.setenv(debuginfod.URLS, url)
            assert debuginfod.fetch(identity, seconds=1, total=0.5) is None
        assert kept() == [f"{identity}.missing"]
        (debuginfod.directory() / f"{identity}.missing").unlink()


def test_being_offline_is_having_none(image: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command doesn't mention it; doctor does."""
    path, debug = image
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"  # bound, not listening: refused
        monkeypatch.setenv(debuginfod.URLS, url)
        start = (Module.load(path).symbol("deref") or (0, 0))[0]
        ran = uniobs("symbolise", hex(start), "--image", path)
        assert ran.err == "" and ran.out == f"{start:#x}: deref+0x0\n"
        row = doctor()
        assert row["status"] == "missing" and url in row["detail"] and "refused" in row["detail"]
    with server(sends(debug, status=404)) as (url, _):
        monkeypatch.setenv(debuginfod.URLS, url)
        row = doctor()
        assert row["status"] == "ok"


def test_a_garbled_cache_is_fetched_anew(image: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path, debug = image
    identity = Elf(path).build_id or ""
    with server(sends(debug)) as (url, asked):
        monkeypatch.setenv(debuginfod.URLS, url)
        found = debuginfod.fetch(identity)
        assert found is not None
        found.write_bytes(b"garbled")
        assert debuginfod.fetch(identity) == found and found.read_bytes() == debug
        assert len(asked) == 2
    for odd in ("", "..", "../../etc", "zz" * 20, "ab", "a" * 41):
        assert debuginfod.fetch(odd) is None


@pytest.mark.timeout(60)
def test_debians_own_server(
    image: tuple[Path, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("debuginfod") is None:
        pytest.skip("debuginfod isn't installed")
    path, _ = image
    identity = Elf(path).build_id
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["debuginfod", "-F", "-p", str(port), "-d", str(tmp_path / "db"), str(tmp_path / "kept")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        monkeypatch.setenv(debuginfod.URLS, f"http://127.0.0.1:{port}")
        found = None
        for _ in range(200):
            if process.poll() is not None:
                pytest.fail((tmp_path / "log").read_text())
            found = debuginfod.fetch(identity or "")
            if found is not None:
                break
            for name in kept():
                (debuginfod.directory() / name).unlink()
            time.sleep(0.1)
        assert found is not None, (tmp_path / "log").read_text()
        module = Module.load(path)
        assert module.debug is not None and module.debug.build_id == identity
    finally:
        process.terminate()
        process.wait()
