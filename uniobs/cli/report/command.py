"""uniobs core show: the words of the command line."""

import os
from contextlib import suppress
from typing import Any

from uniobs.cli import args, session
from uniobs.cli.output import Output
from uniobs.cli.report.build import build
from uniobs.cli.report.context import Options
from uniobs.cli.report.model import Report
from uniobs.errors import EXIT_FINDING, EXIT_INCOMPLETE, EXIT_OK, OutputError, UsageError

DOC = """\
TARGET is a core, a memory file, a recording, or a guest that runs.
-o FILE writes by the end of its name: .html one page that needs nothing else, .json, else text.
--source-dir maps the names of source files that the image holds to this machine; those that lie
where the compiler saw them are found without.
Exit 0: nothing is wrong; 1: a finding; 4: the state can't be told.
"""


def make_parser() -> args.Parser:
    parser = args.parser("core show", "A report on a dead, hung or live guest.", doc=DOC)
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", help="write the report to FILE: .html, .json or text by its name")
    add("--html", metavar="FILE", help="write it as one HTML page; - is stdout")
    add(
        *("--source-dir", "-d"),
        action="append",
        default=[],
        metavar="DIR[=PREFIX]",
        help="source files lie below DIR, for names that begin with PREFIX; repeatable",
    )
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    if options.words and options.words[0] == "show":
        del options.words[0]
    if not options.words and options.guest is None:
        raise UsageError("core needs: take TARGET -o FILE, or show TARGET")
    if options.html == "-" and options.json:
        raise UsageError("--html - and --json both want stdout")
    directories = tuple(_directory(text) for text in options.source_dir)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "core show")
        report = build(target, Options(directories), out.unproven)
    _write(out, report, options)
    return EXIT_FINDING if report.finding else EXIT_OK if report.complete else EXIT_INCOMPLETE


def _directory(text: str) -> tuple[str, str | None]:
    directory, mapped, prefix = text.partition("=")
    if not os.path.isdir(directory):
        raise UsageError(f"--source-dir: {directory} is no directory")
    return directory, prefix if mapped else None


def _write(out: Output, report: Report, options: Any) -> None:
    files: dict[str, str] = {}
    if options.html is not None:
        files[options.html] = "html"
    if options.output is not None:
        end = os.path.splitext(options.output)[1].lower()
        files[options.output] = {".html": "html", ".htm": "html", ".json": "json"}.get(end, "text")
    to_stdout = "html" if files.pop("-", None) == "html" else "json" if options.json else None
    for path, kind in files.items():
        size = _file(path, kind, report)
        out.notice(
            f"{path}: {size >> 10 or 1} KiB"
            + (", one page that needs nothing else" if kind == "html" else "")
        )
    if to_stdout is not None or not files:
        _render(out, to_stdout or "text", report)
    else:
        out.line(f"{report.headline} ({report.about})", report.style)


def _render(out: Output, kind: str, report: Report) -> None:
    if kind == "json":
        from uniobs.cli.report.jsonform import report_object

        out.object(report_object(report))
    elif kind == "html":
        from uniobs.cli.report.html.page import page

        out.raw(page(report))
    else:
        from uniobs.cli.report import text

        text.show(out, report)


def _file(path: str, kind: str, report: Report) -> int:
    """The file is there whole or not at all. Raises OutputError."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            _render(Output(file, file, json=kind == "json", color="never"), kind, report)
        os.replace(temporary, path)
        return os.stat(path).st_size
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise OutputError(f"{path}: {error.strerror}") from error
