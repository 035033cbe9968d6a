"""DWARF 2 to 5, read lazily: only the units that are asked about are decoded."""
