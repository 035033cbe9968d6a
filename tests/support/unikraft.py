"""Real Unikraft images that somebody built, from the folder $UNIOBS_GUESTS: images/unikraft-*/, each with a
boot file and its .dbg. The application in them prints where its locks are, and does what its first
argument says: run, crash, assert, spin, deadlock or exit.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.real_guests import QEMU, VARIABLE, Real, started, wait_until


def images() -> dict[str, Path]:
    """Boot file of each variant ("base", "trace"...); empty when there is no such folder."""
    folder = os.environ.get(VARIABLE)
    found = {}
    for path in sorted(Path(folder).glob("images/unikraft-*/*.dbg")) if folder else ():
        found[path.parent.name.removeprefix("unikraft-")] = path.with_suffix("")
    return found


needs_images = pytest.mark.skipif(
    not images() or not shutil.which(QEMU), reason=f"needs QEMU, and real images in the folder ${VARIABLE}"
)


@contextmanager
def booted(image: Path, scenario: str, directory: Path, *, memory: int = 64) -> Iterator[Real]:
    """Boot it with the scenario due after half a second; until it listens, or has ended."""
    words = ("-kernel", image, "-append", f"app netdev.ip=10.0.2.15/24:10.0.2.2 -- {scenario} 500")
    with started(scenario, directory, *words, name=f"uk-{scenario}", image=image, memory=memory) as guest:
        wait_until(lambda: "Powered by Unikraft" in guest.console, "it didn't come up")
        with suppress(AssertionError):  # some C libraries keep what it says to themselves
            wait_until(lambda: "listening on port" in guest.console, "it says nothing", 5)
        yield guest
