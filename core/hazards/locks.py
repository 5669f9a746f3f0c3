"""Short but strong locks: little is done, and yet everybody queues behind a statement that waits for one.

Past 400 lines, since each rule stands with the SQL examples that are its tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..locks import LockMode
from ..names import Parts, written
from ..touches import Act, WorkKind
from . import safe
from .case import Case, is_table
from .rates import duration, seconds_of
from .rule import NOTE, SEVERE, WARNING, Danger, Example, rule
from .schemas import DEPENDENTS, PLATFORM

_LOCKING: Final = "explicit-locking.html#LOCKING-TABLES"


@rule(
    id="work-after-ax",
    severity=SEVERE,
    title="Long work while an earlier statement's lock is held",
    why="Locks are held until the transaction ends. A change of one moment (ADD COLUMN) followed by long work (a "
    "backfill, a validation, an index) keeps the application out for as long as the work takes.",
    safe="The long work in a migration of its own.",
    manual=_LOCKING,
    bad=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD COLUMN euros numeric;\nUPDATE donations SET euros = cents / 100.0;",
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE users ADD COLUMN kind text;\nALTER TABLE donations VALIDATE CONSTRAINT fee_there;",
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD COLUMN kind text;\n"
            "UPDATE donations SET kind = 'small' WHERE cents < 1000;",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD COLUMN kind text;\nUPDATE donations SET kind = 'x' WHERE id = 7;",
        ),
        Example(
            schema=PLATFORM,
            migration="UPDATE donations SET state = 'new' WHERE state IS NULL;\n"
            "ALTER TABLE donations ADD COLUMN kind text;",
        ),
        Example(
            schema=PLATFORM,
            migration="CREATE TABLE kinds (id int PRIMARY KEY);\nUPDATE donations SET state = 'new' WHERE state IS "
            "NULL;",
        ),
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nALTER TABLE donations ADD COLUMN kind text;\n"
            "UPDATE donations SET kind = 'small' WHERE cents < 1000;",
        ),
    ),
)
def work_after_ax(case: Case) -> Iterable[Danger]:
    """Work on many rows in a transaction that has locked a table against writing."""
    held = case.held()
    if not held or not case.transactional:
        return
    for table, kind, states in _long_work(case):
        # the validation of what is locked itself has a rule of its own
        others = [name for name in held if name != table or kind is WorkKind.REWRITE]
        if not others:
            continue
        past = held[others[0]]
        mode = max((m for p in case.past for t, m in p.locks if t == others[0]), key=lambda m: m.strength)
        seconds = seconds_of(kind, states, case.world)
        yield Danger(
            relation=others[0],
            text=(
                f"Goes through {table} ({case.size(*states)}) while {others[0]} is held in {mode} since line "
                f"{past.line}"
                f"{duration(kind, seconds)}."
            ),
            instead=f"{safe.APART}{case.statement.sql};",
            complete=len(case.nodes) == 1,
            seconds=seconds,
        )
        return


def _long_work(case: Case) -> Iterable[tuple[str, WorkKind, list[Any]]]:
    """Yield tables that the statement goes through and does not itself lock: what does is told elsewhere."""
    changing = [node for kind in ("update_stmt", "delete_stmt") for node in case.of(kind)]
    if not case.judged.estimate.long:
        for toil in case.toils:
            # of what an UPDATE reads, its condition tells more
            if not toil.work.concurrent and not (toil.work.rule == "query" and changing):
                yield toil.state.qualified, toil.work.kind, [toil.state]
    for node in changing:
        state = case.filled(tree.parts(node.relation))
        if state is not None and not bounded(case, node):
            yield state.qualified, WorkKind.REWRITE, case.stored(state)


def bounded(case: Case, node: Any) -> bool:
    """Whether UPDATE or DELETE finds few rows: by the value of a key, or within limits of it, or with LIMIT."""
    state = case.world.find(tree.parts(node.relation))
    if state is None or not node.HasField("where_clause"):
        return False
    keys = {index.columns[0] for index in state.indexes.values() if index.columns and index.unique}
    keys |= {"ctid"}
    waiting = [node.where_clause]
    while waiting:
        part = waiting.pop()
        if tree.kind(part) == "bool_expr" and part.bool_expr.boolop == pb.AND_EXPR:
            waiting.extend(part.bool_expr.args)
        elif (tree.kind(part) == "a_expr" and _limits(part.a_expr, keys)) or (
            tree.kind(part) == "sub_link" and _limited(part.sub_link)
        ):
            return True
    return False


_BOUNDS: Final = frozenset({pb.AEXPR_OP, pb.AEXPR_IN, pb.AEXPR_OP_ANY, pb.AEXPR_BETWEEN})


def _limits(expression: Any, keys: set[str]) -> bool:
    """Whether a comparison holds a key against values of the statement itself."""
    if expression.kind not in _BOUNDS or tree.strings(expression.name)[-1] == "<>":
        return False
    sides = [expression.lexpr, expression.rexpr]
    names = [tree.column_names(side.column_ref) if tree.kind(side) == "column_ref" else None for side in sides]
    fixed = [not any(isinstance(item, pb.ColumnRef | pb.SubLink) for item in tree.walk(side)) for side in sides]
    return any(name is not None and name[-1] in keys and fixed[1 - at] for at, name in enumerate(names))


def _limited(link: Any) -> bool:
    return tree.kind(link.subselect) == "select_stmt" and link.subselect.select_stmt.HasField("limit_count")


@rule(
    id="multi-table-lock-tx",
    severity=WARNING,
    title="One transaction locks several tables",
    why="While it holds one it waits for the next. An application that uses the same tables in the other order is "
    "caught "
    "in a deadlock, and the server may end the application's query. The run itself begins again after a deadlock.",
    safe="One migration for each table.",
    manual="explicit-locking.html#LOCKING-DEADLOCKS",
    bad=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE users ADD COLUMN kind text;\nALTER TABLE donations ADD COLUMN kind text;",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE users ADD COLUMN kind text;\nALTER TABLE users ADD COLUMN other text;",
        ),
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nALTER TABLE users ADD COLUMN kind text;\n"
            "ALTER TABLE donations ADD COLUMN kind text;",
        ),
    ),
)
def multi_table_lock_tx(case: Case) -> Iterable[Danger]:
    """A second table locked against writing in one transaction; told once, at the statement that does it."""
    held = case.held()
    now = [
        claim.relation
        for claim in case.judged.estimate.locks
        if claim.mode.blocks_writes and claim.relation not in held and is_table(case, claim.relation)
    ]
    before = list(held)
    if case.transactional and len(before) == 1 and now:
        yield Danger(
            relation=now[0],
            text=(
                f"Waits for {', '.join(now)} while {before[0]} is locked since line {held[before[0]].line}: who uses "
                "them in the other order is caught in a deadlock."
            ),
        )


@rule(
    id="fk-drop-locks-parent",
    severity=WARNING,
    title="Dropping or changing a foreign key locks the referenced table too",
    why="DROP CONSTRAINT of a foreign key, DROP COLUMN or DROP TABLE with one, and a change of its column's type take "
    "ACCESS EXCLUSIVE on the referenced table as well.",
    safe="In a migration of its own, at a quiet hour: both tables have to be free at the same moment.",
    manual=_LOCKING,
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations DROP CONSTRAINT donations_user;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations DROP COLUMN user_id;"),
        Example(schema=PLATFORM, migration="DROP TABLE donations;"),
    ),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations DROP COLUMN note;"),),
)
def fk_drop_locks_parent(case: Case) -> Iterable[Danger]:
    """A lock on the table at the other end of a foreign key that goes or changes."""
    named = {written(case.world.key(touch.ref.name)) for touch in case.judged.effects.touches if touch.ref.name}
    gone = any(touch.act is Act.DROP for touch in case.judged.effects.touches)
    typed = any(touch.act is Act.CHANGE and touch.type is not None for touch in case.judged.effects.touches)
    if not gone and not typed:
        return
    for claim in case.judged.estimate.locks:
        if claim.mode is not LockMode.ACCESS_EXCLUSIVE or claim.relation in named or not is_table(case, claim.relation):
            continue
        relation = case.locked[claim.relation]
        state = case.world.relation((relation.schema, relation.name))
        if state is not None and _is_other_end(case, relation.oid):
            yield Danger(
                relation=claim.relation,
                text=(
                    f"Locks {claim.relation} ({case.size(state)}) in ACCESS EXCLUSIVE too: it is at the other end of a "
                    "foreign key."
                ),
            )


def _is_other_end(case: Case, oid: int) -> bool:
    """Whether one of the tables that the statement names references the table."""
    for touch in case.judged.effects.touches:
        state = case.world.find(touch.ref.name) if touch.ref.name else None
        if state is not None and any(c.type == "f" and c.referenced == oid for c in state.constraints.values()):
            return True
    return False


@rule(
    id="drop-index-plain",
    severity=WARNING,
    title="DROP INDEX without CONCURRENTLY locks the table",
    why="It takes a moment, under ACCESS EXCLUSIVE on the table: behind a long query everybody waits with it.",
    safe="DROP INDEX CONCURRENTLY, which cannot run inside a transaction.",
    manual="sql-dropindex.html",
    bad=(Example(schema=PLATFORM, migration="DROP INDEX donations_paid;"),),
    good=(
        Example(schema=PLATFORM, migration="-- changeover: transaction=off\nDROP INDEX CONCURRENTLY donations_paid;"),
        Example(schema=PLATFORM, migration="DROP INDEX IF EXISTS no_such_index;"),
    ),
)
def drop_index_plain(case: Case) -> Iterable[Danger]:
    """DROP INDEX without CONCURRENTLY."""
    for name, node in case.dropped(pb.OBJECT_INDEX):
        index = case.there(name)
        table = case.world.relation(index.table) if index is not None and index.table is not None else None
        if table is None or node.concurrent or case.filled(table.key) is None:
            continue
        instead = ""
        if table.kind != "partitioned table":
            copy = pb.DropStmt(remove_type=pb.OBJECT_INDEX, missing_ok=node.missing_ok, concurrent=True)
            copy.objects.extend([item for item in node.objects if tree.object_parts(item) == name])
            copy.behavior = pb.DROP_RESTRICT
            instead = safe.OUTSIDE + safe.sql_of("drop_stmt", copy)
        yield Danger(
            relation=table.qualified,
            text=f"Locks {table.qualified} ({case.size(table)}) in ACCESS EXCLUSIVE until the transaction ends.",
            instead=instead,
            complete=bool(instead) and len(node.objects) == 1,
        )


@rule(
    id="trigger-ddl",
    severity=NOTE,
    title="Triggers are created, dropped, renamed and switched under a strong lock",
    why="CREATE TRIGGER, ENABLE and DISABLE take SHARE ROW EXCLUSIVE (writers wait), DROP and RENAME take ACCESS "
    "EXCLUSIVE. A disabled trigger does not fire for the application either; DISABLE TRIGGER ALL suspends foreign "
    "keys.",
    safe="In a migration of its own.",
    manual="sql-createtrigger.html",
    bad=(
        Example(
            schema=PLATFORM,
            migration="CREATE TRIGGER same BEFORE UPDATE ON donations FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        ),
        Example(schema=PLATFORM, migration="ALTER TABLE donations DISABLE TRIGGER ALL;"),
    ),
    good=(
        Example(
            schema="",
            migration="CREATE TABLE t (a int); CREATE TRIGGER same BEFORE UPDATE ON t FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        ),
    ),
)
def trigger_ddl(case: Case) -> Iterable[Danger]:
    """CREATE, DROP, RENAME, ENABLE and DISABLE TRIGGER."""
    found: list[tuple[Parts, str]] = []
    found += [(tree.parts(node.relation), "SHARE ROW EXCLUSIVE") for node in case.of("create_trig_stmt")]
    found += [(name[:-1], "ACCESS EXCLUSIVE") for name, _ in case.dropped(pb.OBJECT_TRIGGER)]
    found += [(c.name, "SHARE ROW EXCLUSIVE") for c in case.commands(*_SWITCHES)]
    found += [
        (tree.parts(node.relation), "ACCESS EXCLUSIVE")
        for node in case.of("rename_stmt")
        if node.rename_type == pb.OBJECT_TRIGGER
    ]
    for name, mode in found:
        state = case.filled(name)
        if state is not None:
            who = "reading and writing waits" if mode == "ACCESS EXCLUSIVE" else "writing waits"
            yield Danger(
                relation=state.qualified,
                text=f"Locks {state.qualified} ({case.size(state)}) in {mode} until the transaction ends: {who}.",
            )


_SWITCHES: Final = (
    pb.AT_EnableTrig, pb.AT_EnableAlwaysTrig, pb.AT_EnableReplicaTrig, pb.AT_EnableTrigAll, pb.AT_EnableTrigUser,
    pb.AT_DisableTrig, pb.AT_DisableTrigAll, pb.AT_DisableTrigUser,
)  # fmt: skip


@rule(
    id="noop-guard-lock",
    severity=NOTE,
    title="IF [NOT] EXISTS locks the table also where there is nothing to do",
    why="ADD COLUMN IF NOT EXISTS and DROP ... IF EXISTS take ACCESS EXCLUSIVE, CREATE INDEX IF NOT EXISTS takes "
    "SHARE, "
    "before they find that there is nothing to do. A statement that has nothing to do at all is skipped by the plan; "
    "one with other work besides, or inside a DO block, is not.",
    safe="Leave out the part that has nothing to do, or write it as a statement of its own: the plan then skips it.",
    manual=_LOCKING,
    bad=(
        Example(
            schema=PLATFORM,
            migration="DO $$ BEGIN ALTER TABLE donations ADD COLUMN IF NOT EXISTS note text; END $$;",
        ),
    ),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN IF NOT EXISTS note varchar(40);"),),
)
def noop_guard_lock(case: Case) -> Iterable[Danger]:
    """A guarded ALTER TABLE subcommand or CREATE INDEX that finds nothing to do."""
    for command in case.commands():
        state, kind = command.state, command.cmd.subtype
        idle = command.cmd.missing_ok and (
            (kind == pb.AT_AddColumn and command.column in state.columns)
            or (kind == pb.AT_DropColumn and state.complete and command.column not in state.columns)
            or (kind == pb.AT_DropConstraint and command.cmd.name not in state.constraints)
        )
        if idle:
            yield Danger(
                relation=state.qualified,
                text=f"Has nothing to do on {state.qualified} ({case.size(state)}), and locks it in ACCESS EXCLUSIVE.",
            )


@rule(
    id="reloption-needs-ax",
    severity=WARNING,
    title="A storage option that needs ACCESS EXCLUSIVE",
    why="Most options of tables and indexes are set under SHARE UPDATE EXCLUSIVE. user_catalog_table, and of indexes "
    "fastupdate, gin_pending_list_limit, buffering, pages_per_range and autosummarize need ACCESS EXCLUSIVE; on an "
    "index nearly every query of the table waits for that.",
    safe="In a migration of its own; for an index: a new one with the option, built CONCURRENTLY.",
    manual="sql-createindex.html#SQL-CREATEINDEX-STORAGE-PARAMETERS",
    bad=(
        Example(
            schema=PLATFORM + "CREATE INDEX words ON donations USING gin (to_tsvector('simple', note));",
            migration="ALTER INDEX words SET (fastupdate = off);",
        ),
        Example(schema=PLATFORM, migration="ALTER TABLE donations SET (user_catalog_table = true);"),
    ),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations SET (fillfactor = 80);"),
        Example(schema=PLATFORM, migration="ALTER INDEX donations_paid SET (fillfactor = 80);"),
    ),
)
def reloption_needs_ax(case: Case) -> Iterable[Danger]:
    """ALTER TABLE or ALTER INDEX SET (...) of such an option."""
    for node in case.of("alter_table_stmt"):
        options = [
            option.def_elem.defname
            for item in node.cmds
            if item.alter_table_cmd.subtype in {pb.AT_SetRelOptions, pb.AT_ResetRelOptions}
            for option in getattr(item.alter_table_cmd, "def").list.items
        ]
        state = case.there(tree.parts(node.relation))
        strong = [name for name in options if name in _STRONG_OPTIONS]
        table = case.world.relation(state.table) if state is not None and state.table is not None else state
        if state is None or table is None or not strong or case.filled(table.key) is None:
            continue
        yield Danger(
            relation=state.qualified,
            text=f"Locks {state.qualified} in ACCESS EXCLUSIVE for {', '.join(strong)}: queries of {table.qualified} "
            f"({case.size(table)}) wait.",
        )


_STRONG_OPTIONS: Final = frozenset({
    "user_catalog_table", "fastupdate", "gin_pending_list_limit", "buffering", "pages_per_range", "autosummarize",
})  # fmt: skip


@rule(
    id="lock-table",
    severity=WARNING,
    title="LOCK TABLE holds the application up until the transaction ends",
    why="The lock that is asked for is held until the end, whatever comes after it.",
    safe="Leave it out: each statement takes what it needs, and the run gives way where it cannot have it at once.",
    manual="sql-lock.html",
    bad=(Example(schema=PLATFORM, migration="LOCK TABLE donations;"),),
    good=(Example(schema=PLATFORM, migration="LOCK TABLE donations IN SHARE UPDATE EXCLUSIVE MODE;"),),
)
def lock_table(case: Case) -> Iterable[Danger]:
    """LOCK TABLE in a mode that blocks writing."""
    for node in case.of("lock_stmt"):
        for item in node.relations:
            state = case.filled(tree.parts(item.range_var))
            mode = case.lock_on(state.qualified) if state is not None else None
            if state is not None and mode is not None and mode.blocks_writes:
                yield Danger(
                    relation=state.qualified,
                    text=f"Locks {state.qualified} ({case.size(state)}) in {mode} until the transaction ends.",
                )


@rule(
    id="matview-refresh-concurrently",
    severity=NOTE,
    title="REFRESH CONCURRENTLY keeps out writers of the view",
    why="Readers go on; another REFRESH of the same view waits, as this one holds EXCLUSIVE on it until its "
    "transaction ends.",
    safe="In a migration of its own.",
    manual="sql-refreshmaterializedview.html",
    bad=(Example(schema=DEPENDENTS, migration="REFRESH MATERIALIZED VIEW CONCURRENTLY totals;"),),
    good=(Example(schema=DEPENDENTS, migration="SELECT count(*) FROM totals;"),),
)
def matview_refresh_concurrently(case: Case) -> Iterable[Danger]:
    """REFRESH MATERIALIZED VIEW CONCURRENTLY."""
    for node in case.of("refresh_mat_view_stmt"):
        state = case.filled(tree.parts(node.relation))
        if state is not None and node.concurrent:
            yield Danger(
                relation=state.qualified,
                text=f"Holds {state.qualified} ({case.size(state)}) in EXCLUSIVE: another REFRESH waits, readers do "
                f"not.",
            )


RULES: Final = (
    work_after_ax,
    multi_table_lock_tx,
    fk_drop_locks_parent,
    drop_index_plain,
    trigger_ddl,
    noop_guard_lock,
    reloption_needs_ax,
    lock_table,
    matview_refresh_concurrently,
)
