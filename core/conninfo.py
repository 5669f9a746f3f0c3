"""Connection URLs and `key=value` strings, read as strictly as libpq reads them.

https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING. The driver's own parser sends unknown keys to
the server as settings, connects elsewhere where a service name is unknown, and repeats parts of the password in its
errors.

No message of this module repeats anything that was read: a password with an unescaped character in it can turn up in
every part of a URL.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final
from urllib.parse import unquote_to_bytes

from .errors import TargetError

EXAMPLE: Final = "postgresql://alice@db.example.org:5432/shop?sslmode=verify-full"
ADVICE: Final = f"A good one looks like {EXAMPLE}"

# The keys that a target can have, by libpq's names.
KEYS: Final = (
    "host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey",
    "connect_timeout", "service", "passfile",
)  # fmt: skip

# libpq's other keys, with the reason why a target cannot have them.
_OWN = "changeover sets it by itself, so that each of its connections can be told apart"
_GUARD = "changeover sets it by itself; the server must notice by the same deadlines that the engine counts on"
_STRONGER = "it asks for a protection that the driver cannot give, and to go on without it would be worse"
REFUSED: Final = {
    "application_name": _OWN,
    "fallback_application_name": _OWN,
    "options": "server settings of a run belong in the role, the database or the migration, where they are recorded",
    "client_encoding": "it is always UTF-8",
    "keepalives": _GUARD,
    "keepalives_idle": _GUARD,
    "keepalives_interval": _GUARD,
    "keepalives_count": _GUARD,
    "tcp_user_timeout": _GUARD,
    "hostaddr": "give the address as host, or the name, whose certificate can be checked",
    "target_session_attrs": "name the primary itself: a migration must not choose its server",
    "load_balance_hosts": "a migration must not choose its server",
    "replication": "a migration needs an ordinary connection",
    "channel_binding": _STRONGER,
    "require_auth": _STRONGER,
    "gssencmode": _STRONGER,
    "sslnegotiation": "it is always postgres",
    "sslcrl": _STRONGER,
    "sslcrldir": _STRONGER,
    "sslpassword": "use a key without a passphrase that only you can read",
    "sslcertmode": _STRONGER,
    "sslsni": "it is always on",
    "sslcompression": "compression inside TLS is unsafe and gone from PostgreSQL",
    "sslkeylogfile": "it writes the keys of the connection into a file",
    "ssl_min_protocol_version": _STRONGER,
    "ssl_max_protocol_version": "it can only weaken the connection",
    "min_protocol_version": "the driver speaks protocol 3.0 only",
    "max_protocol_version": "the driver speaks protocol 3.0 only",
    "requiressl": "say sslmode=require",
    "requirepeer": _STRONGER,
    "krbsrvname": "Kerberos is not supported",
    "gsslib": "Kerberos is not supported",
    "gssdelegation": "Kerberos is not supported",
    "scram_client_key": "use a password",
    "scram_server_key": "use a password",
    "oauth_issuer": "OAuth is not supported",
    "oauth_client_id": "OAuth is not supported",
    "oauth_client_secret": "OAuth is not supported",
    "oauth_scope": "OAuth is not supported",
    "servicefile": "set PGSERVICEFILE",
}

# Said in a service file for all its readers, these change nothing that a migration rests on, and are passed over there.
HARMLESS: Final = frozenset(
    {
        "application_name", "fallback_application_name", "client_encoding", "keepalives", "keepalives_idle",
        "keepalives_interval", "keepalives_count", "tcp_user_timeout", "sslcompression", "sslsni",
        "load_balance_hosts", "max_protocol_version", "gsslib", "krbsrvname",
    }
)  # fmt: skip

_SCHEME = re.compile(r"postgres(ql)?://", re.IGNORECASE)
_DRIVER_SCHEME = re.compile(r"postgres(ql)?\+[\w.]*:", re.IGNORECASE)
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_LITERAL_HOST = re.compile(r"\[([0-9A-Fa-f:.%\w]+)\](?::(\d*))?")


def looks_like_conninfo(text: str) -> bool:
    """Tell whether `text` means to be a URL or a `key=value` string, well formed or not, and not a target's name."""
    return re.fullmatch(r"[\w.-]*", text) is None


