"""Connecting to unix sockets of a VMM."""

import os
import socket

from uniobs.errors import AccessDenied, NoSuchTarget, TargetError


class Busy(TargetError):
    """Its queue of waiting clients is full, or nobody accepted in time."""


def connect_unix(path: str, timeout: float) -> socket.socket:
    """The directory is opened first, so that names longer than a socket address work. Raises TargetError."""
    directory, name = os.path.split(path)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.settimeout(timeout)
    try:
        fd = os.open(directory or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            end.connect(f"/proc/self/fd/{fd}/{name}")
        finally:
            os.close(fd)
    except (TimeoutError, BlockingIOError):
        end.close()
        raise Busy(f"{path}: another client holds it") from None
    except PermissionError:
        end.close()
        raise AccessDenied(f"{path}: permission denied: run as the VMM's user") from None
    except FileNotFoundError:
        end.close()
        raise NoSuchTarget(f"{path}: no such socket") from None
    except ConnectionRefusedError:
        end.close()
        raise TargetError(f"{path}: nobody listens there (is the VMM running?)") from None
    except (OSError, ValueError) as error:
        end.close()
        raise TargetError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return end
