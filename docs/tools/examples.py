"""What a command printed on a real guest: docs/examples/NAME.txt, written by docs/tools/session.py."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "examples"


SHOWN = re.compile(r"(<!-- example: ([\w-]+) -->\n)```\n.*?\n?```\n", re.S)


def with_examples(text: str) -> str:
    """A page whose fenced blocks behind `<!-- example: NAME -->` hold what was seen last."""
    return SHOWN.sub(lambda found: f"{found[1]}```\n{example(found[2]) or '(make pictures)'}\n```\n", text)


def example(name: str) -> str | None:
    """`core take` -> the text of core-take.txt, or None."""
    path = FOLDER / f"{name.replace(' ', '-')}.txt"
    return path.read_text("utf-8").rstrip("\n") if path.exists() else None
