"""Settings of server, database and role that bite a run -> rows of the pre-check table. Pure.

What a run sets for itself is in `transaction.limits` and where it begins a transaction; the rest stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .limits import Limits
from .plan import Plan
from .precheck import Decision, Row, Verdict
from .surroundings import Setting, Surroundings

_STAYS: Final = {
    "session_replication_role": ("origin", "triggers and foreign keys do not fire as usual"),
    "role": ("none", "statements run as that role"),
    "default_tablespace": ("the database's", "new tables and indexes go there"),
    "default_table_access_method": ("heap", "new tables use it"),
    "check_function_bodies": ("on", "bodies of new functions are not checked"),
    "row_security": ("on", "a query that policies would filter fails"),
    "event_triggers": ("on", "event triggers do not fire"),
}


def setting_rows(plan: Plan, around: Surroundings, at: Callable[..., Row]) -> list[Row]:
    """Return a row for each setting that bites; `at` makes rows whose place is the plan's first statement."""
    rows = [row for setting in around.settings if (row := _row(setting, plan, at)) is not None]
    state = around.server
    if state.fsync == "off":
        found = "off: a crash of the host can destroy every database of this server"
        rows.append(at("fsync", "setting", "on", found, Verdict.DIFFERENT))
    elif state.full_page_writes == "off":
        found = "off: a crash of the host can leave torn pages"
        rows.append(at("full_page_writes", "setting", "on", found, Verdict.DIFFERENT))
    return rows


def _row(setting: Setting, plan: Plan, at: Callable[..., Row]) -> Row | None:
    name, value = setting.name, f"{shown(setting)}, set for {setting.source}"
    ours = _own(plan.limits).get(name)
    if name == "default_transaction_read_only":
        return _read_only(setting, plan, at)
    if name == "deadlock_timeout":
        return _deadlock_timeout(setting, plan, at)
    if ours is not None:
        return at(name, "setting", ours, f"{value}; a run sets its own", Verdict.DIFFERENT)
    if name == "synchronous_commit":
        if setting.value not in {"off", "local"}:
            return None
        return at(name, "setting", "on", f"{value}; a run commits with on", Verdict.DIFFERENT)
    if name == "search_path":
        return at(name, "setting", "as new connections have it", value, Verdict.READY)
    if name == "idle_session_timeout":
        # the watch and the guard are quiet for seconds at a time
        if not setting.value.isdecimal() or int(setting.value) >= 60_000:
            return None
        return at(name, "setting", "a minute or more", f"{value}; it stays", Verdict.DIFFERENT)
    if name in _STAYS:
        expected, effect = _STAYS[name]
        return at(name, "setting", expected, f"{value}: {effect}; it stays", Verdict.DIFFERENT, remedy=_reset(setting))
    return None


def _own(limits: Limits) -> dict[str, str]:
    """Return what a run sets in its own transactions and connections, in words."""
    statement = limits.statement_timeout
    return {
        "statement_timeout": f"{statement:g} s" if statement else "no limit",
        "lock_timeout": f"{limits.lock_timeout:g} s",
        "idle_in_transaction_session_timeout": "60 s",
        "transaction_timeout": "no limit",
        "default_transaction_isolation": "read committed",
    }


def _deadlock_timeout(setting: Setting, plan: Plan, at: Callable[..., Row]) -> Row | None:
    """Return a row where an attempt is over before an autovacuum in its way is cancelled.

    That is done by who has waited for deadlock_timeout. See
    https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES and
    https://www.postgresql.org/docs/18/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT.
    """
    budget = plan.limits.lock_timeout
    if not setting.value.isdecimal() or int(setting.value) < budget * 1000:
        return None
    found = f"{shown(setting)}, set for {setting.source}: no autovacuum gives way to an attempt of {budget:g} s"
    return at(setting.name, "setting", "below --lock-timeout", found, Verdict.DIFFERENT)


def _read_only(setting: Setting, plan: Plan, at: Callable[..., Row]) -> Row | None:
    if setting.value != "on":
        return None
    value = f"on, set for {setting.source}"
    outside = next(
        (
            (planned, one)
            for planned in plan.migrations
            if not planned.transactional
            for one in planned.statements
            if one.decision is Decision.RUN
        ),
        None,
    )
    if outside is None:
        found = f"{value}; a run begins its transactions READ WRITE"
        return at(setting.name, "setting", "off", found, Verdict.DIFFERENT)
    planned, one = outside
    return at(
        setting.name,
        "setting",
        "off",
        f"{value}: no step outside a transaction can write",
        Verdict.CONFLICT,
        remedy=_reset(setting),
        planned=planned,
        one=one,
    )


def _reset(setting: Setting) -> str:
    kind, _, name = setting.source.partition(" ")
    if kind not in {"role", "database"}:
        return ""
    return f"ALTER {kind.upper()} {name.replace(' in database ', ' IN DATABASE ')} RESET {setting.name}"


def shown(setting: Setting) -> str:
    """Return a value with its unit, times in the largest unit that divides them."""
    if setting.unit != "ms" or not setting.value.isdecimal():
        return setting.value + (f" {setting.unit}" if setting.unit and setting.value.isdecimal() else "")
    amount = int(setting.value)
    for size, unit in ((3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if amount and amount % size == 0:
            return f"{amount // size} {unit}"
    return f"{amount} ms"
