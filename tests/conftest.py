"""What every test can ask for: real servers, a database of its own, and a world without this user's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from changeover.core.target import Target
from tests.servers import Server, Servers, binaries_here

# Variables that say where a database is or how a person likes it; DATABASE_URL alone could lead a test to production.
_FOREIGN = ("PG", "DATABASE_URL", "CHANGEOVER_", "XDG_", "SSH_", "SUDO_")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_FOREIGN):
                patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return this test's CHANGEOVER_HOME."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CHANGEOVER_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Start servers by major version; all are stopped at the end."""
    running = Servers()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def server(servers: Servers) -> Server:
    """Return PostgreSQL 18, the embedded one."""
    return servers.of(18)


@pytest.fixture(scope="session", params=list(binaries_here()), ids=lambda major: f"pg{major}")
def any_server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """Run the test on each server that this machine has."""
    major: int = request.param
    return servers.of(major)


@pytest.fixture
def database(server: Server) -> Iterator[Target]:
    """Give the test a fresh database on PostgreSQL 18, as its superuser."""
    with server.new_database() as target:
        yield target


@pytest.fixture
def any_database(any_server: Server) -> Iterator[Target]:
    """Give the test a fresh database, on each server that this machine has."""
    with any_server.new_database() as target:
        yield target
