"""Awaiting something to its end although this task is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_completion(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of `coroutine`, also when cancelled once or more while it runs.

    The last words of a run (COMMIT, ROLLBACK, the record of a failure) are said this way. The cancellation is not
    lost: `was_cancelled()` tells the caller afterwards.
    """
    task = asyncio.ensure_future(coroutine)
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
    return task.result()


def was_cancelled() -> bool:
    """Whether somebody asked the current task to end, and it has not answered yet."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
