"""How much memory of its own a process needs that looks at a core as a command would."""

import subprocess
import sys
from pathlib import Path

LIMIT = 64 << 10  # KiB

LOOK = """
import sys
from uniobs.errors import UniobsError
from uniobs.target import discovery, open_target
discovery.find_guests = list
target = open_target(sys.argv[1])
worst = 0
def measure():
    global worst
    line = next(row for row in open("/proc/self/status") if row.startswith("RssAnon"))
    worst = max(worst, int(line.split()[1]))
measure()
assert target.region is not None and target.region.address == int(sys.argv[2])
measure()
assert len(target.walker("threads").threads()) == 1
target.status(0)
for ask in (target.registers, lambda: list(target.memory.ranges()), lambda: target.space.read(0, 1 << 20)):
    try:
        ask()
    except UniobsError as error:
        print(error, file=sys.stderr)
    measure()
print(worst)
"""


def own_memory(path: Path, region: int) -> int:
    """KiB of RssAnon at the worst. Fails when the region isn't found where it is."""
    command = [sys.executable, "-c", LOOK, path, str(region)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