def parse(text: str, *, said_by: str) -> dict[str, str]:
    """Return the keys and values of a URL or a `key=value` string, by libpq's names; empty values are left out.

    `said_by` names the source in messages. Raises TargetError, whose message never repeats any of `text`.
    """
    text = text.strip()
    if _SCHEME.match(text):
        return _parse_url(text, said_by)
    if _DRIVER_SCHEME.match(text):
        raise _bad(said_by, "names a driver in its scheme: drop the +driver part, so that it begins with postgresql://")
    if "://" in text.split("=")[0]:
        raise _bad(said_by, "has a scheme that is not PostgreSQL's: it must begin with postgresql:// or postgres://")
    if "=" not in text or re.match(r"[^=]*[:/@]", text):
        raise _bad(said_by, "is neither a URL that begins with postgresql:// nor a list of key=value pairs")
    return _parse_pairs(text, said_by)


def check_key(key: str, *, where: str) -> None:
    """Raise TargetError where a target cannot have `key`. An unknown key is not repeated: see the module."""
    if key in KEYS:
        return
    if key in REFUSED:
        raise TargetError(
            f"{where} sets {key}, which a target of changeover cannot have: {REFUSED[key]}.", advice=ADVICE
        )
    close = get_close_matches(key, KEYS, n=1, cutoff=0.75)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise TargetError(f"{where} has a key that is not known.", advice=f"{hint}The keys are {', '.join(KEYS)}. {ADVICE}")


def check_port(value: str, *, where: str, advice: str = "") -> int:
    """Return the port, 1 to 65535. Raises TargetError without repeating `value`, which may be part of a password.

    `advice` is for a port that stood by itself, and not in a URL.
    """
    if re.fullmatch(r"[0-9]{1,5}", value) and 1 <= int(value) <= 65535:
        return int(value)
    raise TargetError(
        f"{where} has a port that is not a number from 1 to 65535.",
        advice=advice or f"In a URL, write /, #, ?, @ and : in a password as %2F, %23, %3F, %40 and %3A. {ADVICE}",
    )


def check_host(value: str, *, where: str) -> str:
    """Return the host name, address or absolute socket folder. Raises TargetError."""
    if "," in value:
        raise TargetError(
            f"{where} names more than one host. A migration must not choose its server: name one.", advice=ADVICE
        )
    if value.startswith("@"):
        raise TargetError(f"{where} names an abstract socket, which is not supported.", advice=ADVICE)
    if value.startswith("/"):
        return value
    try:
        # the resolver's own limits: empty or too long labels
        value.encode("idna")
        bad = re.search(r"[\s/\\@\[\]?#\x00-\x1f\x7f]", value) is not None
    except UnicodeError:
        bad = True
    if bad:
        raise TargetError(f"{where} has a host that is neither a name, an address nor a folder.", advice=ADVICE)
    return value


def check_timeout(value: str, *, where: str) -> float | None:
    """Return connect_timeout in seconds, None where it asks for no limit (0 or less, as libpq has it)."""
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,6}\s*", value):
        raise TargetError(f"{where} has a connect_timeout that is not a whole number of seconds.", advice=ADVICE)
    seconds = int(value)
    # libpq, too, takes 1 as 2: a second is gone before a slow handshake begins
    return float(max(2, seconds)) if seconds > 0 else None


def _bad(said_by: str, what: str) -> TargetError:
    return TargetError(f"{said_by} {what}.", advice=ADVICE)


