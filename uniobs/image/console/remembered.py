"""Which remembered image printed a log: only one that the log proves, and that no other one could be."""

from typing import TYPE_CHECKING, Final

from uniobs.image.console.annotate import Survey
from uniobs.image.console.found import Code, Slide
from uniobs.image.console.placed import OSV_PROGRAM, Image

if TYPE_CHECKING:
    from uniobs.image.module import Module

_TRIED: Final = 64  # images, the latest first


class Choice:
    """``images``: those that the log proves. ``rivals``: names of several between which it can't tell."""

    def __init__(self, images: "list[Module]", rivals: list[str]) -> None:
        self.images = images
        self.rivals = rivals


def recognise(survey: Survey) -> Choice:
    """By code bytes, by functions' names and offsets, or by at least three return addresses that all follow
    calls. Reads the store of known images."""
    from uniobs.image import store

    found: list[tuple[Image, set[int]]] = []
    seen: set[str] = set()
    for known in store.known()[:_TRIED]:
        module = store.recall(known.identity)
        if module is None or module.text_sha in seen:
            continue
        seen.add(module.text_sha)
        image = try_image(module, survey)
        if image.fit.sure:
            found.append((image, set(image.fit.returns)))
    chosen: list[Image] = []
    rivals: list[str] = []
    for image, addresses in found:
        others = [other.module for other, theirs in found if other is not image and theirs & addresses]
        if others:
            rivals.append(str(image.module.path))
        else:
            chosen.append(image)
    for image in chosen:
        image.module.bias = 0
    return Choice([image.module for image in chosen], rivals)


def try_image(module: "Module", survey: Survey) -> Image:
    """The image with its fit to a log."""
    image = Image(module)
    facts = survey.facts
    for _, fact in reversed(facts):
        if isinstance(fact, Slide):
            image.slide(fact)
    addresses = survey.addresses
    if not image.placed and image.loader is None and any(a.value >= OSV_PROGRAM for a in addresses):
        module.bias, image.placed = OSV_PROGRAM, True
    for _, fact in facts:
        if isinstance(fact, Code):
            image.check(fact)
    for address in addresses:
        image.name(address)
    return image
