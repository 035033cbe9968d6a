"""The shell itself: ::help, ::set, ::every, ::quit."""

import time
from dataclasses import asdict

from uniobs.cli.shell import table
from uniobs.cli.shell.line import is_number
from uniobs.cli.shell.state import Quit, Shell, setting_names
from uniobs.cli.shell.table import Call, command
from uniobs.errors import EXIT_OK, UsageError

GROUP = "the shell"
_FASTEST = 0.05  # seconds
_LARGEST = {"elements": 100_000, "depth": 64, "follow": 16, "rows": 1_000_000}

WORDS = """\
EXPR alone is printed: lock_a.owner->name, *table[3], (struct x *)0x1234, a[0:8], sizeof x, $rip, $3.rsp
'file.c'::name and 'image'::name say which of several is meant
[EXPR]::CMD gives a command its value: worker-a::stack, $rsp::whatis, lock_a::type
CMD | CMD hands values on ($it, .member): ::walk HEAD next | print .name     ::threads | ::stack
CMD ! grep x gives the text to a command of this host; CMD ; CMD are two; # is a comment
"""


@command("help", "::help [COMMAND]", "this list, or more of one", completes="command", group=GROUP)
def help_(shell: Shell, call: Call) -> int:
    name = call.arguments.removeprefix("::")
    if name:
        found = table.find(name)
        if found is None:
            raise UsageError(f"no command ::{name} (::help lists them)")
        shell.out.line(found.usage, "head")
        shell.out.line(f"  {found.about}")
        also = [alias for alias, whole in table.ALIASES.items() if whole == found.name]
        if also:
            shell.out.line(f"  also: {', '.join('::' + alias for alias in also)}")
        return EXIT_OK
    groups: dict[str, list[table.Command]] = {}
    for one in table.COMMANDS.values():
        groups.setdefault(one.group, []).append(one)
    order = ["the guest", "values", "memory"]
    others = sorted(group for group in groups if group not in (*order, GROUP))
    for group in (*order, *others, GROUP):
        shell.out.line(group, "head")
        for one in groups[group]:
            shell.out.line(f"  ::{one.name:<12} {one.about}")
    shell.out.line("grammar", "head")
    for row in WORDS.splitlines():
        shell.out.line(f"  {row}")
    return EXIT_OK


@command("quit", "::quit", "leave (^D)", group=GROUP, also=("exit", "q"))
def quit_(shell: Shell, call: Call) -> int:
    raise Quit


@command(
    "set", "::set [NAME VALUE]", "limits: elements, depth, follow, rows", completes="setting", group=GROUP
)
def set_(shell: Shell, call: Call) -> int:
    words = call.arguments.replace("=", " ").split()
    if not words:
        if shell.out.json:
            shell.object("set", [asdict(shell.settings)])
            return EXIT_OK
        for name, value in asdict(shell.settings).items():
            shell.out.line(f"{name:<9} {value}")
        return EXIT_OK
    if words[0] not in setting_names() or len(words) != 2:
        raise UsageError(f"::set NAME VALUE, with NAME one of {', '.join(setting_names())}")
    if not is_number(words[1]) or not int(words[1]) <= _LARGEST[words[0]]:
        raise UsageError(f"{words[0]} is a number from 0 to {_LARGEST[words[0]]}")
    setattr(shell.settings, words[0], int(words[1]))
    return EXIT_OK


@command("every", "::every SECONDS [COUNT] CMD", "a command again and again, until ^C", group=GROUP)
def every(shell: Shell, call: Call) -> int:
    first, _, rest = call.arguments.partition(" ")
    try:
        seconds = float(first.removesuffix("s"))
    except ValueError:
        raise UsageError("::every SECONDS [COUNT] CMD, as in ::every 1s print ticks") from None
    if not _FASTEST <= seconds <= 86400:
        raise UsageError(f"{first}: from {_FASTEST} s to a day")
    count = None
    word, _, more = rest.strip().partition(" ")
    if is_number(word) and more:
        count, rest = int(word), more
    if not rest.strip():
        raise UsageError("::every SECONDS [COUNT] CMD: which command?")
    code, times = EXIT_OK, 0
    while count is None or times < count:
        if times:
            time.sleep(seconds)
        code = shell.run(rest)
        shell.out.flush()
        times += 1
        if code in (130,):
            break
    return code
