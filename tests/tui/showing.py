"""Shows one screen in the console's frame, and reads it back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from changeover.tui.terminal import prepare

prepare()
os.environ["TERM"] = "xterm-256color"

from textual.pilot import Pilot  # noqa: E402
from textual.screen import Screen  # noqa: E402

from changeover.tui.frame import Frame  # noqa: E402
from changeover.tui.screens.question import Question  # noqa: E402

Shown: TypeAlias = Callable[..., AbstractAsyncContextManager[Pilot[int]]]


_ANSWERS: dict[int, list[Any]] = {}


def showing(folder: Path) -> Shown:
    """Return what shows a screen; `answers` tells what it has answered."""

    @asynccontextmanager
    async def show(screen: Screen[Any], size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[int]]:
        app = Frame(folder=folder)
        async with app.run_test(size=size) as pilot:
            kept: list[Any] = []
            _ANSWERS[id(screen)] = kept
            await app.push_screen(screen, kept.append)
            await pilot.pause()
            yield pilot

    return show


def answers(screen: Screen[Any]) -> list[Any]:
    """Return what the screen has answered: nothing yet, or one result."""
    return _ANSWERS[id(screen)]


def set_off(pilot: Pilot[int], row: int) -> str:
    """Return what stands in reversed colours on a line of the screen."""
    strip = pilot.app.screen._compositor.render_strips()[row]
    return "".join(part.text for part in strip if part.style is not None and part.style.reverse).strip()


async def readable(pilot: Pilot[int]) -> None:
    """Wait until the screen takes answers: what comes before was typed ahead."""
    async with asyncio.timeout(60):
        while not _listens(pilot.app.screen):
            await asyncio.sleep(0.02)


def _listens(screen: Screen[Any]) -> bool:
    if isinstance(screen, Question):
        return screen._armed
    return not any(widget.disabled for widget in screen.query("Input, Button"))


def text(pilot: Pilot[int]) -> str:
    """Return what stands on the screen, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
