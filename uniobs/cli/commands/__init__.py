"""One short file a command: run(argv) -> exit code."""
