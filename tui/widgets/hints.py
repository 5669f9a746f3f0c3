"""The last row: the keys that one is likely to want now, from the bindings of the screen."""

from __future__ import annotations

from textual.app import App
from textual.binding import ActiveBinding, Binding
from textual.content import Content

from ..keys import key_name
from ..words import joined
from .paper import Paper


def shown_bindings(bindings: dict[str, ActiveBinding], *, hidden: bool = False) -> list[ActiveBinding]:
    """Return the bindings that the last row shows: the screen's before the app's, each action once.

    With `hidden` also those that it leaves out.
    """
    seen: set[str] = set()
    shown: list[tuple[int, ActiveBinding]] = []
    for active in bindings.values():
        depth = depth_of(active)
        if (active.binding.show or hidden) and depth is not None and active.binding.action not in seen:
            seen.add(active.binding.action)
            shown.append((depth, active))
    return [active for _, active in sorted(shown, key=lambda each: each[0])]


def depth_of(active: ActiveBinding) -> int | None:
    """Return how far up the class tree a binding was written, None where it is one of Textual's own."""
    ours = [each for each in type(active.node).__mro__ if each.__module__.startswith("changeover.")]
    for depth, each in enumerate(ours):
        written: list[Binding] = [it for it in each.__dict__.get("BINDINGS", ()) if isinstance(it, Binding)]
        if any(it.action == active.binding.action for it in written):
            return depth + (100 if isinstance(active.node, App) else 0)
    return None


class Hints(Paper):
    """Keys and what they do, as many as fit; a key that does nothing now is dim."""

    def __init__(self) -> None:
        super().__init__(id="hints")

    def on_mount(self) -> None:
        """Follow the screen's bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.paint())
        self.call_after_refresh(self.paint)

    def on_resize(self) -> None:
        """Show as many as fit."""
        self.paint()

    def paint(self) -> None:
        """Show the keys of now."""
        room = self.size.width
        line = Content(" ")
        for active in shown_bindings(self.screen.active_bindings):
            key = active.binding.key_display or key_name(active.binding.key)
            live = active.enabled
            hint = joined(
                Content.styled(key, "$key bold" if live else "$dim"),
                " ",
                Content.styled(active.binding.description, "$text" if live else "$dim"),
                "  ",
            )
            if line.cell_length + hint.cell_length - 2 > room:
                break
            line = joined(line, hint)
        self.write(line)
