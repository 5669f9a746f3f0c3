"""Values of the engine to JSON and back: events in a session log, requests and commands of a runner.

One line is one object; its characters are ASCII, so that nothing in a log can act on a terminal that shows it.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .events import EVENTS, Event
from .masking import cleaned, seems_to_tell
from .secret import Secret
from .view import Stamped

T = TypeVar("T")


class MalformedLine(ValueError):
    """A line that is not what it should be: cut off, edited, or of a newer version."""


def event_line(stamped: Stamped) -> bytes:
    """Return the line of a session log for an event, newline included."""
    return _line(stamped, msgspec.to_builtins(stamped.event))


def without_passwords(stamped: Stamped, secrets: tuple[Secret, ...]) -> tuple[Stamped, bytes]:
    """Return the event, and its line, with the passwords masked that came into it with foreign text.

    Raises `TypeError` for what cannot be written.
    """
    fields = msgspec.to_builtins(stamped.event)
    line = _line(stamped, fields)
    if not seems_to_tell(line.decode("ascii"), secrets):
        return stamped, line
    fields = cleaned(fields, secrets)
    event = msgspec.convert(fields, type(stamped.event))
    return Stamped(seq=stamped.seq, at=stamped.at, event=event), _line(stamped, fields)


def _line(stamped: Stamped, fields: dict[str, Any]) -> bytes:
    record = {"seq": stamped.seq, "at": round(stamped.at, 6), "event": type(stamped.event).__name__, **fields}
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def event_of(line: bytes) -> Stamped:
    """Return the event of a line; raises `MalformedLine`."""
    try:
        # json and not msgspec: an argument of the command line may hold half a surrogate pair
        fields = json.loads(line)
        kind: type[Event] = EVENTS[fields.pop("event")]
        seq, at = int(fields.pop("seq")), float(fields.pop("at"))
        return Stamped(seq=seq, at=at, event=msgspec.convert(fields, kind))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedLine(f"not a line of a session log: {error}") from None


def encode(value: object) -> bytes:
    """Return a value as one line of JSON. Secrets are in it: for a pipe to our own child, never for a file."""
    return msgspec.json.encode(value, enc_hook=_unknown) + b"\n"


def decode(line: bytes, kind: type[T]) -> T:
    """Return the value of a line; raises `MalformedLine`."""
    try:
        return msgspec.json.decode(line, type=kind, dec_hook=_known)
    except msgspec.MsgspecError as error:
        raise MalformedLine(f"not a {kind.__name__}: {error}") from None


def _unknown(value: Any) -> Any:
    match value:
        case Secret():
            return base64.b64encode(value.reveal().encode()).decode()
        case Path():
            return str(value)
    # the word by which msgspec wants to hear that a type has no place in JSON
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def _known(kind: type, value: Any) -> Any:
    if kind is Secret:
        try:
            return Secret(base64.b64decode(value, validate=True).decode())
        except (binascii.Error, ValueError):
            raise ValueError("a secret is not base64") from None
    if issubclass(kind, Path):
        return Path(value)
    raise NotImplementedError(f"cannot decode {kind.__name__}")
