"""A console log on its way through: every byte as it came, names added to the lines that have addresses."""

import os
import select
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import OutputError
from uniobs.image.demangle import full
from uniobs.model.text import safe

if TYPE_CHECKING:
    from uniobs.cli.output import Output
    from uniobs.image.console import Annotator, Named
    from uniobs.image.module import SourceFrame

_BLOCK: Final = 1 << 16
_PATIENCE: Final = 0.05  # seconds that the start of a line waits for its end
MARK: Final = "  <- "


def text_lines(file: int) -> Iterator[str]:
    """The lines from a descriptor, without their ends; one that doesn't end is cut into blocks."""
    rest = b""
    while block := os.read(file, _BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        yield from map(_text, whole)
        if len(rest) > _BLOCK:
            yield _text(rest)
            rest = b""
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").rstrip("\r")


def lines_of(named: "Named", inlines: bool = True) -> list[str]:
    """deref(int*) main.c:30 (inlined into crash_here), and a line for each frame further out."""
    if not named.frames:
        return [f"({named.module.name}: {named.doubt})"]
    frames = named.frames if inlines else named.frames[-1:]
    if not any(frame.function or frame.file for frame in frames):
        return [f"({named.module.name}: no name)"]
    found = []
    for number, frame in enumerate(frames):
        text = _frame(frame, named.offset)
        if frame.inlined and number + 1 < len(frames):
            text += f" (inlined into {frames[number + 1].function or '?'})"
        found.append(text)
    return found


def _frame(frame: "SourceFrame", offset: int | None) -> str:
    name = _name(frame) or "?"
    if frame.file and frame.line:
        return f"{name} {frame.file.rsplit('/', 1)[-1]}:{frame.line}"
    return name if offset is None or frame.inlined else f"{name}+{offset:#x}"


def _name(frame: "SourceFrame") -> str | None:
    return full(frame.linkage_name) if frame.linkage_name else frame.function


def json_row(named: "Named", line: int | None, inlines: bool = True) -> dict[str, Any]:
    """``line``: its number in the log, from 1."""
    return {
        "line": line,
        "address": named.address.value,
        "kind": named.kind,
        "module": named.module.name,
        "bias": named.module.bias,
        "offset": named.offset,
        "doubt": named.doubt,
        "frames": [
            frame._asdict() | {"full_name": _name(frame)}
            for frame in (named.frames if inlines else named.frames[-1:])
        ],
    }


class Stream:
    """Copies a log. On a terminal whatever could steer it is escaped; into a pipe the bytes stay."""

    def __init__(self, out: "Output", annotator: "Annotator", options: Any) -> None:
        self._out = out
        self._annotator = annotator
        self._inlines: bool = options.inlines
        self._quiet: bool = options.only or options.json
        self._terminal = out.stdout.isatty()
        self._number = 0

    def copy(self, file: int) -> None:
        """Until the end. A line is written as soon as it ends; its beginning sooner when the rest is slow."""
        line = b""
        written = 0  # bytes of the line
        while True:
            if len(line) > written and not select.select([file], [], [], _PATIENCE)[0]:
                self._raw(line[written:])
                self._flush()
                written = len(line)
            block = os.read(file, _BLOCK)
            if not block:
                break
            *whole, rest = (line + block).split(b"\n")
            for one in whole:
                self._line(one, b"\n", written)
                written = 0
            line = rest
            if len(line) > _BLOCK:  # no text has such lines
                self._line(line, b"", written)
                line, written = b"", 0
            self._flush()
        if line:
            self._line(line, b"", written)
        self._flush()

    def _line(self, line: bytes, end: bytes, written: int) -> None:
        self._number += 1
        found = self._annotator.feed(_text(line))
        if self._out.json:
            for named in (*found.named, *found.late):
                self._out.object(json_row(named, self._number, self._inlines))
            return
        if not found.named and not found.late:
            self._raw(line[written:] + end)
            return
        body = line.removesuffix(b"\r")
        tail = line[len(body) :] + (end or b"\n")
        shown = [(named, lines_of(named, self._inlines)) for named in found.named]
        first = ""
        if len(shown) == 1:
            first = MARK + shown[0][1][0]
        self._raw(body[written:], always=True)
        self._note(first, tail)
        for named, texts in shown:
            if len(shown) > 1:
                texts = [f"{named.address.value:#x} {texts[0]}", *texts[1:]]
            self._more(texts[1:] if len(shown) == 1 else texts, tail)
        for named in found.late:
            texts = lines_of(named, self._inlines)
            self._more([f"{named.address.value:#x} {texts[0]}", *texts[1:]], tail)

    def _more(self, texts: list[str], tail: bytes) -> None:
        for text in texts:
            self._note("    " + MARK.lstrip() + text, tail)

    def _note(self, text: str, tail: bytes) -> None:
        styled = self._out.style(safe(text), "good") if text else ""
        self._write(styled.encode("utf-8", "backslashreplace") + tail)

    def _raw(self, data: bytes, always: bool = False) -> None:
        if not data or (self._quiet and not always):
            return
        if self._terminal:
            text = data.decode("utf-8", "surrogateescape")
            keep = {"\n": "\n", "\r": "\r", "\t": "\t"}
            data = "".join(keep.get(char) or safe(char) for char in text).encode("utf-8", "backslashreplace")
        self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            sink = getattr(self._out.stdout, "buffer", None)
            if sink is not None:
                sink.write(data)
            else:
                self._out.stdout.write(data.decode("utf-8", "backslashreplace"))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"stdout: {error.strerror}") from error

    def _flush(self) -> None:
        self._out.flush()
        if self._out.stdout is sys.stdout:
            sys.stdout.buffer.flush()
