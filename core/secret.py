"""A value that never shows itself, and a last filter that masks every such value in a text."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "********"
# Characters of a secret that is no part of a name by chance.
_LONG = 8


class Secret:
    """A password. Its text is reached only by `reveal()`, which is called where a connection is opened.

    Not a struct: what turns structs into JSON must stumble over it, not write it down.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        """Return the text itself; never put it into a message, an event or a log."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)


def mask(text: str, secrets: Iterable[Secret | None]) -> str:
    """Return `text` with every secret, plain or percent-encoded, replaced.

    The filter behind the allow-list: what is logged is built without secrets, and this catches what a library puts
    into its own message. Secrets of one or two characters are left alone: masking them would garble any text. A short
    one that is a word is masked where it stands alone, and not in the names that it is a part of: `app` in `app_users`
    tells nobody anything, and a mask there would.
    """
    for secret in secrets:
        if secret is None or len(secret.reveal()) < 3:
            continue
        for form in {secret.reveal(), quote(secret.reveal(), safe=""), quote(secret.reveal())}:
            if form not in text:
                continue
            if len(form) < _LONG and re.fullmatch(r"\w+", form):
                text = re.sub(rf"(?<!\w){form}(?!\w)", MASK, text)
            else:
                text = text.replace(form, MASK)
    return text
