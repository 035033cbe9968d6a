"""The terminal UI's place. It isn't part of this version: ``uniobs`` without arguments lists the guests."""
