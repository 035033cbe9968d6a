"""What dwz moved out of several files' debug information into one that they share (DWARF 5, 7.3.6)."""

import os
from collections.abc import Iterator

from uniobs.errors import UniobsError
from uniobs.image.elf import Elf


class Shared(Elf):
    """Such a file: an object file of nothing but debug information."""

    _shared_debug = True


def _candidates(elf: Elf, name: str, identity: str) -> Iterator[str]:
    from uniobs.image.separate import folders

    here = os.path.dirname(os.path.realpath(elf.file))
    if name:
        yield os.path.join(here, name)  # also what is absolute
    for folder in folders():
        if len(identity) > 2:
            yield os.path.join(folder, ".build-id", identity[:2], identity[2:] + ".debug")
        if name:
            yield os.path.join(folder, ".dwz", os.path.basename(name))


def find(elf: Elf) -> Elf | None:
    """The file that an image's supplement_link names, by build-id or checksum; None when it is elsewhere."""
    if elf.supplement_link is None:
        return None
    name, identity = elf.supplement_link
    if len(identity) < 4:
        return None  # nothing would tell it from another file of that name
    for path in _candidates(elf, name, identity.hex()):
        if "\0" in path or not os.path.isfile(path):
            continue
        try:
            found = Shared(path)
            if found.build_id == identity.hex() or found.debug_sup == (1, "", identity):
                return found
        except UniobsError:
            continue
    return None
