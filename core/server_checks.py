"""State of the server x plan -> rows of the pre-check table: what can keep a run from starting or ending. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from .catalog import Catalog
from .locks import LockMode
from .names import quote, read, written
from .plan import Plan, PlannedMigration, PlannedStatement
from .precheck import Decision, Row, Verdict
from .surroundings import EventTrigger, Prepared, Surroundings

# What a run opens at most at a time: guard, migration, watch, one that settles or looks, and the watch's successor.
CONNECTIONS: Final = 5
_MEGABYTE: Final = 1024 * 1024
# A standby further behind than this is told, a slot that nobody reads from this on; bytes.
_LAG: Final = 16 * _MEGABYTE
_RETAINED: Final = 1024 * _MEGABYTE
# A prepared transaction older than this was forgotten, as far as anybody can tell; seconds.
_FORGOTTEN: Final = 300.0
# The server refuses new transaction numbers at about 2^31 less three million; see
# https://www.postgresql.org/docs/18/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND.
_LAST: Final = 2_147_483_647 - 3_000_000
_NEAR: Final = 40_000_000

At = Callable[..., Row]


def server_rows(plan: Plan, catalog: Catalog, around: Surroundings, at: At) -> list[Row]:
    """Return the rows about the server; `at` makes rows whose place is the plan's first statement."""
    return [
        _role(around, at),
        _connections(around, at),
        *_commits(around, at),
        *_wraparound(around, at),
        *_prepared(plan, catalog, around.prepared, at),
        *_followers(around, at),
        *_event_triggers(plan, around.event_triggers, at),
        *_invalid_indexes(plan, catalog, at),
    ]


def _role(around: Surroundings, at: At) -> Row:
    standby = around.server.in_recovery
    return at(
        "server",
        "server",
        "a primary",
        "a standby in recovery" if standby else "a primary",
        Verdict.CONFLICT if standby else Verdict.READY,
    )


def _connections(around: Surroundings, at: At) -> Row:
    """Compare what is free with what a run opens; our own connections are closed, or are the run's."""
    state = around.server
    room = [(state.max_connections - (0 if state.superuser else state.reserved) - state.used, "on the server")]
    if not state.superuser:
        # superusers are held to no limit of role or database
        if state.role_limit >= 0:
            room.append((state.role_limit - state.used_by_role, "for the role"))
        if state.database_limit >= 0:
            room.append((state.database_limit - state.used_in_database, "for the database"))
    free, where = min(room)
    free += state.ours
    found = f"{max(free, 0)} free {where}"
    verdict = Verdict.READY if free >= CONNECTIONS else Verdict.MISSING
    return at("connections", "connections", f"{CONNECTIONS} free", found, verdict)


def _commits(around: Surroundings, at: At) -> Iterator[Row]:
    """Say whether COMMIT can end: it waits for its synchronous standbys, for ever if there is none."""
    state = around.server
    if not state.synchronous_standbys or state.in_recovery:
        return
    expected = f"synchronous: {state.synchronous_standbys}"
    if not state.sees_all:
        yield at("synchronous standby", "replication", expected, "not shown to this role", Verdict.UNKNOWABLE,
                 remedy="")  # fmt: skip
    elif not state.synchronous:
        yield at("synchronous standby", "replication", expected, "none is connected: COMMIT would wait for ever",
                 Verdict.MISSING)  # fmt: skip


def _wraparound(around: Surroundings, at: At) -> Iterator[Row]:
    state = around.server
    age = max(state.xid_age, state.multixact_age)
    left = f"{max(0, _LAST - age) // 1_000_000} million transactions left before the server stops"
    if age > _LAST - _NEAR:
        yield at("transaction numbers", "server", "far from wraparound", left, Verdict.CONFLICT)
    elif age > 2 * state.freeze_max_age:
        yield at("transaction numbers", "server", "far from wraparound", left, Verdict.DIFFERENT)
    if state.autovacuum == "off":
        found = "off: what the plan writes is neither vacuumed nor analysed"
        yield at("autovacuum", "setting", "on", found, Verdict.DIFFERENT)


def _running(plan: Plan) -> Iterator[tuple[PlannedMigration, PlannedStatement]]:
    for planned in plan.migrations:
        for one in planned.statements:
            if one.decision is Decision.RUN:
                yield planned, one


def _claims(plan: Plan, catalog: Catalog) -> Mapping[int, tuple[LockMode, PlannedMigration, PlannedStatement]]:
    """Return the strongest lock of the plan on each relation, and the statement that takes it first."""
    found: dict[int, tuple[LockMode, PlannedMigration, PlannedStatement]] = {}
    for planned, one in _running(plan):
        for claim in one.locks:
            relation = catalog.relations.get(_key(claim.relation))
            if relation is None:
                continue
            known = found.get(relation.oid)
            if known is None or claim.mode.strength > known[0].strength:
                found[relation.oid] = (claim.mode, planned, one)
    return found


