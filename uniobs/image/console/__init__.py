"""Console logs of dead guests: the addresses on them, and what lies there.

One short file a kernel tells how its panic output reads; all of them are asked about every line, so a log
needs no label. What a line means is an Address or a Fact; ``annotate`` puts names on the addresses.
"""

from uniobs.image.console.annotate import Annotator, annotate
from uniobs.image.console.found import Address
from uniobs.image.console.placed import Images, Named

__all__ = ["Address", "Annotator", "Images", "Named", "annotate"]
