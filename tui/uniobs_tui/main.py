"""uniobs tui: the command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from uniobs.cli import args
from uniobs.errors import EXIT_OK, UsageError

DOC = """\
TARGET: as everywhere (a name, pid, core, recording). Without one, or with more than one file: every guest on
this host, and those files. ? shows the keys. Settings may be kept in uniobs/tui.toml of the configuration
directory: keys, theme, interval, and a [keymap] of one's own.
"""


def make_parser() -> args.Parser:
    parser = args.parser("tui", "The terminal UI.", words="[FILE...]", doc=DOC)
    add = parser.add_argument
    add("--keys", choices=("htop", "vim", "k9s"), help="whose habits the keys follow (htop)")
    add("--theme", choices=("auto", "dark", "light", "16"), help="colours; 16: the terminal's own (auto)")
    add("--interval", type=args.positive(float), metavar="S", help="seconds between two looks (1)")
    add("--serve", action="store_true", help="show it in a browser, on this host only")
    add("--port", type=args.positive(int), metavar="N", help="with --serve (any free one)")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    spec, words = args.split_target(options)
    files = [] if spec is None else [spec, *words]
    if words and (missing := [word for word in files if not os.path.exists(word)]):
        raise UsageError(f"{missing[0]} is no file: name one target, or files to stand beside the guests")
    if options.serve:
        from uniobs_tui.serve import serve

        return serve(argv, options.port)
    if options.port is not None:
        raise UsageError("--port goes with --serve")
    from uniobs_tui.keys import settings

    chosen = settings(options.keys, options.theme, options.interval)
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and not os.environ.get("TEXTUAL_DRIVER"):
        raise UsageError("the terminal UI needs a terminal: uniobs ls, why and ps answer without one")
    return show(spec if not words else None, options.at, options.image, files if words else [], chosen)


def show(spec: str | None, at: str | None, images: list[str], files: list[str], chosen: object) -> int:
    """Open the screen. Raises what kept the only target from being opened."""
    from uniobs_tui.background import BackgroundQuery

    query = BackgroundQuery(os.environ) if getattr(chosen, "theme", "") == "auto" else None
    try:
        from uniobs_tui.app import UniobsApp
    finally:
        background = query.answer() if query is not None else None
    app = UniobsApp(
        images=images, spec=spec, at=at, files=files, settings=chosen, background=background  # type: ignore[arg-type]
    )  # fmt: skip
    with _drawn():
        code = app.run()
    if app.failure is not None:
        raise app.failure
    return code or EXIT_OK


@contextmanager
def _drawn() -> Iterator[None]:
    """Textual draws on stderr: where that was sent elsewhere, it gets the terminal meanwhile."""
    if os.isatty(2) or not os.isatty(1):
        yield
        return
    kept = os.dup(2)
    os.dup2(1, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
