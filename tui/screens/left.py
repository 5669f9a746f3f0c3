"""A screen is left once."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, Screen

ResultT = TypeVar("ResultT")


class LeftOnce(Screen[ResultT], Generic[ResultT]):
    """Takes its first answer only.

    Keys that were pasted or typed in one rush are with the screen already when the first of them ends it. Textual
    would answer the second, too, and take away the screen below, or end the console where there is none.
    """

    _is_left = False

    def dismiss(self, result: ResultT | None = None) -> AwaitComplete:
        """End with `result`, unless it has ended already."""
        if self._is_left:
            return AwaitComplete()
        self._is_left = True
        return super().dismiss(result)


class Over(LeftOnce[ResultT], ModalScreen[ResultT], Generic[ResultT]):
    """A screen over another one."""
