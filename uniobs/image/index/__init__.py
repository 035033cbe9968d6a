"""Symbols at memory speed: an image's functions, lines and inlined calls as rows by address, on disk."""
