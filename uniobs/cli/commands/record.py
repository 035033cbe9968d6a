"""uniobs record: what happens in a guest, into a file that is a target like any other."""

import signal
import time
from typing import Any

from uniobs.cli import args, session
from uniobs.cli.output import Output
from uniobs.errors import EXIT_INTERRUPTED, EXIT_OK, OutputError, TargetGone, UsageError

DOC = """\
Then: uniobs ps FILE, uniobs why FILE --at 12:00:03, uniobs strace FILE: every command takes a recording.
Ends at --for, at ^C, or when the guest is gone. What was seen is in the file at most a second later.
"""
SHARE = 20  # a look takes at most 1/SHARE of the time
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
TIMES = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def make_parser() -> args.Parser:
    parser = args.parser("record", "Record a running guest.", doc=DOC, force_is_own=True)
    parser.add_argument("-o", "--output", metavar="FILE", help="the recording (TARGET.uniobs)")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite FILE")
    rate = "looks a second, at most (10); never more than 5 %% of a core"
    parser.add_argument("--hz", type=args.positive(float), default=10.0, help=rate)
    parser.add_argument("--for", dest="span", metavar="TIME", help="end after so long (90s, 5m, 1h)")
    parser.add_argument("--max-size", metavar="SIZE", help="keep the latest so many bytes (256M)")
    parser.add_argument("--max-age", metavar="TIME", help="keep the latest so much time (1h)")
    parser.add_argument("--registers", action="store_true", help="the vCPUs' too, once a second, through QMP")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    span = None if options.span is None else _time(options.span)
    size = 0 if options.max_size is None else _size(options.max_size)
    age = 0.0 if options.max_age is None else _time(options.max_age)
    out = session.out_for(options)
    from uniobs.export.recorder import Recorder
    from uniobs.export.recording import RecordingWriter
    from uniobs.target.recorded import clock

    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "record")
        if not target.live:
            raise UsageError(f"{target.name} doesn't run: there is nothing to record")
        path = options.output or f"{target.name.rsplit('/', 1)[-1]}.uniobs"
        writer = RecordingWriter(path, bytes_max=size, age_max=int(age * 1e9), overwrite=options.force)
        try:
            recorder = Recorder(target, writer.chunk, registers=options.registers)
            out.notice(f"recording {target.name} into {path}; ^C ends it")
            ended, code = _record(recorder, 1 / options.hz, span)
            recorder.flush()
        except OutputError as error:
            if writer.last is None:
                raise
            raise OutputError(f"{error}; what was seen until {clock(writer.last)} is in it") from error
        finally:
            writer.close()
        return _told(out, path, writer.size, recorder.moments, ended, code)


def _record(recorder: Any, interval: float, span: float | None) -> tuple[str, int]:
    """(why it ended, the exit code)."""
    begun = due = time.monotonic()
    cost = 0.0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as ^C does
    try:
        while span is None or time.monotonic() - begun < span:
            before = time.thread_time()
            recorder.tick()
            cost = (cost + time.thread_time() - before) / 2  # the first look loads what all need
            due = max(due + max(interval, cost * SHARE), time.monotonic())
            time.sleep(due - time.monotonic() if due > time.monotonic() else 0)
    except TargetGone as error:
        return str(error), EXIT_OK
    except KeyboardInterrupt:
        return "interrupted", EXIT_INTERRUPTED
    return "done", EXIT_OK


def _told(out: Output, path: str, size: int, moments: int, ended: str, code: int) -> int:
    if out.json:
        out.object({"file": path, "bytes": size, "moments": moments, "ended": ended})
        return code
    out.line(f"{path}: {moments} moments, {size >> 10} KiB ({ended})")
    out.line(f"Next:  uniobs why {path}     uniobs ps {path} --at -5s     uniobs strace {path}")
    return code


def _size(text: str) -> int:
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in ("K", "M", "G") else (text, "")
    try:
        value = int(float(number) * UNITS[unit])
    except ValueError:
        value = 0
    if not 1 << 16 <= value < 1 << 50:
        raise UsageError(f"--max-size {text}: say how many bytes, at least 64K (256M, 1G)")
    return value


def _time(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("s", "m", "h") else (text, "")
    try:
        value = float(number) * TIMES[unit]
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise UsageError(f"{text!r} is no time: say 90s, 5m or 1h")
    return value
