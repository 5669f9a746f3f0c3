"""What a format has no notion of is wrong usage, and said so in the same words everywhere. Pure."""

from __future__ import annotations

from . import formats
from .errors import UsageError


def require(format_name: str, notion: formats.Notion) -> None:
    """Raise `UsageError` where a format has no such thing."""
    form = formats.BY_NAME[format_name]
    if not form.has(notion):
        raise UsageError(
            f"This format has no {notion}: {form.title} knows nothing of the kind.",
            advice=f"These formats have it: {', '.join(it.name for it in formats.ALL if it.has(notion))}.",
        )
