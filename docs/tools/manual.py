"""Manual pages: roff with the man macros."""

from itertools import groupby

from docs.tools.examples import example
from uniobs import __version__
from uniobs.cli.definitions import EXITS, OWN, Definition, Option, exits

MADE = '.\\" Made of the command\'s definition by `make docs`.\n'
ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})
VARIABLES = {
    "UNIOBS_DEBUG": "where an error came from is shown too.",
    "NO_COLOR": "no colours, unless --color always asks for them.",
    "DEBUGINFOD_URLS": "servers that are asked for debug information that isn't here; none without it.",
    "XDG_CACHE_HOME": "below it, in uniobs/, lie the indexes of images (~/.cache).",
}
TARGETS = """\
A TARGET is a guest's name or pid as uniobs ls shows it, a core or snapshot file, a recording, a file \
that backs a guest's memory, or serial:///PATH of its virtio-serial socket. Without one it is the \
only guest there is."""
WHAT = "uniobs \\- see into a unikernel that is live, hung or dead\n"
ABOUT = """\
uniobs shows what a unikernel does, from outside: threads, sockets, calls, packets, log, stacks, and what is \
wrong with it, while it lives, hangs or is dead. It reads the guest's memory; nothing of the guest is \
changed. What isn't known is shown as - or null, never guessed."""


def overview(found: list[Definition]) -> str:
    parts = [_head("UNIOBS"), _section("NAME"), WHAT]
    parts += [_section("SYNOPSIS"), ".B uniobs\n", ".I COMMAND\n", _plain("[TARGET] [options]"), ".br\n"]
    parts += [".B uniobs\n", _section("DESCRIPTION"), _plain(ABOUT), ".PP\n", _plain(TARGETS)]
    parts.append(".PP\nWithout a command: the terminal UI, or without a terminal the list of guests.\n")
    parts.append(_section("COMMANDS"))
    for one in found:
        parts.append(f".TP\n.BR {one.file.replace('-', chr(92) + '-')} (1)\n{_plain(one.about)}")
    parts.append(_section("EXIT STATUS"))
    parts += [f".TP\n.B {code}\n{_plain(text)}" for code, text in EXITS.items()]
    parts.append(_section("ENVIRONMENT"))
    parts += [f".TP\n.B {name}\n{_plain(text)}" for name, text in VARIABLES.items()]
    shown = example("why")
    if shown is not None:
        parts += [_section("EXAMPLE"), _literal(shown)]
    return "".join(parts)


def page(one: Definition, found: list[Definition]) -> str:
    parts = [_head(one.file.upper()), _section("NAME"), f"{_roff(one.file)} \\- {_what(one)}\n"]
    usage = one.usage.removeprefix(f"uniobs {one.name}")
    parts += [_section("SYNOPSIS"), f".B {_roff(f'uniobs {one.name}')}\n", _plain(usage.strip())]
    parts += [_section("DESCRIPTION"), _plain(one.description)]
    if one.notes:
        parts += [".PP\n", _literal(one.notes.rstrip("\n"))]
    parts.append(_section("OPTIONS"))
    for title, options in one.groups:
        parts += [] if title == OWN else [f".SS {_roff(title[:1].upper() + title[1:])}\n"]
        for _, same in groupby(options, lambda option: option.about):
            parts.append(_options(list(same)))
    parts.append(_section("EXIT STATUS"))
    parts += [f".TP\n.B {code}\n{_plain(text)}" for code, text in exits(one).items()]
    shown = example(one.name)
    if shown is not None:
        parts += [_section("EXAMPLE"), _literal(shown)]
    family = one.name.split()[0]
    near = [x.file for x in found if x.name.split()[0] == family and x != one]
    also = ["uniobs", *near]
    parts.append(_section("SEE ALSO"))
    for number, name in enumerate(also, 1):
        parts.append(f".BR {_roff(name)} (1){',' if number < len(also) else ''}\n")
    return "".join(parts)


def _what(one: Definition) -> str:
    """threads of a guest, and what each waits for"""
    text = one.description.rstrip(".")
    return _roff(text[:1].lower() + text[1:])


def _head(title: str) -> str:
    return f'{MADE}.TH {_roff(title)} 1 "" "uniobs {__version__}" "uniobs"\n'


def _section(title: str) -> str:
    return f".SH {title}\n"


def _options(same: list[Option]) -> str:
    """Those that have one text to them."""
    return f".TP\n{', '.join(_names(option) for option in same)}\n{_plain(same[0].about or 'accepted')}"


def _names(option: Option) -> str:
    flags = ", ".join(f"\\fB{_roff(flag)}\\fR" for flag in option.flags)
    return flags + (f" \\fI{_roff(option.metavar)}\\fR" if option.metavar else "")


def _literal(text: str) -> str:
    return ".nf\n" + "".join(_plain(line) if line else "\\&\n" for line in text.split("\n")) + ".fi\n"


def _plain(text: str) -> str:
    """One line of text that roff takes for nothing else."""
    made = _roff(text)
    return ("\\&" if made[:1] in (".", "'") else "") + made + "\n"


def _roff(text: str) -> str:
    return text.translate(ESCAPES)
