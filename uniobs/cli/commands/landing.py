"""uniobs without arguments: the guests there are, and what can be asked."""

import sys

from uniobs.cli.commands import ls
from uniobs.errors import EXIT_OK


def run() -> int:
    from uniobs.cli.main import help_text

    ls.run([])
    sys.stdout.write("\n" + help_text())
    return EXIT_OK
