"""What every command takes, as data: manual pages, documentation and shell completion are made of it."""

from importlib import import_module
from typing import Any, NamedTuple

from uniobs.cli.plainargs import FLAGS, HIDDEN, PLAIN_GROUP, Parser
from uniobs.errors import EXIT_FINDING
from uniobs.model import registry

# what the words of a command's line are, and the values of its options
GUEST, FILE, DIRECTORY, COLUMN, WORD, NOTHING = "guest", "file", "directory", "column", "word", "nothing"
VERBS = {
    "core take": ("take a core of a guest that runs", "uniobs.cli.commands.core:make_take_parser"),
    "core fix": ("make a core readable for stock gdb and drgn", "uniobs.cli.corefix:make_parser"),
    "core show": ("one report on a guest: text, JSON or HTML", "uniobs.cli.report.command:make_parser"),
}
OWN = "options"  # the title of what only this command takes
FILES_ONLY = ("ls", "diff", "symbolise")  # their words are files
FINDINGS = {  # what exit code 1 means where it can be
    "why": "there is a verdict",
    "doctor": "something is missing",
    "diff": "something differs",
    "core": "core show has a verdict",
    "core show": "there is a verdict",
}
EXITS = {
    0: "fine",
    EXIT_FINDING: "a finding",
    2: "the command line is wrong",
    3: "the target can't be reached or read",
    4: "some of what was asked for isn't known",
    5: "this guest doesn't offer it",
    7: "the image is not the one in memory",
    130: "interrupted",
}
WITHOUT_TARGET = (0, 2, 3, 4, 130)


class Option(NamedTuple):
    flags: tuple[str, ...]
    metavar: str  # "" when it takes no value
    about: str
    value: str = NOTHING  # what kind of word it takes
    choices: tuple[str, ...] = ()
    repeatable: bool = False

    @property
    def text(self) -> str:
        """-o, --format COL,COL"""
        return ", ".join(self.flags) + (f" {self.metavar}" if self.metavar else "")


class Definition(NamedTuple):
    name: str  # "ps", "core take"
    about: str  # as in the list of commands
    usage: str
    description: str
    notes: str  # what --help ends with
    groups: tuple[tuple[str, tuple[Option, ...]], ...]  # by title; the command's own first
    words: str  # the kind of its first word
    choices: tuple[str, ...] = ()  # when that is one of these

    @property
    def options(self) -> tuple[Option, ...]:
        return tuple(option for _, options in self.groups for option in options)

    @property
    def file(self) -> str:
        """The name of its page: uniobs-core-take."""
        return "uniobs-" + self.name.replace(" ", "-")


def definitions() -> list[Definition]:
    """In the order of `uniobs --help`; verbs after their command."""
    from uniobs.cli.main import COMMANDS

    found = []
    for name, about in COMMANDS.items():
        found.append(_definition(name, about, f"uniobs.cli.commands.{name}:make_parser"))
        found += [_definition(verb, *told) for verb, told in VERBS.items() if verb.split()[0] == name]
    return found


def exits(definition: Definition) -> dict[int, str]:
    """Code -> what it means here."""
    takes_target = definition.words == GUEST
    codes = {code: text for code, text in EXITS.items() if takes_target or code in WITHOUT_TARGET}
    finding = FINDINGS.get(definition.name)
    if finding is None:
        codes.pop(EXIT_FINDING, None)
    else:
        codes = dict(sorted({**codes, EXIT_FINDING: finding}.items()))
    if definition.name == "symbolise":
        codes |= {4: "a crash's addresses lie in no image", 7: "the log isn't the image's"}
    return dict(sorted(codes.items()))


def _definition(name: str, about: str, made_by: str) -> Definition:
    module, _, attribute = made_by.partition(":")
    parser: Parser = getattr(import_module(module), attribute)()
    real = parser.real()
    groups: dict[str, list[Option]] = {OWN: []}
    for group, flags, kwargs in parser.declared:
        if flags[0].startswith("-") and kwargs.get("help") != HIDDEN:
            plain = group is not None and group.how == PLAIN_GROUP and group.args
            title = group.args[0] if group is not None and plain and group.args[0] != name else OWN
            groups.setdefault(title, []).append(_option(name, flags, kwargs))
    names = {flag for options in groups.values() for option in options for flag in option.flags}
    words = FILE if name in FILES_ONLY else GUEST if "--guest" in names else WORD
    return Definition(
        name=name,
        about=about,
        usage=(real.usage or "").replace("%%", "%"),
        description=real.description or "",
        notes=real.epilog or "",
        groups=tuple((title, tuple(options)) for title, options in groups.items() if options),
        words=words,
        choices=_choices(name),
    )


def _choices(name: str) -> tuple[str, ...]:
    if name == "core":
        return tuple(verb.split()[1] for verb in VERBS)
    if name == "completion":
        from uniobs.cli.completion import SHELLS

        return SHELLS
    return ()


def _option(command: str, flags: tuple[str, ...], kwargs: dict[str, Any]) -> Option:
    action = kwargs.get("action", "store")
    about = str(kwargs.get("help") or "").replace("%%", "%")
    if action in FLAGS:
        return Option(flags, "", about, repeatable=action == "count")
    choices = tuple(str(choice) for choice in kwargs.get("choices") or ())
    long = next((flag for flag in flags if flag.startswith("--")), flags[0])
    metavar = kwargs.get("metavar") or "|".join(choices) or long.lstrip("-").upper()
    kind = WORD if choices else NOTHING
    if metavar.startswith("COL") or metavar.endswith("COL,COL"):
        choices, kind = _columns(command), COLUMN
    elif long == "--guest":
        kind = GUEST
    elif metavar in ("FILE", "IMAGE=ADDR"):
        kind = FILE
    elif metavar.startswith("DIR"):
        kind = DIRECTORY
    return Option(flags, metavar, about, kind, choices, action == "append")


def _columns(view: str) -> tuple[str, ...]:
    """What may be named after -o and --sort."""
    return tuple(column.key for column in registry.load(registry.VIEWS, view).columns)
