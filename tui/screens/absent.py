"""Why a key that changes something is not on a screen."""

from __future__ import annotations

from typing import Final

WHY_ABSENT: Final = "this console only reads. One that may write has it."