def _parse_url(text: str, said_by: str) -> dict[str, str]:
    rest = text.split("://", 1)[1]
    if "#" in rest:
        raise _bad(said_by, "holds an unescaped #: write it as %23")
    if re.search(r"[\s\x00-\x1f\x7f]", rest):
        raise _bad(said_by, "holds a space or a control character: write it as %20 or the like")
    before, question, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    if authority.count("@") > 1:
        raise _bad(said_by, "holds more than one @ before the host: write one in a password as %40")
    if "@" in path or ("@" in query and "@" not in authority and ":" in authority):
        raise _bad(
            said_by, "has an @ after its host: write /, ? and @ in a password as %2F, %3F and %40, in names as well"
        )
    userinfo, at, host = authority.rpartition("@")
    values: dict[str, str] = {}
    if at:
        user, colon, password = userinfo.partition(":")
        values["user"] = user
        if colon:
            values["password"] = password
    values["host"], values["port"] = _host_and_port(host, said_by)
    if slash:
        if "/" in path:
            raise _bad(said_by, "has a second / in the database's name: write it as %2F")
        values["dbname"] = path
    values = {key: _decoded(value, said_by) for key, value in values.items() if value}
    if not question:
        return values
    return _merged(values, _parse_query(query, said_by), said_by)


def _host_and_port(text: str, said_by: str) -> tuple[str, str]:
    if "," in text:
        raise _bad(said_by, "names more than one host. A migration must not choose its server: name one")
    if text.startswith("["):
        match = _LITERAL_HOST.fullmatch(text)
        if match is None:
            raise _bad(said_by, "has an IPv6 address that is not closed with ] or is followed by more than a port")
        return match[1].replace("%25", "%").replace("%", "%25"), match[2] or ""
    host, _, port = text.partition(":")
    if port:
        check_port(port, where=said_by)
    return host, port


def _parse_query(query: str, said_by: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, part in enumerate(query.split("&"), start=1):
        key, equals, value = part.partition("=")
        where = f"{said_by}, parameter {number} after the ?,"
        if not equals or "=" in value or not key:
            raise _bad(where, "is not key=value")
        key, value = _decoded(key, said_by), _decoded(value, said_by)
        if key == "ssl" and value == "true":
            # libpq takes this spelling of JDBC's as well
            key, value = "sslmode", "require"
        check_key(key, where=where)
        if key in values:
            raise _bad(said_by, f"says {key} twice")
        values[key] = value
    return {key: value for key, value in values.items() if value}


def _merged(values: dict[str, str], more: dict[str, str], said_by: str) -> dict[str, str]:
    for key, value in more.items():
        if values.get(key, value) != value:
            raise _bad(said_by, f"says {key} twice, before the ? and after it")
    return {**values, **more}


def _decoded(text: str, said_by: str) -> str:
    if _ESCAPE.search(text):
        raise _bad(said_by, "holds a % that is not followed by two hexadecimal digits: write a % itself as %25")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise _bad(said_by, "is not UTF-8 once its % escapes are read") from None


def _parse_pairs(text: str, said_by: str) -> dict[str, str]:
    """Read `key = value key='quoted value'`, where a backslash escapes; see the manual, section 34.1.1.1."""
    pair = re.compile(
        r"\s*([^\s=]+)\s*=\s*('((?:[^'\\]|\\.)*)'(?=\s|$)|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?)", re.DOTALL
    )
    values: dict[str, str] = {}
    at = 0
    while text[at:].strip():
        match = pair.match(text, at)
        number = len(values) + 1
        if match is None or (match.end() < len(text) and not text[match.end()].isspace()):
            raise _bad(said_by, f"cannot be read from its {_ordinal(number)} key=value pair on: is a quote not closed")
        key = match[1]
        check_key(key, where=f"{said_by}, pair {number},")
        if key in values:
            raise _bad(said_by, f"says {key} twice")
        raw = match[3] if match[3] is not None else match[4] or ""
        values[key] = re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL)
        at = match.end()
    return {key: value for key, value in values.items() if value}


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
