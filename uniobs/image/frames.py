"""Source positions as they're shown: the one place where names of functions become readable."""

from uniobs.lean import Final, NamedTuple

# Linkage names that say the namespace and class (C++, Rust, and Rust in Hermit's kernel): they're preferred.
QUALIFIED: Final = ("_Z", "_R", "hermit__")
_MANGLED: Final = (*QUALIFIED, "caml")  # how the names begin that demangle.py may make readable


class SourceFrame(NamedTuple):
    """One source position of a pc. None: not known."""

    function: str | None  # as people read it: demangled, without argument types
    file: str | None  # the path as the compiler was given it, made absolute by its directory
    line: int | None
    inlined: bool  # into the next frame of the list
    linkage_name: str | None = None  # what was demangled


# No answer, but: ask another reader.
ELSEWHERE: Final[tuple[SourceFrame, ...]] = (SourceFrame(None, None, None, True),)


def raw_name(plain: str | None, linkage: str | None) -> str | None:
    """Which of a function's names tells more."""
    return linkage if linkage and linkage.startswith(QUALIFIED) else plain


def readable(raw: str | None) -> tuple[str | None, str | None]:
    """(what is shown, the linkage name when that is something else)."""
    if raw is None or not raw.startswith(_MANGLED):
        return raw, None
    from uniobs.image.demangle import display

    text = display(raw)
    return (text, raw) if text != raw else (raw, None)
