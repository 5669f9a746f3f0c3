"""The three streams of the process, as every command may rely on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare_streams(environ: Mapping[str, str]) -> None:
    """Have three streams that never fail for a sign: whoever started us may have closed one, or may read ASCII only.

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
