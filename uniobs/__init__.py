"""uniobs: the tools you lost when you left Linux, for a unikernel that is live, hung or dead."""

__version__ = "0.1.0"
