"""uniobs completion: what a shell needs to complete uniobs' command line."""

import sys

from uniobs.cli import args
from uniobs.cli.completion import SHELLS, script
from uniobs.errors import EXIT_OK, UsageError

DOC = """\
bash:  source <(uniobs completion bash)            in ~/.bashrc
zsh:   source <(uniobs completion zsh)             in ~/.zshrc, after compinit
fish:  uniobs completion fish | source             in ~/.config/fish/config.fish
An installed package brings the same files for all three.
"""


def make_parser() -> args.Parser:
    parser = args.parser(
        "completion",
        "A shell's completion: commands, options, guests, files.",
        words="bash|zsh|fish",
        target=False,
        doc=DOC,
    )
    parser.add_argument("--guests", action="store_true", help="the guests' names, as a shell asks for them")
    return parser


def run(argv: list[str]) -> int:
    options = args.parse(make_parser(), argv)
    if options.guests:
        return _guests()
    if len(options.words) != 1 or options.words[0] not in SHELLS:
        raise UsageError(f"completion takes one of {', '.join(SHELLS)}")
    sys.stdout.write(script(options.words[0]))
    return EXIT_OK


def _guests() -> int:
    """NAME, a tab, what it is. A name that holds what no terminal should see is left out."""
    from uniobs.model.text import safe
    from uniobs.target.discovery import find_guests

    for guest in find_guests():
        if guest.name and safe(guest.name) == guest.name and "\t" not in guest.name:
            sys.stdout.write(f"{guest.name}\t{safe(guest.vmm)}, pid {guest.pid}\n")
    return EXIT_OK
