"""What went wrong on the way to a server: asyncpg's and the system's errors -> our words, and whether time can mend it.

The order of the tests matters: a time-out, a TLS error, a name that does not resolve and a missing socket are all
`OSError`. SQLSTATE class 08 does not mean "try again": pgbouncer answers a wrong password with 08P01.
See https://www.postgresql.org/docs/18/errcodes-appendix.html.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Final

import asyncpg
from msgspec import Struct

from .admission import words_of
from .errors import ConnectError, ServerReport
from .secret import mask
from .target import Target

# The server may answer differently in a moment: shutting down, crashed, starting up, too many connections.
_MENDED_BY_TIME: Final = frozenset({"57P01", "57P02", "57P03", "53300", "53200", "53100"})
# OpenSSL's X509_V_ERR_*: host name and address that the certificate is not for; not yet and no longer valid.
_OTHER_NAME: Final = frozenset({62, 64})
_DATES: Final = frozenset({9, 10})
# What pgbouncer says with 08P01 when the server behind it is away for the moment.
_POOLER_WAITS: Final = ("server login has been failing", "query_wait_timeout", "server_login_retry")


class Diagnosis(Struct, frozen=True, kw_only=True):
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
                "Check host and port. A firewall may drop what is sent, or something else listens there:"
                f" nc -vz {target.host} {target.port} tells which.",
            )
        case ssl.SSLCertVerificationError():
            return _untrusted(error, target)
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
                f"There is no server socket in {target.host} for port {target.port}.", _ask_whether_it_runs(target)
            )
        case PermissionError() if target.host.startswith("/"):
            return _final(f"The socket folder {target.host} is not open to you.", "Use a user who may enter it.")
        case OSError():
            return _of_system(error, target)
        case asyncpg.InterfaceError() | asyncpg.InternalClientError() | ValueError():
            return _of_driver(error, target)
        case _:
            return _final(f"Connecting to {where} failed: {type(error).__name__}.", "Check host and port.")


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
    summary, advice = words_of(report, target, mask(report.message, [target.password]))
    retry = (report.sqlstate in _MENDED_BY_TIME and "Hot standby" not in (report.detail or "")) or (
        report.sqlstate == "08P01" and any(words in report.message for words in _POOLER_WAITS)
    )
    return Diagnosis(error=ConnectError(summary, advice=advice, report=report), retry=retry)


def _untrusted(error: ssl.SSLCertVerificationError, target: Target) -> Diagnosis:
    """Return what is wrong with the server's certificate: its name, its dates, or who has signed it."""
    said = (error.verify_message or error.reason or "").rstrip(".")
    shown = f"openssl s_client -starttls postgres -connect {target.address} shows the certificate."
    if error.verify_code in _OTHER_NAME:
        return _final(
            f"The certificate of {target.address} is another host's: {said}.",
            f"Connect by the name that is in it, or say sslmode=verify-ca, which does not compare names. {shown}",
        )
    if error.verify_code in _DATES:
        return _final(
            f"The certificate of {target.address} is out of date: {said}.",
            f"Have the server's certificate renewed; is the clock of this machine right? {shown}",
        )
    trusted = target.sslrootcert or "no file"
    return _final(
        f"The certificate of {target.address} is not trusted: {said}.",
        f"Name its authority's file with sslrootcert=FILE (now: {trusted}). sslmode=require does without the check,"
        f" and then anybody can pretend to be this server. {shown}",
    )


def _ask_whether_it_runs(target: Target) -> str:
    asks = f"pg_isready -h {target.host} -p {target.port}"
    if target.host.startswith("/"):
        # listen_addresses is about TCP alone
        return (
            f"Is the server running, with this port? {asks} asks it; its unix_socket_directories says in which folders"
            " its sockets are, usually /var/run/postgresql (packages of Linux) or /tmp (PostgreSQL itself)."
        )
    return f"Is the server running there, and listening on this port? {asks} asks it; listen_addresses must allow it."


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
            "Have ssl = on and a certificate set there. Only where the network is yours alone: sslmode=disable.",
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
    return _final(
        f"Connecting to {target.address} failed: {words}",
        "Check that a PostgreSQL server, or a pooler of one, is there.",
    )
