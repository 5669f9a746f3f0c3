"""What ALTER ... SET changes about where and how rows are kept, and the locks of storage parameters.

See https://www.postgresql.org/docs/18/sql-altertable.html and the server's reloptions.c, where each has its lock.
"""

from __future__ import annotations

from typing import Any, Final

from ..locks import LockMode
from ..relation_state import State
from ..world import World

# Parameters that are not to be set while anybody reads; all others wait for no reader and no writer.
_EXCLUSIVE: Final = frozenset({
    "user_catalog_table", "fastupdate", "gin_pending_list_limit", "buffering", "pages_per_range", "autosummarize",
    "security_barrier", "security_invoker", "check_option",
})  # fmt: skip


def parameter_lock(options: Any) -> LockMode:
    """Return the lock that setting or resetting storage parameters takes."""
    names = {item.def_elem.defname for item in options}
    return LockMode.ACCESS_EXCLUSIVE if names & _EXCLUSIVE else LockMode.SHARE_UPDATE_EXCLUSIVE


def other_tablespace(world: World, state: State, name: str) -> bool:
    """Whether a relation is not in this tablespace yet."""
    known = state.relation.tablespace if state.relation is not None else ""
    return (known or world.catalog.tablespace) != name


def other_method(world: World, state: State, name: str) -> bool:
    """Whether a table is not kept by this access method yet; an empty name asks for the default one."""
    usual = world.catalog.settings.get("default_table_access_method", "heap")
    known = state.relation.method if state.relation is not None else usual
    return known != (name or usual)


def other_persistence(state: State, wanted: str) -> bool:
    """Whether a table is not logged, or unlogged, yet."""
    return state.relation is None or state.relation.persistence != wanted
