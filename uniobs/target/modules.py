"""Which images are in a guest's memory: named, remembered or started from; each proven before it's used."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from uniobs.errors import BadFormat, ImageMismatch, Incomplete, NoSuchTarget, UniobsError
from uniobs.lean import TYPE_CHECKING
from uniobs.target.imagefile import load_image
from uniobs.target.programs import fitting_program, place
from uniobs.target.slide import kernel_code, slid_by

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.target.guest import Guest
    from uniobs.target.origin import MappedImage, Placed

MODULES_MAX = 64


def find_modules(guest: "Guest") -> "tuple[Module, ...]":
    """Raises ImageMismatch or Incomplete for an image that the user named and that can't be proven."""
    if guest.origin.placed:
        return _placed_again(guest)
    if guest.images:
        return tuple(_named(guest, path) for path in guest.images) + _libraries(guest)
    try:
        guest.space  # noqa: B018  without it nothing can be compared
    except UniobsError as error:
        guest.notices.append(f"no image: {error}")
        return ()
    for module in _candidates(guest):
        try:
            place(guest, module)
            if _accept(guest, module):
                _remember(module)
                return (*_described(guest, module), *_libraries(guest))
        except ImageMismatch as error:
            guest.notices.append(f"{error}: name the right one with --image")
        except (BadFormat, Incomplete) as error:
            guest.notices.append(str(error))
    if (found := fitting(guest)) is not None:
        _accept(guest, found)
        return (found, *fitting_program(guest, found))
    return _libraries(guest)


def _placed_again(guest: "Guest") -> "tuple[Module, ...]":
    """Those that were in memory when it was recorded, from their files or those that the user names.

    Raises ImageMismatch for a file that was named and is none of them.
    """
    from uniobs.image import store

    named = [load_image(path) for path in guest.images]
    found = []
    for row in guest.origin.placed:
        module = next((m for m in named if row.identity in (m.build_id, m.text_sha)), None)
        try:
            if module is None:
                module = _loaded(row) or store.recall(row.identity)
            if module is None:
                guest.notices.append(f"{row.path} isn't the image any more that was recorded: --image FILE")
                continue
            module.bias = row.bias
            if _accept(guest, module):
                found.append(module)
        except UniobsError as error:
            guest.notices.append(str(error))
    for stranger in named:
        if stranger not in found and not guest.force:
            raise ImageMismatch(f"{stranger.path} isn't an image that was in memory when this was recorded")
    return tuple(found)


def _loaded(row: "Placed") -> "Module | None":
    from uniobs.image.module import Module

    for debug in dict.fromkeys((row.debug, None)):
        try:
            module = Module.load(row.path, 0, debug)
        except UniobsError:
            continue
        if row.identity in (module.build_id, module.text_sha):
            return module
    return None


def _described(guest: "Guest", module: "Module") -> "tuple[Module, ...]":
    """A kernel as its guest was started from it: the remembered image of the same text where that tells more,
    and the remembered program on it."""
    if guest.origin.identity or module.build_id is not None or guest.region is not None:
        return (module,)
    if not module.has_dwarf and (other := fitting(guest)) is not None and other.has_dwarf:
        _accept(guest, other)
        module = other
    return (module, *fitting_program(guest, module))


def fitting(guest: "Guest") -> "Module | None":
    """The remembered image whose text is in a guest's memory, where the guest itself doesn't name one.

    A few bytes of each are compared first; the one that is left is proven whole.
    """
    from uniobs.image import store

    code = kernel_code(guest)
    rows = [(row, None if code is None else slid_by(code, row.samples)) for row in store.known()]
    rows.sort(key=lambda found: found[1] is None)  # the kernel before the programs on it
    for row, slid in rows:
        try:
            bias = bias_of(guest) if slid is None else slid
            if any(guest.space.read(at + bias, len(data)) != data for at, data in row.samples):
                continue
            module = store.recall(row.identity, bias)
            if module is not None and module.prove(guest.space).proven:
                return module
        except UniobsError:
            continue
    return None


