"""Where a command's words go: data to stdout, notices to stderr, all of it safe for a terminal."""

import os
import sys
from collections.abc import Sequence

from uniobs.errors import OutputError
from uniobs.lean import Any, TextIO
from uniobs.model.text import safe

_CODES = {"bad": "31;1", "good": "32", "warn": "33", "dim": "2", "bold": "1", "head": "1"}


class Output:
    """One command's output. ``json`` and ``color`` are what was asked for."""

    def __init__(self, stdout: TextIO, stderr: TextIO, *, json: bool = False, color: str = "auto") -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.json = json
        self.color = _wants_color(stdout, color)
        self.spec: str | None = None  # how the user named the target, for the commands we offer
        self.unproven: str | None = None  # why nothing that is said is proven (--force)
        self._said: set[str] = set()

    def line(self, text: str = "", style: str | None = None) -> None:
        """One line of data. Guest text may be in it: whatever could steer the terminal is escaped."""
        self._write(self.style(_safe_line(text), style) + "\n")

    def styled(self, parts: Sequence[tuple[str, str | None]]) -> None:
        """One line of pieces, each with its style."""
        self._write("".join(self.style(safe(text), style) for text, style in parts) + "\n")

    def style(self, text: str, style: str | None) -> str:
        if style is None or not self.color or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"

    def object(self, value: Any) -> None:
        """One JSON object on one line."""
        import json

        if self.unproven is not None and isinstance(value, dict):
            value = {**value, "unproven": self.unproven}
        # ensure_ascii escapes everything a terminal could act on but DEL
        text = json.dumps(value, ensure_ascii=True, default=_plain, allow_nan=False)
        self._write(text.replace("\x7f", "\\u007f") + "\n")

    def raw(self, text: str) -> None:
        """A document of ours that has its own escapes."""
        self._write(text)

    def notice(self, text: str) -> None:
        """One line on stderr, said once."""
        if text in self._said:
            return
        self._said.add(text)
        self.flush()
        self.stderr.write(f"uniobs: {safe(text)}\n")

    def closing(self, text: str) -> None:
        """A tool's own closing line on stderr (counters, +++ exited)."""
        self.flush()
        self.stderr.write(safe(text) + "\n")

    def flush(self) -> None:
        try:
            self.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"stdout: {error.strerror}") from error

    def _write(self, text: str) -> None:
        try:
            self.stdout.write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"stdout: {error.strerror}") from error


def standard(json: bool = False, color: str = "auto") -> Output:
    """The process's own stdout and stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return Output(sys.stdout, sys.stderr, json=json, color=color)


def _safe_line(text: str) -> str:
    """Tabs stay: tools lay lines out with them, and they only move the cursor on."""
    return "\t".join(safe(part) for part in text.split("\t")) if "\t" in text else safe(text)


def _wants_color(stream: TextIO, color: str) -> bool:
    if color == "auto":
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return color == "always"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset | set | tuple):
        return sorted(value) if isinstance(value, frozenset | set) else list(value)
    from uniobs.model.row import as_dict, is_row

    if is_row(value):
        return as_dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
