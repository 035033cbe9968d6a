"""uniobs vmstat: one line an interval."""

import time
from collections.abc import Iterator

from uniobs.cli import args, render, session
from uniobs.errors import EXIT_OK, UsageError
from uniobs.model import registry

ABOUT = "Heap, switches, interrupts, packets and CPU of a guest; the first line is since its boot."
DOC = """\
In a recording: INTERVAL goes through it from its start to the moment, COUNT: only so many lines before it.
"""


def make_parser() -> args.Parser:
    parser = args.parser("vmstat", ABOUT, words="[INTERVAL [COUNT]]", doc=DOC)
    parser.add_argument("-n", "--one-header", action="store_true", help="the header only once")
    parser.add_argument("-w", "--wide", action="store_true", help="accepted")
    parser.add_argument("-t", "--timestamp", action="store_true", help="the time of each line, on this host")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        interval, count = _numbers(words)
        session.say_state(target, out)
        looks = target.walk(interval, count) if target.kind == "recording" else _looks(interval, target.live)
        sampler = registry.load(registry.VIEWS, "vmstat").sampler(target)
        for shown, _ in enumerate(looks):
            table = sampler()
            now = target.playback.now if target.kind == "recording" else time.time_ns()
            if out.json:
                rows = render.json_rows(table)
                if options.timestamp:
                    rows[0]["time_ns"] = now
                if count == 1:
                    out.object(render.envelope("vmstat", target.name, rows, table.notes, table.complete))
                else:
                    out.object({"schema": render.SCHEMA, "view": "vmstat", "target": target.name, **rows[0]})
            else:
                headers = shown == 0 or (not options.one_header and shown % 20 == 0)
                lines = render.text_lines(table, headers=True)
                if options.timestamp:
                    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now // 10**9))
                    lines[-2:] = [f"{lines[-2]}  time", f"{lines[-1]}  {when}"]
                for line in lines if headers else lines[-1:]:
                    out.line(line)
                for note in table.notes:
                    out.notice(note)
            out.flush()
            if count is not None and shown + 1 >= count:
                return EXIT_OK
        if target.kind == "recording":
            if count is not None:
                out.notice(f"the recording begins less than {count} lines before this moment")
        else:
            out.notice(f"{target.name} no longer runs: one line is all there is")
        return EXIT_OK


def _looks(interval: float, live: bool) -> Iterator[None]:
    yield
    while live:
        time.sleep(interval)
        yield


def _numbers(words: list[str]) -> tuple[float, int | None]:
    """(interval in seconds, count; None: for ever)."""
    try:
        numbers = [float(word) for word in words]
        interval = numbers[0] if numbers else 1.0
        count = None if len(numbers) == 1 else 1 if not numbers else int(numbers[1])
        if len(numbers) > 2 or not 0 < interval < 1e6 or (count is not None and count < 1):
            raise ValueError(words)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"vmstat takes INTERVAL [COUNT], not {' '.join(words)!r}") from error
    return interval, count
