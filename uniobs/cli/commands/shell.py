"""uniobs shell: a prompt on a target that stays open."""

import sys

from uniobs.cli import args, session
from uniobs.errors import NoSuchTarget, UsageError

ABOUT = "A prompt on a guest, live or dead, as MDB's: ::threads, ::stack, print lock.owner->name, ::help."
_LONGEST = 1 << 20  # characters of a script
DOC = """\
uniobs shell TARGET                     a prompt, with completion and history
uniobs shell -c 'CMD; CMD' TARGET       these commands; the exit code of the last one that failed
uniobs shell TARGET < script            the same, a command a line
uniobs shell --drgn TARGET              drgn's prompt on the same target (pip install 'uniobs[drgn]')
Nothing is ever written to the guest.
"""


def make_parser() -> args.Parser:
    parser = args.parser("shell", ABOUT, doc=DOC)
    add = parser.add_argument
    add("-c", dest="commands", action="append", metavar="CMD", help="run it and end; repeatable")
    add("-f", "--file", metavar="FILE", help="run a file's commands and end")
    add("--drgn", action="store_true", help="drgn's prompt, in Python")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    out = session.out_for(options)
    from uniobs.cli.shell import drgnshell, plain, prompt
    from uniobs.cli.shell.state import Shell
    from uniobs.image.overwritten import guard

    guard()  # images may be built anew while it is open
    with session.opened(options, out) as (target, words):
        session.refuse_words(words, "shell")
        if options.drgn:
            return drgnshell.run(target, out, options.commands)
        shell = Shell(target, out, out.spec or target.name)
        if options.commands is not None:
            return plain.run(shell, options.commands)
        if options.file is not None:
            return plain.run(shell, _lines(options.file))
        if options.json:
            raise UsageError("--json goes with -c or -f")
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return plain.run(shell, sys.stdin)
        return prompt.run(shell)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST + 1)
    except OSError as error:
        raise NoSuchTarget(f"{path}: {error.strerror}") from None
    if len(text) > _LONGEST:
        raise UsageError(f"{path} is too long for a script: more than {_LONGEST >> 20} MiB")
    return text.splitlines()
