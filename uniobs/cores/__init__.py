"""Cores: memory and registers of a guest at one moment, in a file. The format is told by content."""

from uniobs.cores.core import Core, MappedFile
from uniobs.cores.elf import NoCore
from uniobs.cores.open import open_core

__all__ = ["Core", "MappedFile", "NoCore", "open_core"]
