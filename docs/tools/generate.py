"""Makes docs/commands, docs/man and docs/completion of the commands' definitions, and fills in examples.

A test holds them to it. The examples in them are what docs/tools/session.py saw last.
"""

import sys
from pathlib import Path

from docs.tools import manual, pages
from docs.tools.examples import with_examples
from uniobs.cli.completion import SHELLS, script
from uniobs.cli.definitions import definitions

DOCS = Path(__file__).resolve().parents[1]
GENERATED = ("commands", "man", "completion")  # nothing else lies in these
COMPLETION = {"bash": "uniobs.bash", "zsh": "_uniobs", "fish": "uniobs.fish"}


def files() -> dict[Path, str]:
    """Path below docs/ -> its text."""
    found = definitions()
    made = {Path("commands", "README.md"): pages.index(found)}
    for one in found:
        made[Path("commands", pages.file(one))] = pages.page(one, found)
        made[Path("man", f"{one.file}.1")] = manual.page(one, found)
    made[Path("man", "uniobs.1")] = manual.overview(found)
    for path in (Path("..", "README.md"), *(page.relative_to(DOCS) for page in DOCS.glob("*.md"))):
        made[path] = with_examples((DOCS / path).read_text("utf-8"))
    made |= {Path("completion", COMPLETION[shell]): script(shell) for shell in SHELLS}
    return made


def main() -> int:
    made = files()
    for folder in GENERATED:
        (DOCS / folder).mkdir(exist_ok=True)
        for stale in {path.relative_to(DOCS) for path in (DOCS / folder).iterdir()} - made.keys():
            (DOCS / stale).unlink()
    for path, text in made.items():
        (DOCS / path).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
