"""What holds for every screen: theme, filters, help, signals, and how it ends when something breaks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, Final

from rich.console import RenderableType
from textual import on
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.binding import BindingType
from textual.events import Event
from textual.events import Key as KeyPress
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from ..core.errors import ChangeoverError, ExitCode, Fault, fault_of
from ..core.secret import Secret
from .charset import is_ascii_only
from .driver import HUNG_UP, TerminalDriver
from .fence import AsciiFence, Colourless, ControlFence, write_traceback
from .format import count
from .keys import bindings
from .screens.commands import Commands, commands_of
from .screens.help import Help
from .screens.question import Choice, Question
from .screens.stage import Stage
from .spans import Spans
from .theme import THEMES, theme_for
from .widgets.room import LEAST_HEIGHT, LEAST_WIDTH

_LEAVING: Final = frozenset({"ctrl+c", "ctrl+q"})
# What a process ends with when a signal ends it.
_SIGNALS: Final = {signal.SIGTERM: 143, signal.SIGHUP: HUNG_UP}


class Frame(App[int]):
    """An app whose return value is the exit code of the process; the console is one, with its path in it."""

    TITLE = "changeover"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in App
        (0, "-cramped"),
        (LEAST_WIDTH, "-narrow"),
        (100, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - as in App
        (0, "-low"),
        (LEAST_HEIGHT, "-short"),
        (30, "-tall"),
        (50, "-vast"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere")

    def __init__(self, *, folder: Path) -> None:
        """Keep `folder` for the traceback of a bug: the session's own."""
        super().__init__(driver_class=TerminalDriver)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = theme_for(os.environ)
        self._folder = folder
        stdout = sys.__stdout__
        ascii_only = is_ascii_only(os.environ, stdout.encoding if stdout is not None else "utf-8")
        self._fences: tuple[LineFilter, ...] = (ControlFence(), *((AsciiFence(),) if ascii_only else ()))
        self._before: dict[signal.Signals, Any] = {}
        # one line for stderr, once the terminal is ours no more
        self.last_words = ""

    def secrets(self) -> Iterable[Secret | None]:
        """Return what must not stand in a traceback."""
        return ()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return Textual's own filters, and behind them the fences.

        Textual answers NO_COLOR with shades of grey, or with the codes of the default colours; none is meant.
        """
        filters = super().get_line_filters()
        wanted = (Colourless() if isinstance(each, (Monochrome, NoColor)) else each for each in filters)
        return [*wanted, *self._fences]

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Write no cell that is as it was."""
        if type(renderable) is ChopsUpdate:
            renderable = Spans.of(renderable)
        super()._display(screen, renderable)

    async def on_mount(self) -> None:
        """End properly when we are told to: the terminal is restored, and the exit code says which signal it was."""
        loop = asyncio.get_running_loop()

        def told(number: int, _frame: FrameType | None) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self.leave, _SIGNALS[signal.Signals(number)])

        with contextlib.suppress(ValueError):
            self._before = {number: signal.signal(number, told) for number in _SIGNALS}

    async def on_unmount(self) -> None:
        """Give the signals back.

        One that has ended us is ignored from here on: of a hang-up shell and kernel send one each, who asks a process
        to end may ask again, and the second would end it in the middle of closing what it has opened.
        """
        for number, handler in self._before.items():
            ended_us = _SIGNALS[number] == self.return_code
            signal.signal(number, signal.SIG_IGN if ended_us else handler)

    def leave(self, code: int, message: str | None = None) -> None:
        """End with this exit code."""
        self.last_words = message or self.last_words
        self.exit(code, return_code=code)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have help where there is a stage to help with."""
        del parameters
        if action == "copy":
            return isinstance(self.screen, Stage) and self.screen.COPIES
        return isinstance(self.screen, Stage) if action in {"help", "commands"} else True

    async def on_event(self, event: Event) -> None:
        """Let no key through where the window is too small to be read: it would answer what nobody has seen."""
        if isinstance(event, KeyPress) and self.is_cramped and event.key not in _LEAVING:
            return
        await super().on_event(event)

    @property
    def is_cramped(self) -> bool:
        """Whether the window is too small for any screen."""
        return self.size.width < LEAST_WIDTH or self.size.height < LEAST_HEIGHT

    def action_commands(self) -> None:
        """Show what can be done here by its name, and do what is chosen."""
        if isinstance(self.screen, Stage):
            self.push_screen(Commands(commands_of(self.screen)), self._commanded)

    def _commanded(self, action: str | None) -> None:
        if action:
            self.call_later(self.run_action, action.removeprefix("app."), self if "app." in action else self.screen)

    def action_copy(self) -> None:
        """Send what is chosen to the terminal's clipboard; whether it takes it, it does not say."""
        if isinstance(self.screen, Stage):
            text = self.screen.copied()
            if not text:
                self.screen.say("There is nothing to copy here.")
                return
            self.copy_to_clipboard(text)
            said = count(len(text), "character")
            self.screen.say(f"Sent to the terminal's clipboard, if it allows that: {said}.", "ok")

    def action_next_theme(self) -> None:
        """Take the next theme."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        if isinstance(self.screen, Stage):
            self.screen.say(f"Theme {self.theme.removeprefix('changeover-')}; CHANGEOVER_THEME keeps it.", "head")

    def action_help(self) -> None:
        """Show the keys of the screen below."""
        if isinstance(self.screen, Stage):
            self.push_screen(Help(self.screen, self.screen.stage))

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """Show what a worker has met: an expected failure as a panel, a bug as what it is."""
        error = event.worker.error
        if event.state is not WorkerState.ERROR or error is None:
            return
        if isinstance(error, ChangeoverError):
            self.show_fault(fault_of(error))
        elif isinstance(error, Exception):
            self._handle_exception(error)

    def show_fault(self, fault: Fault) -> None:
        """Show a failure over whatever is there."""
        self.push_screen(Question("", (Choice(key="b", answer="back", label="Back"),), fault=fault))

    def _handle_exception(self, error: Exception) -> None:
        """Write the traceback, without local variables, into the session's folder; end with code 1 and one line.

        Textual's own would print every local variable, passwords among them.
        """
        self._return_code = int(ExitCode.BUG)
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
            path = write_traceback(error, self._folder, self.secrets())
            where = f"the traceback is in {path}" if path else "and its traceback could not be written"
            self.last_words = f"changeover: a bug ended the console ({type(error).__name__}); {where}"
        self._close_messages_no_wait()
