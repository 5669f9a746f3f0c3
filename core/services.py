"""The connection service file: named sets of connection keys that libpq's programs share.

https://www.postgresql.org/docs/18/libpq-pgservice.html. An unknown service is an error: to go on without it would be
to connect to some other server.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from .conninfo import HARMLESS, check_key
from .errors import TargetError


class Service(Struct, frozen=True, kw_only=True):
    """One section of a service file."""

    name: str
    file: Path
    values: dict[str, str]
    warnings: tuple[str, ...] = ()


def files(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Return the files that are looked through, in that order; the user's own is first."""
    own = environ.get("PGSERVICEFILE") or str(home / ".pg_service.conf")
    # libpq's own default is a folder of the installation that it was built for
    system = (environ["PGSYSCONFDIR"],) if environ.get("PGSYSCONFDIR") else ("/etc/postgresql-common", "/etc")
    return (Path(own), *(Path(folder) / "pg_service.conf" for folder in system))


def names(environ: Mapping[str, str], home: Path) -> tuple[str, ...]:
    """Return the services that the files offer, each once, in the order in which they are found."""
    found: dict[str, None] = {}
    for file in files(environ, home):
        try:
            lines = _lines(file)
        except TargetError:
            continue
        for _, line in lines:
            if line.startswith("[") and line.endswith("]"):
                found.setdefault(line[1:-1])
    return tuple(found)


def read(name: str, environ: Mapping[str, str], home: Path, *, said_by: str) -> Service:
    """Return the keys of a service. Raises TargetError where no file has it, or where a file cannot be understood.

    `said_by` is what names it. Of a URL nothing is repeated, see `conninfo`; the variable holds the name alone.
    """
    looked = files(environ, home)
    for file in looked:
        lines = _lines(file)
        if any(line == f"[{name}]" for _, line in lines):
            return _section(name, file, lines)
    asked = f"service {name}, which" if said_by == "PGSERVICE" else "service that"
    raise TargetError(
        f"{said_by} names a {asked} is in no service file.",
        advice=f"Looked through: {', '.join(str(file) for file in looked)}. "
        f"They offer: {', '.join(names(environ, home)) or 'no service'}.",
    )


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise TargetError(
            f"The service file {file} cannot be read: {reason}.",
            advice="Look at its owner and rights, or name another as PGSERVICEFILE.",
        ) from None
    numbered = ((number, line.strip()) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def _wrong(line: str) -> tuple[str, str] | None:
    """Return what is wrong with a line of a section, and what to do."""
    key, equals, _ = line.partition("=")
    if line.startswith("ldap"):
        return "asks an LDAP server, which is not supported", "Write what it answers here, as host=, port= and dbname=."
    if not equals:
        return "is not key=value", "Write one key=value on each line, as host=db1, or put # before a remark."
    if key != key.strip():
        return "has a space before its =; libpq takes that as part of the key", "Take the space away."
    if key == "service":
        return "names another service, which libpq does not follow either", "Copy the lines of that service here."
    return None


def _section(name: str, file: Path, lines: list[tuple[int, str]]) -> Service:
    values: dict[str, str] = {}
    warnings: list[str] = []
    inside = False
    for number, line in lines:
        if line.startswith("["):
            if inside:
                break
            inside = line == f"[{name}]"
            continue
        if not inside:
            continue
        where = f"{file}, line {number},"
        wrong = _wrong(line)
        if wrong:
            what, remedy = wrong
            raise TargetError(f"{where} {what}.", advice=remedy)
        key, _, value = line.partition("=")
        if key in HARMLESS:
            warnings.append(f"{where} sets {key}, which changeover does not use.")
            continue
        check_key(key, where=where)
        # as in libpq, what was said first stands
        values.setdefault(key, value)
    return Service(name=name, file=file, values=values, warnings=tuple(warnings))
