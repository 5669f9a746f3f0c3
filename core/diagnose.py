"""What went wrong on the way to a server: asyncpg's and the system's errors -> our words, and whether time can mend it.

The order of the tests matters: a time-out, a TLS error, a name that does not resolve and a missing socket are all
`OSError`. SQLSTATE class 08 does not mean "try again": pgbouncer answers a wrong password with 08P01.
See https://www.postgresql.org/docs/18/errcodes-appendix.html.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Final

import asyncpg

from .errors import ConnectError, ServerReport
from .names import written
from .secret import mask
from .target import Target

# The server may answer differently in a moment: shutting down, crashed, starting up, too many connections.
_MENDED_BY_TIME: Final = frozenset({"57P01", "57P02", "57P03", "53300", "53200", "53100"})
# What pgbouncer says with 08P01 when the server behind it is away for the moment.
_POOLER_WAITS: Final = ("server login has been failing", "query_wait_timeout", "server_login_retry")
_PASSWORDS: Final = "Check it in the URL, PGPASSWORD, .pgpass or the service file; it is not tried again."
# Where the server sees us come from.
_HBA: Final = re.compile(r'pg_hba\.conf .*for host "([0-9a-f.:]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A failed connection attempt, and whether another one may succeed."""

    error: ConnectError
    retry: bool


def report_of(error: asyncpg.PostgresError | asyncpg.PostgresLogMessage) -> ServerReport:
    """Return the server's own fields of an asyncpg error or notice."""
    fields = error.as_dict()
    position = fields.get("position")
    return ServerReport(
        severity=fields.get("severity_en") or fields.get("severity") or "ERROR",
        sqlstate=fields.get("sqlstate") or "",
        message=fields.get("message") or str(error),
        detail=fields.get("detail"),
        hint=fields.get("hint"),
        context=fields.get("context"),
        position=int(position) if position else None,
    )


def diagnose(error: BaseException, target: Target, deadline: float) -> Diagnosis:
    """Return what a failed attempt to connect means, with the remedy for this very target."""
    where = target.address
    match error:
        case asyncpg.PostgresError():
            return _answered(error, target)
        case TimeoutError():
            return _mended(
                f"No answer from {where} within {deadline:g} s.",
                "Something accepts the connection and does not speak, or a firewall drops it: check host and port.",
            )
        case ssl.SSLCertVerificationError():
            return _final(
                f"The certificate of {where} is not trusted: {error.verify_message or error.reason}.",
                "Give its authority with sslrootcert=FILE, or say sslmode=require to do without the check.",
            )
        case ssl.SSLError():
            return _final(f"TLS with {where} failed: {error.reason or error}.", "Check sslmode and the certificates.")
        case socket.gaierror():
            return _unresolved(error, target)
        case ConnectionRefusedError():
            return _mended(f"{where} refused the connection.", _ask_whether_it_runs(target))
        case ConnectionResetError() | BrokenPipeError():
            return _mended(f"{where} closed the connection.", "A proxy or firewall may sit in between.")
        case FileNotFoundError() if target.host.startswith("/"):
            return _mended(
                f"There is no server socket in {target.host} for port {target.port}.",
                f"{_ask_whether_it_runs(target)} SHOW unix_socket_directories on it names its folders.",
            )
        case PermissionError() if target.host.startswith("/"):
            return _final(f"The socket folder {target.host} is not open to you.", "Use a user who may enter it.")
        case OSError():
            return _of_system(error, target)
        case asyncpg.InterfaceError() | asyncpg.InternalClientError() | ValueError():
            return _of_driver(error, target)
        case _:
            return _final(f"Connecting to {where} failed: {type(error).__name__}.", "")


def _mended(summary: str, advice: str) -> Diagnosis:
    return Diagnosis(error=ConnectError(summary, advice=advice), retry=True)


def _final(summary: str, advice: str) -> Diagnosis:
    return Diagnosis(error=ConnectError(summary, advice=advice), retry=False)


