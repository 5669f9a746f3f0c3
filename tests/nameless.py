"""Does something as a user whom the machine has no name for, as in a container started with a bare `--user 12345`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import pytest

NUMBER: Final = 54321

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def as_nameless(work: Callable[[], str]) -> str:
    """Return what `work` returns there, or the name and words of what it raises; needs root.

    A fork and not another Python: ours may be where only we can read it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            os.setgroups([])
            os.setgid(NUMBER)
            os.setuid(NUMBER)
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said
