"""Which database, as whom, how protected; never prints a password.

    --target NAME|URL  >  CHANGEOVER_TARGET  >  DATABASE_URL  >  PG* variables  >  the project's or the user's default

What a target does not say itself comes, as in libpq, from its service, then from the PG* variables, then from
libpq's defaults. One default differs on purpose: a link to another host for which nobody said an sslmode is
`verify-full` against the machine's own authorities, so that no password goes over an unverified link unless the
target says so.

Past 400 lines: each value has its default, its check and its source in one place, and they hang on each other.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from . import conninfo, pgpass, services
from .errors import TargetError, TargetMissing
from .secret import Secret

# https://www.postgresql.org/docs/18/libpq-envars.html
_VARIABLES: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "service": "PGSERVICE",
    "passfile": "PGPASSFILE",
}
# Any of these names a database, or where one is; a user or a port alone does not.
_NAMING: Final = ("PGHOST", "PGDATABASE", "PGSERVICE")
# Variables that change where or how safely libpq connects, which we cannot follow, and the values that ask for nothing.
_UNSUPPORTED: Final = {
    "PGHOSTADDR": (),
    "PGOPTIONS": (),
    "PGTARGETSESSIONATTRS": ("any",),
    "PGREQUIREAUTH": (),
    "PGCHANNELBINDING": ("prefer", "disable"),
    "PGGSSENCMODE": ("prefer", "disable"),
    "PGREQUIREPEER": (),
    "PGREQUIRESSL": ("0",),
    "PGSSLCRL": (),
    "PGSSLCRLDIR": (),
    "PGSSLCERTMODE": ("allow", "disable"),
    "PGSSLNEGOTIATION": ("postgres",),
    "PGSSLMINPROTOCOLVERSION": ("TLSv1", "TLSv1.1", "TLSv1.2"),
    "PGSSLMAXPROTOCOLVERSION": ("TLSv1.3",),
}
_SSLMODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SOCKET_FOLDERS: Final = ("/var/run/postgresql", "/run/postgresql", "/tmp")  # noqa: S108
# part of an advice, for whoever is not there yet
TO_SET_UP: Final = ", or run `changeover setup`"
_ADVICE: Final = (
    "Say which database with --target or DATABASE_URL, as in "
    f"DATABASE_URL={conninfo.EXAMPLE}{TO_SET_UP}. Let the password come from ~/.pgpass or PGPASSWORD."
)


class Target(Struct, frozen=True, kw_only=True):
    """A database to work on, resolved: every value is known, and where it came from."""

    # of a named target, else None
    name: str | None = None
    # host name, address, or absolute path of a socket folder
    host: str
    port: int
    database: str
    user: str
    password: Secret | None = None
    # disable, allow, prefer, require, verify-ca or verify-full
    sslmode: str
    # a file, or "system" for the machine's own certificate authorities
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    # connect_timeout in seconds, where the target or the environment says one
    connect_timeout: float | None = None
    protected: bool = False
    read_only: bool = False
    # production, staging, development, ...; empty is treated as production by the console
    environment: str = ""
    # value name -> where it came from: "DATABASE_URL", "PGHOST", "service file", "default", ...
    sources: dict[str, str] = field(default_factory=dict)
    # what was passed over, in whole sentences: a password file that others can read, ...
    warnings: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether the link stays on this machine: a Unix socket or a loopback address."""
        return is_local_host(self.host)

    @property
    def address(self) -> str:
        """Where the client goes, as `host:port`; an IPv6 address is in brackets."""
        return address_of(self.host, self.port)

    def __str__(self) -> str:
        return f"{self.user}@{self.address}/{self.database}"


