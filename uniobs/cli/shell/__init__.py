"""The prompt: its grammar, its commands, its completion. One short file a group of commands."""
