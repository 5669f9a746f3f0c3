"""The three streams of the process, as every command may rely on them."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Mapping
from typing import Any, Final

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


class Outlet(io.TextIOWrapper):
    """Text for a reader who may go away, or a disk that may be full: what comes after that goes nowhere.

    The work goes on to its own end and exit code: where it is a run, it must not hang on who reads about it.
    """

    # why not all of it was written; a reader that has enough is no reason
    lost: str = ""

    def write(self, text: str, /) -> int:
        """Write, if there is still anything to write to."""
        try:
            return super().write(text)
        except OSError as error:
            self._forget(error)
            return len(text)

    def flush(self) -> None:
        """Flush, if there is still anything to write to."""
        try:
            super().flush()
        except OSError as error:
            self._forget(error)

    def _forget(self, error: OSError) -> None:
        if error.errno != errno.EPIPE:
            self.lost = self.lost or error.strerror or str(error)
        _reopen(self.fileno())


def prepare_streams(environ: Mapping[str, str]) -> None:
    """Have three streams that never fail: whoever started us may have closed one, may go away, or may read ASCII only.

    A descriptor that is closed becomes /dev/null before a socket of ours can take its number and be written to as
    stdout.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            _reopen(descriptor)
            opened = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the whole process
            setattr(sys, name, opened)
            setattr(sys, f"__{name}__", opened)
    from .charset import ERRORS, is_ascii_only

    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            kept = {key: getattr(stream, key) for key in ("encoding", "errors", "line_buffering", "write_through")}
            stream = Outlet(stream.detach(), **kept)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        if not hasattr(stream, "reconfigure"):
            continue
        if is_ascii_only(environ, stream.encoding):
            stream.reconfigure(encoding="ascii", errors=ERRORS)
        else:
            stream.reconfigure(errors=ERRORS)


def _reopen(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)
