"""Every error that a user can meet, and the one table of exit codes.

UniobsError
├── UsageError            2   the command line is wrong
├── TargetError           3   the target can't be reached or read
│   ├── NoSuchTarget          nothing of that name, pid or path
│   ├── AccessDenied          it's there, but not ours to read
│   ├── TargetGone            it died between two reads
│   └── BadFormat             a file or region whose bytes can't be what they claim
├── OutputError           3   what we write can't be written (disk full, closed pipe)
├── Incomplete            4   some of the data asked for isn't known
│   └── UnknownMemory         these bytes of guest memory weren't carried
├── NotOffered            5   this guest or channel doesn't offer it
└── ImageMismatch         7   the image is not the one in memory
"""

from uniobs.lean import ClassVar, Final

EXIT_OK: Final = 0
EXIT_FINDING: Final = 1
EXIT_USAGE: Final = 2
EXIT_TARGET: Final = 3
EXIT_INCOMPLETE: Final = 4
EXIT_NOT_OFFERED: Final = 5
EXIT_REGRESSION: Final = 6
EXIT_MISMATCH: Final = 7
EXIT_INTERRUPTED: Final = 130


class UniobsError(Exception):
    """Base of all; str(error) is one line: what happened, why, what to do."""

    exit_code: ClassVar[int] = EXIT_TARGET


class UsageError(UniobsError):
    exit_code = EXIT_USAGE


class TargetError(UniobsError):
    exit_code = EXIT_TARGET


class NoSuchTarget(TargetError):
    pass


class AccessDenied(TargetError):
    pass


class TargetGone(TargetError):
    pass


class BadFormat(TargetError):
    pass


class OutputError(UniobsError):
    exit_code = EXIT_TARGET


class Incomplete(UniobsError):
    exit_code = EXIT_INCOMPLETE


class UnknownMemory(Incomplete):
    """Bytes of guest memory that this channel or file doesn't hold.

    ``address`` and ``size`` (bytes) name the range that was asked for.
    """

    def __init__(self, address: int, size: int, why: str = "not in this memory") -> None:
        super().__init__(f"{size} bytes at {address:#x}: {why}")
        self.address = address
        self.size = size


class NotOffered(UniobsError):
    exit_code = EXIT_NOT_OFFERED


class ImageMismatch(UniobsError):
    exit_code = EXIT_MISMATCH