def address_of(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("/") else f"{host}:{port}"


class NamedTarget(Struct, frozen=True, kw_only=True):
    """A target of changeover.toml or of the user's own file; its URL holds no password."""

    name: str
    url: str
    # the file and line that name it
    source: str
    protected: bool = False
    read_only: bool = False
    # whether a person may end who blocks a run on it
    end_blockers: bool = False
    environment: str = ""
    migrations: Path | None = None
    # of that folder, where its files leave it open
    format: str | None = None


class Choice(Struct, frozen=True, kw_only=True):
    """What names the database: a URL or key=value string, a named target, or the PG* variables alone."""

    # where it was said, as messages name it
    said_by: str
    text: str = ""
    named: NamedTarget | None = None

    def __repr__(self) -> str:
        # the text may hold a password, which no traceback should show
        return f"Choice(said_by={self.said_by!r}, named={self.named!r})"


def is_local_host(host: str) -> bool:
    """Tell whether a link to `host` stays on this machine: a socket folder, localhost or a loopback address."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose(
    flag: str | None,
    *,
    environ: Mapping[str, str],
    named: Mapping[str, NamedTarget],
    default: str | None = None,
    option: str = "--target",
) -> Choice:
    """Return what names the database to work on. Raises TargetError where nothing does, or an unknown name.

    `default` is the named target that applies where neither a flag nor the environment says one; `option` is its name.
    """
    for said, said_by in ((flag, option), (environ.get("CHANGEOVER_TARGET"), "CHANGEOVER_TARGET")):
        if said is not None and said.strip():
            text = said.strip()
            if conninfo.looks_like_conninfo(text):
                return Choice(said_by=said_by, text=text)
            return Choice(said_by=said_by, named=_named(text, said_by, named))
        if said is not None and said_by == option:
            raise TargetError(f"{option} is empty.", advice=_ADVICE)
    if environ.get("DATABASE_URL", "").strip():
        return Choice(said_by="DATABASE_URL", text=environ["DATABASE_URL"])
    naming = [variable for variable in _NAMING if environ.get(variable)]
    if naming:
        return Choice(said_by=", ".join(naming))
    if default is not None:
        return Choice(said_by="the default target", named=_named(default, "the default target", named))
    empty = "DATABASE_URL is empty." if "DATABASE_URL" in environ else "DATABASE_URL is not set."
    known = f" Named targets: {', '.join(named)}." if named else ""
    raise TargetMissing(f"No database is named: {empty}", advice=_ADVICE + known)


def resolve(choice: Choice, *, environ: Mapping[str, str], home: Path | None = None) -> Target:
    """Return the target with every value known. Raises TargetError; reads service and password files only.

    `home` is the user's home folder, by default $HOME as libpq takes it.
    """
    home = home or Path(environ.get("HOME") or Path.home())
    _refuse_unsupported(environ)
    values, sources, warnings = _layers(choice, environ, home)
    port = _port(values, sources)
    host = _host(values, sources, port)
    user = values.get("user") or _our_name()
    database = values.get("dbname") or user
    sources.setdefault("user", "default: the operating system's user")
    sources.setdefault("database", "default: the user's name")
    _refuse_odd_names(user, database, sources)
    password, warning = _password(values, sources, home, host=host, port=port, database=database, user=user)
    tls = _tls(values, sources, home, host)
    timeout = values.get("connect_timeout")
    named = choice.named
    return Target(
        name=named.name if named else None,
        host=host,
        port=port,
        database=database,
        user=user,
        password=password,
        sslmode=tls.sslmode,
        sslrootcert=tls.sslrootcert,
        sslcert=tls.sslcert,
        sslkey=tls.sslkey,
        connect_timeout=conninfo.check_timeout(timeout, where=sources["connect_timeout"]) if timeout else None,
        protected=named.protected if named else False,
        read_only=named.read_only if named else False,
        environment=named.environment if named else "",
        sources=sources,
        warnings=(*warnings, *([warning] if warning else [])),
    )


def our_name() -> str | None:
    """Return the operating system's name of who we are, None where it has none (a container with a bare number)."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None


def _our_name() -> str:
    name = our_name()
    if name is None:
        raise TargetError(
            f"No user is named, and this machine has no name for user number {os.geteuid()} to take instead.",
            advice=f"Set PGUSER, or name the user in the URL. {conninfo.ADVICE}",
        )
    return name


def _named(name: str, said_by: str, named: Mapping[str, NamedTarget]) -> NamedTarget:
    if name in named:
        return named[name]
    known = ", ".join(named) or "none"
    raise TargetError(
        f"{said_by} names the target {name}, which is not defined.",
        advice=f"Defined are: {known}. Define it in changeover.toml as [targets.{name}], or give a URL. "
        f"{conninfo.ADVICE}",
    )


def _refuse_unsupported(environ: Mapping[str, str]) -> None:
    for variable, harmless in _UNSUPPORTED.items():
        if environ.get(variable, "") and environ[variable] not in harmless:
            raise TargetError(
                f"{variable} is set, and changeover cannot do what it asks for.",
                advice=f"Unset it for changeover: env -u {variable} changeover ...",
            )


def _layers(choice: Choice, environ: Mapping[str, str], home: Path) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Return libpq's values by key, where each came from, and warnings; said > service > variables."""
    text, said_by = choice.text, choice.said_by
    if choice.named:
        text, said_by = choice.named.url, choice.named.source
    said = conninfo.parse(text, said_by=said_by) if text else {}
    layers = [(said, dict.fromkeys(said, said_by))]
    warnings: list[str] = []
    variables = {key: environ[name] for key, name in _VARIABLES.items() if environ.get(name)}
    service = said.get("service") or variables.get("service")
    if service:
        found = services.read(service, environ, home, said_by=said_by if said.get("service") else "PGSERVICE")
        warnings.extend(found.warnings)
        layers.append((found.values, dict.fromkeys(found.values, f"service {service} in {found.file}")))
    layers.append((variables, {key: _VARIABLES[key] for key in variables}))
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for layer, origins in layers:
        for key, value in layer.items():
            if value and key not in values:
                values[key] = value
                sources["database" if key == "dbname" else key] = origins[key]
    return values, sources, warnings


def _port(values: Mapping[str, str], sources: dict[str, str]) -> int:
    if "port" in values:
        alone = "Set it to the port's number, or unset it for 5432." if sources["port"] == "PGPORT" else ""
        return conninfo.check_port(values["port"].strip(), where=sources["port"], advice=alone)
    sources["port"] = "default"
    return 5432


def _host(values: Mapping[str, str], sources: dict[str, str], port: int) -> str:
    if "host" in values:
        return conninfo.check_host(values["host"], where=sources["host"])
    for folder in _SOCKET_FOLDERS:
        if (Path(folder) / f".s.PGSQL.{port}").exists():
            sources["host"] = "default: the server's socket folder"
            return folder
    sources["host"] = "default"
    return "localhost"


def _refuse_odd_names(user: str, database: str, sources: Mapping[str, str]) -> None:
    for what, value in (("user", user), ("database", database)):
        # a URL in PGDATABASE would show its password wherever the database is named
        if "://" in value or "\x00" in value:
            raise TargetError(
                f"{sources[what]} has a {what} that looks like a URL.", advice=f"Set DATABASE_URL. {conninfo.ADVICE}"
            )


def _password(
    values: Mapping[str, str], sources: dict[str, str], home: Path, *, host: str, port: int, database: str, user: str
) -> tuple[Secret | None, str]:
    if "password" in values:
        return Secret(values["password"]), ""
    file = Path(values["passfile"]) if "passfile" in values else home / ".pgpass"
    found = pgpass.look_up(file, host=host, port=port, database=database, user=user)
    if found.password is not None:
        sources["password"] = f"{file}:{found.line}"
    return found.password, found.warning


class _Tls(Struct, frozen=True, kw_only=True):
    sslmode: str
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None


def _tls(values: Mapping[str, str], sources: dict[str, str], home: Path, host: str) -> _Tls:
    """Return what TLS is asked for; see https://www.postgresql.org/docs/18/libpq-ssl.html."""
    mode, root = values.get("sslmode"), values.get("sslrootcert")
    if mode is None:
        mode = "prefer" if is_local_host(host) and root != "system" else "verify-full"
        sources["sslmode"] = "default for this machine" if is_local_host(host) else "default for another host"
    elif mode not in _SSLMODES:
        raise TargetError(
            f"{sources['sslmode']} has an sslmode that is not known.", advice=f"It is one of {', '.join(_SSLMODES)}."
        )
    if host.startswith("/") or mode == "disable":
        return _Tls(sslmode=mode)
    if root == "system" and mode != "verify-full":
        raise TargetError(
            f"{sources['sslmode']} says sslmode={mode} beside sslrootcert=system, which vouches for any server "
            "with a public certificate.",
            advice="Say sslmode=verify-full, or name the file of your own authority as sslrootcert.",
        )
    folder = home / ".postgresql"
    if root is None and mode in {"require", "verify-ca", "verify-full"}:
        root = _default_root(mode, sources, folder)
    cert = values.get("sslcert")
    if cert is None and (folder / "postgresql.crt").exists():
        cert, sources["sslcert"] = str(folder / "postgresql.crt"), "default"
    key = values.get("sslkey")
    if cert is not None and key is None and (folder / "postgresql.key").exists():
        key, sources["sslkey"] = str(folder / "postgresql.key"), "default"
    tls = _Tls(sslmode=mode, sslrootcert=root, sslcert=cert, sslkey=key)
    _check_files(tls, sources)
    return tls


def _default_root(mode: str, sources: dict[str, str], folder: Path) -> str | None:
    own = folder / "root.crt"
    # whoever keeps an authority there for PostgreSQL means it for every server
    if own.exists():
        sources["sslrootcert"] = "default"
        return str(own)
    if mode == "verify-full":
        sources["sslrootcert"] = "default"
        return "system"
    if mode == "require":
        return None
    raise TargetError(
        f"{sources['sslmode']} says sslmode={mode}, and no certificate authority is named.",
        advice=f"Put its certificate into {own}, name the file as sslrootcert, or say sslmode=verify-full.",
    )


def _check_files(tls: _Tls, sources: Mapping[str, str]) -> None:
    files = {"sslrootcert": tls.sslrootcert, "sslcert": tls.sslcert, "sslkey": tls.sslkey}
    for name, file in files.items():
        if file is None or (name == "sslrootcert" and file == "system"):
            continue
        if not Path(file).is_file():
            raise TargetError(
                f"{sources[name]} names {name} {_shown(file)}, and there is no such file.",
                advice="Put it there, name the right one, or take it out.",
            )
    if tls.sslkey is not None:
        info = Path(tls.sslkey).stat()
        # libpq's rule: root may own it and share it with a group, nobody else may
        allowed = 0o640 if info.st_uid == 0 else 0o600
        if stat.S_IMODE(info.st_mode) & ~allowed & 0o077:
            raise TargetError(
                f"The private key {_shown(tls.sslkey)} can be read by others.",
                advice="Give it to you alone: chmod 0600.",
            )


def _shown(file: str) -> str:
    """Return a file's name without what could act on a terminal."""
    return re.sub(r"[^\x20-\x7e]", "?", file)
