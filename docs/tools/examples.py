"""What a command printed on a real guest: docs/examples/NAME.txt, written by docs/tools/session.py."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "examples"


def example(name: str) -> str | None:
    """`core take` -> the text of core-take.txt, or None."""
    path = FOLDER / f"{name.replace(' ', '-')}.txt"
    return path.read_text("utf-8").rstrip("\n") if path.exists() else None