def bias_of(guest: "Guest") -> int:
    """Run-time minus link address of the guest's image, as its region states it."""
    with suppress(BadFormat):
        if guest.region is not None:
            return guest.region.header.image_bias
    return 0


def _named(guest: "Guest", path: str) -> "Module":
    module = load_image(path, bias_of(guest))
    try:
        place(guest, module)
        accepted = _accept(guest, module)
    except ImageMismatch as error:
        if guest.force:
            return _forced(guest, module, str(error))
        other = _instead(guest)
        fits = f"; {other.path} is" if other is not None else ""
        raise ImageMismatch(f"{error}{fits} (--force shows answers all the same, as unproven)") from None
    if not accepted:
        note = module.proof.note if module.proof is not None else "its text isn't in this memory"
        if guest.force:
            return _forced(guest, module, str(note))
        raise Incomplete("; ".join(filter(None, (f"{path}: {note}", guest.space_note))))
    _remember(module)
    return module


def _instead(guest: "Guest") -> "Module | None":
    """A remembered image that is in memory, and isn't among those that the user named."""
    kernel = fitting(guest)
    if kernel is None:
        return None
    named = {os.path.realpath(path) for path in guest.images}
    found = (kernel, *fitting_program(guest, kernel))
    return next((module for module in found if os.path.realpath(module.path) not in named), None)


def _forced(guest: "Guest", module: "Module", why: str) -> "Module":
    """Taken for the image all the same: nothing that it tells is proven, and each answer says so."""
    module.force(why)
    guest.notices.append(f"every answer is UNPROVEN, as --force has it: {why}")
    return module


def _accept(guest: "Guest", module: "Module") -> bool:
    """Whether its text was found in memory, or at least (a Linux core holds no file's text) its build-id."""
    proof = module.prove(guest.space)
    if (proof.proven or proof.build_id) and proof.note:
        guest.notices.append(f"{module.name}: {proof.note}")
    return bool(proof.proven or proof.build_id)


def _remember(module: "Module") -> None:
    from uniobs.image import store

    if module.file.startswith("/proc/"):
        return
    if module.has_dwarf or store.find(module.build_id or module.text_sha) is None:
        store.remember(module)  # a stripped file doesn't take the place of one that tells more


def _candidates(guest: "Guest") -> "Iterable[Module]":
    """The file the guest was started from, then what is remembered under the build-id it states."""
    from uniobs.image import store

    bias = bias_of(guest)
    hint = guest.origin.image_hint
    if hint is not None:
        try:
            if not os.path.isfile(hint):
                raise NoSuchTarget(f"{hint}: no such file")
            yield load_image(hint, bias)
        except UniobsError as error:
            guest.notices.append(f"the image isn't readable: {error}")
    with suppress(BadFormat):
        region = guest.region
        if region is not None and region.image_id:
            module = store.recall(region.image_id.hex(), bias)
            if module is not None:
                yield module


def _libraries(guest: "Guest") -> "tuple[Module, ...]":
    """The shared libraries that a hosted guest's core names."""
    return proven(guest, guest.origin.mapped_images)


def proven(guest: "Guest", images: "Sequence[MappedImage]") -> "tuple[Module, ...]":
    """Shared libraries, as far as their files are still those in memory."""
    from uniobs.image.module import Module

    found: list[Module] = []
    for mapped in images[:MODULES_MAX]:
        if not os.path.isfile(mapped.path):  # the name is the core's: it may as well be a pipe's
            continue
        try:
            module = Module.load(mapped.path)
            module.bias = mapped.start - min(low & ~0xFFF for low, _ in segments(module))
            proof = module.prove(guest.space)
        except (UniobsError, ValueError):
            continue
        if proof.proven or proof.build_id:
            found.append(module)
    return tuple(found)


def segments(module: "Module") -> list[tuple[int, int]]:
    """(link address, size) of what is loaded; raises ValueError via min() when nothing is."""
    return [(segment.vaddr, segment.memsz) for segment in module.elf.segments if segment.type == 1]
