"""uniobs why: the verdict, in one paragraph."""

import os
import shlex
from contextlib import suppress
from typing import Any

from uniobs.cli import args, before, headline, render, session, stacks
from uniobs.cli.output import Output
from uniobs.errors import EXIT_FINDING, EXIT_INCOMPLETE, EXIT_OK, UniobsError
from uniobs.model.findings import FINDING, findings
from uniobs.model.guest import Thread, Verdict
from uniobs.model.text import pad, safe, width

DOC = """\
Exit 0: nothing is wrong; 1: a finding; 4: it can't be told.
It watches for some seconds when it's in doubt.
"""
OTHERS = 10  # threads listed besides those of the verdict


def make_parser() -> args.Parser:
    parser = args.parser("why", "What is wrong with a guest, in one paragraph.", doc=DOC)
    parser.add_argument(
        "-w", "--watch", type=float, metavar="SECONDS", help="watch so long at most before saying hung"
    )
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "why")
        return explain(out, target, options.watch)


def explain(out: Output, target: Any, watch: float | None = None, *, commands: bool = True) -> int:
    """Print the verdict. 1 with a finding, 4 when the state isn't known, else 0."""
    status = target.status(watch) if watch is not None else target.status()
    found, unknown = findings(target)
    said = [verdict for verdict in found if verdict.severity < FINDING]
    unknown = [*unknown, *status.unknown, *(text for verdict in found for text in verdict.unknown)]
    image = headline.image_text(target, unknown)
    history = before.last(target, said[0].threads if said else (), unknown)
    code = EXIT_FINDING if said else EXIT_INCOMPLETE if status.state == "unknown" else EXIT_OK
    if out.json:
        answer = render.envelope("why", target.name, found, (), status.state != "unknown")
        out.object(
            {**answer, "status": status, "image": image, "unknown": _unique(unknown), **history.json()}
        )
        return code
    text, style = headline.sentence(target, status, found)
    out.line(f"{text} ({headline.who(target)}; {image})", style)
    _details(out, target, found, history, unknown)
    if commands:
        out.line()
        name = shlex.quote(out.spec or target.name)
        out.line("  Next:  " + "     ".join(next_commands(name, target, found)))
    return code


def explain_found(out: Output, target: Any, found: list[Verdict], unknown: list[str]) -> None:
    """All that is said below the first line, of verdicts that were asked for already."""
    told = next((verdict.threads for verdict in found if verdict.severity < FINDING), ())
    unknown = list(unknown)
    history = before.last(target, told, unknown)
    _details(out, target, found, history, unknown)


def _details(
    out: Output, target: Any, found: list[Verdict], history: before.History, unknown: list[str]
) -> None:
    said = [verdict for verdict in found if verdict.severity < FINDING]
    out.line()
    for number, verdict in enumerate(found):
        if number:
            out.line()
            since = headline.since(verdict.for_at_least_s)
            out.line(f"  Also: {target.name} {verdict.title or verdict.headline}{since}", "bad")
        for line in verdict.lines:
            out.line(f"  {line}")
    _threads(out, target, {tid for verdict in said for tid in verdict.threads}, bool(found))
    history.show(out)
    if unknown:
        out.line()
        for number, text in enumerate(_unique(unknown)):
            out.line(f"  {'Not known:' if number == 0 else '          '} {text}", "dim")


def _threads(out: Output, target: Any, told: set[int], found: bool) -> None:
    """What the other threads do, one a line."""
    try:
        threads = [t for t in target.walker("threads").threads() if t.tid not in told and t.state != "exited"]
    except UniobsError:
        return
    threads.sort(key=lambda t: (bool(t.idle), t.tid))
    waits = stacks.waits_of(target)
    if not threads:
        return
    if found:
        out.line()
    cells = max(width(_name(t)) for t in threads[:OTHERS])
    for thread in threads[:OTHERS]:
        words = "the idle thread" if thread.idle else stacks.state_words(thread, waits)
        out.line(f"  {pad(_name(thread), cells)}   {words}")
    if len(threads) > OTHERS:
        more = len(threads) - OTHERS
        out.line(f"  ... and {more} more thread{'s' if more > 1 else ''}")


def _name(thread: Thread) -> str:
    return safe(thread.name) if thread.name else f"tid {thread.tid}"


def _unique(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def next_commands(name: str, target: Any, found: list[Verdict]) -> list[str]:
    """What to type next, for a guest that is called ``name`` on a command line."""
    commands = [text.format(target=name) for verdict in found for text in verdict.next]
    names = {verdict.name for verdict in found}
    calls: list[str] = []
    with suppress(UniobsError):
        target.walker("trace")
        calls.append(f"uniobs strace {name}")
    if target.live and names & {"heap-full", "alloc-failures"}:
        commands.append(f"uniobs vmstat {name} 1")
    if not found:
        commands += [f"uniobs ps {name}", f"uniobs top {name}", *calls]
    elif target.live and target.pid is not None:
        file = f"{os.path.basename(target.name)}.core"
        commands += [f"uniobs bt {name}", f"uniobs core take {name} -o {file}"]
    else:
        commands += [f"uniobs core show {name}", f"uniobs bt {name}"]
        commands += calls or [f"uniobs netstat -an {name}"]
    return list(dict.fromkeys(commands))[:4]
