"""What the server said while the run went on, newest last."""

from __future__ import annotations

from textual.content import Content

from ...core.view import NoticeView
from ..format import count
from ..words import cell, fit, joined, stacked, words
from .paper import Paper


class Notices(Paper):
    """The last notices that fit, and how many there were."""

    _said: tuple[tuple[NoticeView, ...], int] = ((), 0)

    def show(self, notices: tuple[NoticeView, ...], total: int) -> None:
        """Show the newest, as many as there are lines."""
        self._said = (notices, total)
        self.write(notice_words(notices, total, width=self.size.width, rows=max(1, self.size.height)))

    def on_resize(self) -> None:
        """Fill the lines that there are now."""
        self.show(*self._said)


def notice_words(notices: tuple[NoticeView, ...], total: int, *, width: int, rows: int) -> Content:
    """Return the newest notices; the session log has all of them."""
    if not notices:
        return words("notices   none so far", "dim")
    shown = notices[-rows:]
    lines: list[Content] = []
    for index, notice in enumerate(shown):
        tone = "warn" if notice.severity == "WARNING" else "text"
        lead = "notices   " if index == 0 else "          "
        head = fit(cell(notice.severity.lower()).text, 8)
        more = f" ({count(total - len(shown), 'earlier one')})" if index == 0 and total > len(shown) else ""
        message = fit(cell(notice.message).text, max(0, width - 20 - len(more))).rstrip()
        lines.append(joined(words(lead, "dim"), words(head, tone), words(message + more)))
    return stacked(*lines)