def _key(name: str) -> tuple[str, str]:
    *outer, last = read(name)
    return (outer[-1] if outer else "public", last)


def _prepared(plan: Plan, catalog: Catalog, prepared: tuple[Prepared, ...], at: At) -> Iterator[Row]:
    claims = _claims(plan, catalog)
    for one in prepared:
        gid = "'" + one.gid.replace("'", "''") + "'"
        remedy = f"ROLLBACK PREPARED {gid}"
        in_the_way = [(oid, mode) for oid, mode in one.locks if oid in claims and claims[oid][0].conflicts(mode)]
        if in_the_way:
            oid, mode = max(in_the_way, key=lambda entry: entry[1].strength)
            _, planned, statement = claims[oid]
            yield at(
                one.gid, "prepared transaction", "none in the way",
                f"holds {mode.value} on {catalog.by_oid[oid].qualified}, prepared by {quote(one.owner)}",
                Verdict.CONFLICT, remedy=remedy, planned=planned, one=statement,
            )  # fmt: skip
        elif one.age > _FORGOTTEN:
            yield at(
                one.gid, "prepared transaction", "none for long",
                f"prepared {one.age / 60:.0f} min ago by {quote(one.owner)}: it keeps dead rows from vacuum",
                Verdict.DIFFERENT, remedy=remedy,
            )  # fmt: skip


def _followers(around: Surroundings, at: At) -> Iterator[Row]:
    for one in around.followers:
        behind = one.bytes or 0.0
        if one.kind == "standby" and behind > _LAG:
            found = f"{behind / _MEGABYTE:.0f} MB behind"
            yield at(f"standby {one.name}", "replication", "close behind", found, Verdict.DIFFERENT)
        elif one.kind == "slot" and (one.wal_status in {"unreserved", "lost"} or behind > _RETAINED):
            state = f", WAL {one.wal_status}" if one.wal_status in {"unreserved", "lost"} else ""
            found = f"{one.state}, keeps {behind / _MEGABYTE:.0f} MB of WAL{state}"
            yield at(f"slot {one.name}", "replication", "read from", found, Verdict.DIFFERENT)


def _event_triggers(plan: Plan, triggers: tuple[EventTrigger, ...], at: At) -> Iterator[Row]:
    for trigger in triggers:
        fired = next(((p, one) for p, one in _running(plan) if _fires(trigger, one)), None)
        if fired is None:
            continue
        planned, one = fired
        yield at(
            trigger.name, "event trigger", "known to you", f"calls {trigger.function}() at {trigger.event}",
            Verdict.UNKNOWABLE, planned=planned, one=one,
        )  # fmt: skip


def _fires(trigger: EventTrigger, one: PlannedStatement) -> bool:
    """Whether a command fires it: not those on shared objects, and not plain queries; a rewrite only by one."""
    words = one.kind.split()
    if trigger.event == "table_rewrite":
        return bool(one.rewrites)
    if trigger.event == "sql_drop":
        return bool(one.drops) and (not trigger.tags or _tagged(trigger, one))
    if words[0] not in {
        "CREATE",
        "ALTER",
        "DROP",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "REFRESH",
        "REINDEX",
        "DO",
        "SELECT INTO",
    }:
        return False
    if len(words) > 1 and words[1] in {"DATABASE", "ROLE", "USER", "TABLESPACE", "EVENT", "SYSTEM"}:
        return False
    return words[0] == "DO" or not trigger.tags or _tagged(trigger, one)


def _tagged(trigger: EventTrigger, one: PlannedStatement) -> bool:
    kind = one.kind.removesuffix(" CONCURRENTLY")
    return kind in trigger.tags or kind == "DO"


def _invalid_indexes(plan: Plan, catalog: Catalog, at: At) -> Iterator[Row]:
    """Invalid indexes on tables of the plan: each costs every write, and a plan may take it for a good one."""
    said = {row.object for row in plan.rows if row.kind == "index"}
    for oid, (_mode, planned, one) in _claims(plan, catalog).items():
        for index in catalog.indexes_of(oid).values():
            name = written((catalog.by_oid[oid].schema, index.name))
            if not index.valid and name not in said and catalog.by_oid[oid].kind != "partitioned table":
                yield at(
                    name, "index", "valid", "invalid: a build of it failed or is going on", Verdict.DIFFERENT,
                    remedy=f"DROP INDEX CONCURRENTLY {name}", planned=planned, one=one,
                )  # fmt: skip
