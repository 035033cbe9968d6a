"""Images: what the bytes of a program mean (symbols, lines, stacks), and whether they are those in memory."""
