"""The Unix socket between a runner and its viewers, in the session's folder.

A socket's path may have about 100 bytes, and a home folder may be longer: it is bound and reached through a short
detour, on Linux through /proc, elsewhere through a link in a private temporary folder. See unix(7).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """Yield a short path of `name` in `folder`, good for bind and connect inside the block."""
    if sys.platform == "linux" and Path("/proc/self/fd").is_dir():
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{handle}/{name}"
        finally:
            os.close(handle)
        return
    with tempfile.TemporaryDirectory(prefix="co-") as detour:
        link = Path(detour) / "s"
        link.symlink_to(folder)
        yield f"{link}/{name}"


def is_own_user(link: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket runs as the same user as this one, or as root.

    Where the system does not tell, the folder's mode 0700 is what keeps others out.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid in {os.getuid(), 0}
