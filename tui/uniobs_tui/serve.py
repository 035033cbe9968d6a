"""uniobs tui --serve: the screen in a browser, through textual-serve; on loopback, for who has the token."""

import hmac
import logging
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from uniobs.errors import EXIT_INTERRUPTED, NotOffered, OutputError

HOST: Final = "127.0.0.1"
COOKIE: Final = "uniobs-token"
ONLY_OURS: Final = ("--serve",)


def serve(argv: Sequence[str], port: int | None) -> int:
    """Until Ctrl-C. Raises NotOffered when textual-serve isn't installed."""
    try:
        from textual_serve.server import Server
    except ImportError:
        raise NotOffered("textual-serve isn't installed: pip install 'uniobs[serve]'") from None
    token = secrets.token_urlsafe(24)
    number = port or _free_port()
    command = shlex.join([sys.executable, "-m", "uniobs.cli.main", "tui", *_inner(argv)])
    server = _guarded(Server, token)(command, host=HOST, port=number, title="uniobs")
    logging.getLogger("textual-serve").setLevel(logging.ERROR)
    sys.stdout.write(f"http://{HOST}:{number}/?token={token}\nCtrl-C ends it.\n")
    sys.stdout.flush()
    try:
        server.serve()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:
        raise OutputError(f"port {number} can't be served: {error.strerror or error}") from error
    return 0


def _inner(argv: Sequence[str]) -> list[str]:
    """The command line of the one that draws: ours without --serve and --port."""
    out: list[str] = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word == "--port":
            skip = True
        elif word not in ONLY_OURS and not word.startswith("--port="):
            out.append(word)
    return out


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def allowed(token: str, given: str | None) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())


def same_origin(host: str, origin: str | None) -> bool:
    """Whether a request comes from our own page: names of this host are ours, others may be rebound to it."""
    name = host.rpartition(":")[0] or host
    return name in (HOST, "localhost") and (origin is None or urlsplit(origin).netloc == host)


def _guarded(base: type, token: str) -> type:
    """textual-serve's server, which answers nothing without the token."""
    from aiohttp import web

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not same_origin(request.host, request.headers.get("Origin")):
            raise web.HTTPForbidden(text="not from here\n")
        given = request.query.get("token")
        if allowed(token, given):
            answer = web.HTTPFound("/")
            answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
            return answer
        if not allowed(token, request.cookies.get(COOKIE)):
            raise web.HTTPForbidden(text="the URL that was printed has a token in it: open that one\n")
        return await handler(request)

    class Guarded(base):  # type: ignore[misc]
        def initialize_logging(self) -> None:
            """Its log would stand between the lines of the terminal."""

        async def _make_app(self) -> Any:
            app = await super()._make_app()
            app.middlewares.append(guard)
            return app

        async def on_startup(self, app: Any) -> None:
            """No banner: what is to be opened has been said."""

    return Guarded


__all__ = ["allowed", "same_origin", "serve"]

