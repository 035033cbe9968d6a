"""Lines of the guest's own sources, found by what they say."""

import boot


def line_of(function: str, marker: str, file: str = "kernel/breakage.c") -> str:
    """``breakage.c:14``: the last line of a function's body that holds the marker."""
    source = (boot.HERE / file).read_text().splitlines()
    start = next(n for n, text in enumerate(source) if f"{function}(" in text and text[0] not in "\t/ ")
    body = range(start, next(n for n in range(start, len(source)) if source[n].startswith("}")) + 1)
    lines = [n + 1 for n in body if marker in source[n]]
    assert lines, f"{file}: {function} says {marker!r} nowhere"
    return f"{file.rsplit('/', 1)[-1]}:{lines[-1]}"
