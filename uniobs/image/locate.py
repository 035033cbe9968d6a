"""The source text around a line, where the file is at hand."""

import os
from collections.abc import Sequence
from pathlib import Path

from uniobs.model.row import frozen

_LARGEST = 16 << 20  # bytes of a source file


@frozen
class Snippet:
    path: Path
    line: int
    first: int  # the number of lines[0]
    lines: tuple[str, ...]
    newer: bool  # the file was changed after the image was built: the lines may have moved


def snippet(
    file: str, line: int, context: int = 2, *, image: Path | None = None, roots: Sequence[Path] = ()
) -> Snippet | None:
    """``context`` lines on both sides. ``roots`` are tried for a file that isn't where it was compiled.
    None when there is no such file or line."""
    relative = [Path(*Path(file).parts[-length:]) for length in range(len(Path(file).parts) - 1, 0, -1)]
    for path in [Path(file), *(root / tail for root in roots for tail in relative)]:
        try:
            status = os.stat(path)
            if not path.is_file() or status.st_size > _LARGEST:
                continue
            rows = path.read_text("utf-8", "replace").splitlines()
            built = os.stat(image).st_mtime if image else None
        except (OSError, ValueError):
            continue
        if not 1 <= line <= len(rows):
            return None
        first = max(1, line - context)
        newer = built is not None and status.st_mtime > built
        return Snippet(path, line, first, tuple(rows[first - 1 : line + context]), newer)
    return None
