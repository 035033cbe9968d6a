"""A page of documentation a command, as Markdown."""

from itertools import groupby

from docs.tools.examples import example
from uniobs.cli.definitions import COLUMN, OWN, Definition, Option, exits
from uniobs.model import registry

MORE = {  # pages that go deeper
    "why": ("Live, hung, dead", "states.md"),
    "bt": ("Stacks, and how far they can be trusted", "stacks.md"),
    "core": ("A core", "a-core.md"),
    "core take": ("Core and snapshot formats", "core-formats.md"),
    "core fix": ("gdb and drgn on a unikernel's core", "gdb-and-drgn.md"),
    "core show": ("The crash report", "report.md"),
    "gdb": ("gdb and drgn on a unikernel's core", "gdb-and-drgn.md"),
    "shell": ("A prompt on a guest", "shell.md"),
    "symbolise": ("Names on a console log", "symbolise.md"),
    "record": ("Recordings", "recordings.md"),
    "diff": ("Recordings", "recordings.md"),
    "tui": ("The terminal UI", "terminal-ui.md"),
    "strace": ("A guest that runs", "a-live-guest.md"),
    "tcpdump": ("A guest that runs", "a-live-guest.md"),
    "completion": ("Installing", "quick-start.md"),
}
PICTURES = {"tui": "threads.svg"}
EVERYWHERE = "on every command"
MADE = "<!-- Made of the command's definition by `make docs`. -->\n"


def file(one: Definition) -> str:
    return f"{one.name.replace(' ', '-')}.md"


def index(found: list[Definition]) -> str:
    ps = next(one for one in found if one.name == "ps")
    everywhere = next(options for title, options in ps.groups if title == EVERYWHERE)
    lines = ["# Commands\n", "| command | what it answers |", "|---|---|"]
    lines += [f"| [{one.name}]({file(one)}) | {_cell(one.about)} |" for one in found]
    lines += ["\n## On every command\n", "Those that look at a guest:\n", _table(everywhere)]
    return MADE + "\n".join(lines) + "\n"


def page(one: Definition, found: list[Definition]) -> str:
    parts = [MADE + f"# uniobs {one.name}", one.description]
    if one.name in PICTURES:
        parts.append(f"![uniobs {one.name}](../pictures/{PICTURES[one.name]})")
    parts.append(_fenced(f"usage: {one.usage}"))
    shown = example(one.name)
    if shown is not None:
        parts += ["## Example", _fenced(shown)]
    for title, options in one.groups:
        if title == EVERYWHERE:
            texts = ", ".join(f"`{option.text}`" for option in options)
            parts.append(f"And what [every command](README.md#on-every-command) has: {texts}.")
        else:
            parts += ["## Options" if title == OWN else f"## {title}", _table(options)]
    if one.notes:
        parts += ["## Notes", _fenced(one.notes.rstrip("\n"))]
    if any(option.value == COLUMN for option in one.options):
        parts += ["## Columns", _columns(one.name)]
    parts += ["## Exit codes", _exits(one)]
    parts.append(_also(one, found))
    return "\n\n".join(part for part in parts if part) + "\n"


def _fenced(text: str) -> str:
    return f"```\n{text}\n```"


def _table(options: tuple[Option, ...]) -> str:
    lines = ["| option | what it does |", "|---|---|"]
    for about, same in groupby(options, lambda option: option.about):
        names = " ".join(f"`{_cell(option.text)}`" for option in same)
        lines.append(f"| {names} | {_cell(about or 'accepted')} |")
    return "\n".join(lines)


def _columns(view: str) -> str:
    found = registry.load(registry.VIEWS, view).columns
    rows = [f"| `{column.key}` | {_cell(column.header)} | {_cell(column.doc)} |" for column in found]
    return "\n".join(["| name | header | what it holds |", "|---|---|---|", *rows])


def _exits(one: Definition) -> str:
    return "\n".join(
        ["| code | means |", "|---|---|", *(f"| {code} | {text} |" for code, text in exits(one).items())]
    )


def _also(one: Definition, found: list[Definition]) -> str:
    links = [f"[{MORE[one.name][0]}](../{MORE[one.name][1]})"] if one.name in MORE else []
    family = one.name.split()[0]
    links += [f"[uniobs {x.name}]({file(x)})" for x in found if x.name.split()[0] == family and x != one]
    return " · ".join([*links, "[all commands](README.md)"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
