"""Why a server did not let us in, by its SQLSTATE: what that means here, and the remedy on this server. Pure.

A server may speak another language than English (lc_messages); what only its message tells then stays general.
See https://www.postgresql.org/docs/18/client-authentication-problems.html.
"""

from __future__ import annotations

import re
from typing import Final

from .errors import ServerReport
from .names import quote
from .target import Target

# Where the server sees us come from.
_COMES_FROM: Final = re.compile(r'for host "([0-9a-f.:]+|\[local\])"')
_OWNER: Final = "the database's owner or a superuser"


def words_of(report: ServerReport, target: Target, message: str) -> tuple[str, str]:
    """Return what a refusal means and what to do; `message` is the server's, without our password in it."""
    role, database, where = quote(target.user), quote(target.database), target.address
    match report.sqlstate:
        case "28P01":
            return _password(target)
        case "28000":
            return _not_authorised(message, target)
        case "3D000":
            return (
                f"Database {target.database} does not exist on {where}.",
                f"Check its name, or create it: CREATE DATABASE {database}",
            )
        case "42501":
            return (
                f"Role {target.user} may not connect to database {target.database}.",
                f"Have {_OWNER} say: GRANT CONNECT ON DATABASE {database} TO {role}",
            )
        case "55000":
            return (
                f"Database {target.database} takes no connections.",
                f"Was this one meant? A superuser opens it: ALTER DATABASE {database} ALLOW_CONNECTIONS true",
            )
        case "57P03":
            return _not_ready(report, message, where)
        case "53300":
            return _full(message, target)
        case "57P01" | "57P02":
            return (f"{where} is shutting down: {message}.", "It is tried again by itself, in case it comes back.")
        case _:
            return (f"{where} did not let us in: {message}", report.hint or "")


def _password(target: Target) -> tuple[str, str]:
    line = ":".join(_field(each) for each in (target.host, str(target.port), target.database, target.user))
    source = target.sources.get("password", "")
    if target.password is None:
        return (
            f"Role {target.user} needs a password, and none was given.",
            f"Give it in ~/.pgpass (chmod 600), as the line {line}:PASSWORD, or in PGPASSWORD.",
        )
    given = f" (from {source})" if source else ""
    return (
        f"The password{given} was not accepted for role {target.user}.",
        (
            "Correct it where it comes from; it is not tried again. A role that is unknown, has no password or an"
            f" expired one is answered in the same way: ALTER ROLE {quote(target.user)} PASSWORD ... gives a new one."
            f" Its line of ~/.pgpass: {line}:PASSWORD"
        ),
    )


def _field(text: str) -> str:
    """Return a field of a password file: https://www.postgresql.org/docs/18/libpq-pgpass.html."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _not_authorised(message: str, target: Target) -> tuple[str, str]:
    role = quote(target.user)
    if "does not exist" in message:
        return (
            f"Role {target.user} does not exist on {target.address}.",
            f"Check the user name, or have it created: CREATE ROLE {role} LOGIN",
        )
    if "not permitted to log in" in message:
        return (
            f"Role {target.user} may not log in: it is a group for other roles to be in, or was switched off.",
            f"Connect as another role, or have a superuser say: ALTER ROLE {role} LOGIN",
        )
    if "eer authentication failed" in message or "dent authentication failed" in message:
        return (
            f"{target.address} lets in as {target.user} only the system's user of that name.",
            (
                f"Start as that one (sudo -u {target.user} ...), or connect with -h localhost and a password"
                " (in a URL: @localhost), or have `peer` in pg_hba.conf changed to scram-sha-256."
            ),
        )
    if "certificate" in message:
        return (
            f"{target.address} wants a client certificate: {message}.",
            "Name its files with sslcert=FILE and sslkey=FILE (0600), or put them into ~/.postgresql.",
        )
    return (f"pg_hba.conf of {target.address} lets nobody in like this: {message}.", _line_of_hba(message, target))


def _line_of_hba(message: str, target: Target) -> str:
    """Return the line that would let us in, where the server has said from where we come."""
    clear = "no encryption" in message
    tried = " Or it wants TLS: try sslmode=require." if clear and target.sslmode == "disable" else ""
    found = _COMES_FROM.search(message)
    if found is None:
        return f"That file decides who may come in, from where and with which sslmode.{tried}"
    names = " ".join(_hba_name(name) for name in (target.database, target.user))
    if found[1] == "[local]":
        line = f"local {names} scram-sha-256"
    else:
        length = 128 if ":" in found[1] else 32
        line = f"{'host' if clear else 'hostssl'} {names} {found[1]}/{length} scram-sha-256"
    above = ", above the line that rejects" if "rejects" in message else ""
    return f"A line for this{above}: {line}; then SELECT pg_reload_conf().{tried}"


def _hba_name(name: str) -> str:
    return f'"{name}"' if re.search(r"[^a-z0-9_]", name) else name


def _not_ready(report: ServerReport, message: str, where: str) -> tuple[str, str]:
    if "Hot standby" in (report.detail or ""):
        return (
            f"{where} is a standby that answers no queries: {report.detail}",
            "Name the primary, or have hot_standby = on set there.",
        )
    if "shutting down" in message:
        return (
            f"{where} is shutting down.",
            "It is tried again by itself. If nobody restarts it: pg_ctl start, or systemctl start postgresql, there.",
        )
    return (
        f"{where} is not ready yet: {message}.",
        "It is starting up or recovering, and tried again by itself; its log tells how far it is.",
    )


def _full(message: str, target: Target) -> tuple[str, str]:
    again = "It is tried again by itself."
    if "for role" in message:
        return (
            f"Role {target.user} has all the connections that it may have.",
            f"{again} Its limit goes away with ALTER ROLE {quote(target.user)} CONNECTION LIMIT -1",
        )
    if "for database" in message:
        name = quote(target.database)
        return (
            f"Database {target.database} has all the connections that it may have.",
            f"{again} Its limit goes away with ALTER DATABASE {name} CONNECTION LIMIT -1",
        )
    return (
        f"{target.address} has no connection left: {message}.",
        f"{again} pg_stat_activity says who has them. Close some, go through a pooler, or raise max_connections there.",
    )