def _answered(error: asyncpg.PostgresError, target: Target) -> Diagnosis:
    report = report_of(error)
    if isinstance(error, asyncpg.ConnectionDoesNotExistError) and not report.detail:
        cause = error.__cause__
        if isinstance(cause, asyncpg.PostgresError):
            return _answered(cause, target)
        return _mended(
            f"{target.address} closed the connection before it was up.",
            "The server may be starting or restarting.",
        )
    summary, advice = _in_words(report, target)
    retry = report.sqlstate in _MENDED_BY_TIME or (
        report.sqlstate == "08P01" and any(words in report.message for words in _POOLER_WAITS)
    )
    return Diagnosis(error=ConnectError(summary, advice=advice, report=report), retry=retry)


def _in_words(report: ServerReport, target: Target) -> tuple[str, str]:
    message = mask(report.message, [target.password])
    match report.sqlstate:
        case "28P01":
            given = "was not accepted" if target.password else "is needed, and none was given"
            line = f"{target.host}:{target.port}:{target.database}:{target.user}:PASSWORD"
            return (
                f"The password for role {target.user} {given}.",
                f"{_PASSWORDS} Its line of ~/.pgpass: {line}",
            )
        case "28000" if "does not exist" in message:
            return (
                f"Role {target.user} does not exist on {target.address}.",
                f"Check the user name, or have it created: CREATE ROLE {written((target.user,))} LOGIN",
            )
        case "28000":
            return (
                message,
                "pg_hba.conf of the server decides who may come in, from where and with which sslmode."
                + _line_of_hba(message, target),
            )
        case "3D000":
            return (
                f"Database {target.database} does not exist on {target.address}.",
                f"Check its name, or create it: CREATE DATABASE {written((target.database,))}",
            )
        case "57P03":
            return (f"The server is not ready yet: {message}.", "It is starting up or recovering.")
        case "53300":
            return (
                f"The server has no connection left: {message}.",
                "Close some, raise max_connections, or go through a pooler; it is tried again by itself.",
            )
        case "57P01" | "57P02":
            return (f"The server is going down: {message}.", "")
        case _:
            return (f"{target.address} did not let us in: {message}", "")


def _ask_whether_it_runs(target: Target) -> str:
    asks = f"pg_isready -h {target.host} -p {target.port}"
    return f"Is the server running there, and listening on this port? {asks} asks it; listen_addresses must allow it."


def _line_of_hba(message: str, target: Target) -> str:
    """Return the line that would let us in, where the server has said from where we come."""
    found = _HBA.search(message)
    if found is None:
        return ""
    kind = "host" if "no encryption" in message else "hostssl"
    names = " ".join(f'"{name}"' if re.search(r"[^a-z0-9_]", name) else name for name in (target.database, target.user))
    length = 128 if ":" in found[1] else 32
    return f" A line for this: {kind} {names} {found[1]}/{length} scram-sha-256; then SELECT pg_reload_conf()."


def _unresolved(error: socket.gaierror, target: Target) -> Diagnosis:
    if error.errno == socket.EAI_AGAIN:
        return _mended(f"The name {target.host} could not be looked up just now.", "Is the name server reachable?")
    return _final(
        f"The host name {target.host} is not known.",
        f"Check its spelling: getent hosts {target.host} asks the same; inside a VPN it may have another name.",
    )


def _of_system(error: OSError, target: Target) -> Diagnosis:
    if isinstance(error, ConnectionError) and error.errno is None:
        # asyncpg's own word for a server that answers the request for TLS with "no"
        return _final(
            f"{target.address} does not speak TLS, and sslmode={target.sslmode} wants it.",
            "Where the network between is trusted, say sslmode=disable (or prefer) in the URL.",
        )
    retry = error.errno in {
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ETIMEDOUT,
        errno.ECONNABORTED,
        errno.EAGAIN,
    }
    words = error.strerror or type(error).__name__
    return Diagnosis(
        error=ConnectError(f"{target.address} cannot be reached: {words}.", advice="Check host, port and network."),
        retry=retry,
    )


def _of_driver(error: BaseException, target: Target) -> Diagnosis:
    words = mask(str(error), [target.password])
    if "password" in words.lower() and target.password is None:
        return _final(
            f"The server wants a password for role {target.user}, and none was given.",
            "Give it in the URL, PGPASSWORD, .pgpass or the service file.",
        )
    return _final(f"Connecting to {target.address} failed: {words}", "")
