"""What a recording costs: of a processor while it is made, of time when a moment of an hour is looked at."""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import boot
from tests.bench.measure import Figure, single
from uniobs.cores.playback import Playback
from uniobs.cores.recording import RecordingFile
from uniobs.export.recording import RecordingWriter
from uniobs.export.tape import Tape

UNIOBS = str(Path(sys.executable).parent / "uniobs")
NS = 1_000_000_000
MOMENTS = 36_000  # an hour at 10 Hz
SIZE = 1 << 20  # bytes that are watched
LINES = 60  # of 64 bytes that change from one moment to the next
SECONDS = 10


def an_hour(path: str) -> int:
    """Write an hour's recording; its size in bytes."""
    rng = random.Random(1)
    writer = RecordingWriter(path)
    tape = Tape(writer.chunk)
    tape.base(0, {"guest": {}}, [])
    data = bytearray(rng.randbytes(SIZE // 4) * 4)
    for moment in range(MOMENTS):
        for _ in range(LINES):
            at = rng.randrange(SIZE // 64) * 64
            data[at : at + 16] = rng.randbytes(16)
        tape.moment((moment + 1) * NS // 10)
        tape.keep(0, bytes(data))
    tape.flush()
    writer.close()
    return writer.size


def main() -> int:
    print("Recordings")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "hour")
        size = an_hour(path)
        rng = random.Random(2)
        file = RecordingFile(os.open(path, os.O_RDONLY), path)

        def opened() -> float:
            start = time.perf_counter()
            Playback(RecordingFile(os.open(path, os.O_RDONLY), path)).file.close()
            return (time.perf_counter() - start) * 1e3

        playback = Playback(file)

        def sought() -> float:
            start = time.perf_counter()
            playback.seek(rng.randrange(1, MOMENTS) * NS // 10)
            return (time.perf_counter() - start) * 1e3

        print(single("an hour at 10 Hz: open, at its end", "ms", opened).line())
        print(single("  seek to any moment", "ms", sought, 41, "<= 100").line())
        print(Figure("  size", size / (1 << 20), "MiB").line())
        file.close()
        print(Figure("  memory while seeking", _memory(path), "MiB", budget="<= 64").line())
        _while_recording(os.path.join(directory, "live"))
    return 0


SEEKER: Final = """
import os, random, sys
from uniobs.cores.playback import Playback
from uniobs.cores.recording import RecordingFile
playback = Playback(RecordingFile(os.open(sys.argv[1], os.O_RDONLY), sys.argv[1]))
most = 0
for _ in range(40):
    playback.seek(random.randrange(1, int(sys.argv[2])) * 10**8)
    lines = open("/proc/self/status").read().splitlines()
    most = max(most, next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))
print(most)
"""


def _memory(path: str) -> float:
    """Anonymous memory of a process that goes through it, at most, MiB."""
    command = [sys.executable, "-c", SEEKER, path, str(MOMENTS)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


def _while_recording(path: str) -> None:
    with boot.boot(boot.Machine()) as guest:
        started = time.perf_counter()
        process = subprocess.Popen(
            [UNIOBS, "record", str(guest.pid), "-o", path, "--for", f"{SECONDS}s"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    share = (usage.ru_utime + usage.ru_stime) / wall * 100
    what = f"recording a guest at 10 Hz, {SECONDS} s with start"
    print(Figure(what, share, "% CPU", budget="<= 5").line())


if __name__ == "__main__":
    sys.exit(main())
