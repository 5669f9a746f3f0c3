"""What running applications do not expect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..names import quote, written
from . import safe
from .case import Case
from .rule import NOTE, WARNING, Danger, Example, rule
from .schemas import DEPENDENTS, EMPTY, PLATFORM

_ALTER: Final = "sql-altertable.html"


def _renamed(case: Case, node: Any) -> str | None:
    """Return what is renamed, None where nobody can know it yet."""
    if node.rename_type in {pb.OBJECT_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW, pb.OBJECT_COLUMN}:
        name = tree.parts(node.relation)
        state = case.there(name)
        if state is None or (state.kind in {"table", "partitioned table"} and case.filled(name) is None):
            return None
        return written((*state.key, node.subname)) if node.subname else state.qualified
    if node.rename_type == pb.OBJECT_SCHEMA:
        return quote(node.subname)
    return None


@rule(
    id="rename",
    severity=WARNING,
    title="A renamed table or column is not found by those who use the old name",
    why="From the commit on every query with the old name fails, until the application is another.",
    safe="For a table: rename it, and make a view with the old name in the same transaction. For a column: a second "
    "one, "
    "kept equal by a trigger, until nobody uses the old name.",
    manual=_ALTER,
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations RENAME TO gifts;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations RENAME COLUMN note TO remark;"),
        Example(schema=DEPENDENTS, migration="ALTER VIEW cheap RENAME TO bargains;"),
    ),
    good=(
        Example(schema=EMPTY, migration="ALTER TABLE donations RENAME TO gifts;"),
        Example(schema=PLATFORM, migration="ALTER INDEX donations_paid RENAME TO paid;"),
        Example(schema="", migration="CREATE TABLE draft (a int); ALTER TABLE draft RENAME TO final;"),
    ),
)
def rename(case: Case) -> Iterable[Danger]:
    """ALTER ... RENAME of a table, view, column or schema."""
    for node in case.of("rename_stmt"):
        shown = _renamed(case, node)
        if shown is None:
            continue
        new, instead = quote(node.newname), ""
        if node.rename_type == pb.OBJECT_TABLE:
            old = case.world.key(tree.parts(node.relation))
            instead = (
                f"{safe.sql_of('rename_stmt', node)}\n-- in the same transaction:\n"
                f"CREATE VIEW {written(old)} AS SELECT * FROM {written((old[0], node.newname))};"
            )
        yield Danger(relation=shown, text=f"Who names {shown} fails: it is {new} from then on.", instead=instead)


@rule(
    id="move-schema",
    severity=WARNING,
    title="A table that goes to another schema is not found by those who use the old one",
    why="From the commit on every query with the old name fails, unless search_path leads to the new schema.",
    safe="A view with the old name, in the same transaction.",
    manual=_ALTER,
    bad=(Example(schema=PLATFORM + "CREATE SCHEMA archive;", migration="ALTER TABLE donations SET SCHEMA archive;"),),
    good=(Example(schema=EMPTY + "CREATE SCHEMA archive;", migration="ALTER TABLE donations SET SCHEMA archive;"),),
)
def move_schema(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... SET SCHEMA."""
    for node in case.of("alter_object_schema_stmt"):
        state = case.filled(tree.parts(node.relation)) if node.HasField("relation") else None
        if state is not None:
            yield Danger(
                relation=state.qualified,
                text=f"Who names {state.qualified} ({case.size(state)}) fails: it is in {quote(node.newschema)} from "
                f"then on.",
                instead=(
                    f"{safe.sql_of('alter_object_schema_stmt', node)}\n-- in the same transaction:\n"
                    f"CREATE VIEW {state.qualified} AS SELECT * FROM {written((node.newschema, state.key[1]))};"
                ),
            )


@rule(
    id="drop-object",
    severity=WARNING,
    title="A view, function, type or sequence that somebody may use",
    why="Nothing in the database may depend on it, but applications name such objects in their queries.",
    safe="First a release of the application that does not name it, then the migration.",
    manual="ddl-depend.html",
    bad=(
        Example(schema=DEPENDENTS, migration="DROP VIEW cheap;"),
        Example(schema="CREATE SEQUENCE numbers;", migration="DROP SEQUENCE numbers;"),
        Example(schema="CREATE TYPE kind AS ENUM ('a');", migration="DROP TYPE kind;"),
    ),
    good=(
        Example(schema=DEPENDENTS, migration="DROP VIEW IF EXISTS no_such_view;"),
        Example(schema="", migration="CREATE VIEW one AS SELECT 1; DROP VIEW one;"),
    ),
)
def drop_object(case: Case) -> Iterable[Danger]:
    """DROP of a view, materialized view, function, procedure, type, domain or sequence."""
    for name, node in case.dropped(*_OBJECTS):
        word = _OBJECTS[node.remove_type]
        if word in {"view", "materialized view", "sequence"}:
            state = case.there(name)
            shown = state.qualified if state is not None else None
        else:
            full = case.world.named(word, name)
            shown = written(full) if full is not None and case.world.made_at(word, full) is None else None
        if shown is not None:
            yield Danger(relation=shown, text=f"Who uses the {word} {shown} fails from then on.")


_OBJECTS: Final = {
    pb.OBJECT_VIEW: "view",
    pb.OBJECT_MATVIEW: "materialized view",
    pb.OBJECT_SEQUENCE: "sequence",
    pb.OBJECT_TYPE: "type",
    pb.OBJECT_DOMAIN: "type",
    pb.OBJECT_FUNCTION: "function",
    pb.OBJECT_PROCEDURE: "function",
}


@rule(
    id="timestamptz-depends-on-session-timezone",
    severity=WARNING,
    title="The values depend on the time zone of the connection",
    why="Between timestamp with and without time zone, a value without a zone is taken to be in the TimeZone of the "
    "connection that runs the migration: another setting gives other moments, without an error.",
    safe="Say the zone: USING column AT TIME ZONE 'UTC'.",
    manual="datatype-datetime.html#DATATYPE-TIMEZONES",
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN paid TYPE timestamptz;"),),
    good=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ALTER COLUMN paid TYPE timestamptz USING paid AT TIME ZONE 'UTC';",
        ),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN paid TYPE timestamp(6);"),
    ),
)
def timestamptz_depends_on_session_timezone(case: Case) -> Iterable[Danger]:
    """ALTER COLUMN ... TYPE between timestamp and timestamptz without USING."""
    for command in case.commands(pb.AT_AlterColumnType):
        column = command.state.columns.get(str(command.column))
        names = tree.strings(command.definition.column_def.type_name.names)
        old = {"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz"}
        before = (
            old.get(column.type.partition("(")[0] + column.type.partition(")")[2], "") if column is not None else ""
        )
        before = before or (old.get(column.type, "") if column is not None else "")
        if {before, names[-1]} != {"timestamp", "timestamptz"} or command.definition.column_def.HasField("raw_default"):
            continue
        zone = case.world.catalog.settings.get("TimeZone", "")
        copy = safe.copy_of(command.cmd)
        name = quote(str(command.column))
        text = safe.alter(command, copy).removesuffix(";")
        yield Danger(
            relation=command.table,
            text=(
                f"Reads the values of {name} in {command.table} ({case.size(command.state)}) as moments in "
                f"{zone or 'the TimeZone of this connection'}, which is the TimeZone of this connection."
            ),
            instead=f"{text} USING {name} AT TIME ZONE 'UTC';",
        )


@rule(
    id="drop-not-null",
    severity=NOTE,
    title="A column may be null from now on",
    why="An application that does not expect nulls meets them once somebody writes one.",
    safe="First a release of the application that can read nulls.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL",
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN user_id DROP NOT NULL;"),),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN user_id SET DEFAULT 1;"),),
)
def drop_not_null(case: Case) -> Iterable[Danger]:
    """ALTER COLUMN ... DROP NOT NULL."""
    for command in case.commands(pb.AT_DropNotNull):
        column = command.state.columns.get(str(command.column))
        if column is not None and column.not_null:
            name = written((*command.state.key, column.name))
            yield Danger(relation=command.table, text=f"{name} may be null from then on.")


@rule(
    id="change-default",
    severity=NOTE,
    title="A default that changes under a running application",
    why="Rows that are written without the column get another value from the commit on, while instances of the "
    "application that remember the old default, as ORMs do, go on writing it.",
    safe="First a release of the application that writes the column itself.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-DEFAULT",
    bad=(
        Example(
            schema=PLATFORM + "ALTER TABLE donations ALTER state SET DEFAULT 'received';",
            migration="ALTER TABLE donations ALTER COLUMN state SET DEFAULT 'new';",
        ),
        Example(
            schema=PLATFORM + "ALTER TABLE donations ALTER state SET DEFAULT 'received';",
            migration="ALTER TABLE donations ALTER COLUMN state DROP DEFAULT;",
        ),
    ),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN state SET DEFAULT 'new';"),),
)
def change_default(case: Case) -> Iterable[Danger]:
    """SET DEFAULT or DROP DEFAULT of a column that has one."""
    for command in case.commands(pb.AT_ColumnDefault):
        column = command.state.columns.get(str(command.column))
        if column is not None and column.has_default and not column.identity:
            name = written((*command.state.key, column.name))
            yield Danger(
                relation=command.table, text=f"New rows get another value for {name} than running code expects."
            )


@rule(
    id="drop-constraint",
    severity=NOTE,
    title="A constraint that others may rely on goes",
    why="From the commit on rows may be written that break it, and then it cannot be added again.",
    safe="Add what replaces it first.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-CONSTRAINT",
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations DROP CONSTRAINT cents_there;"),),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations DROP CONSTRAINT IF EXISTS no_such_constraint;"),),
)
def drop_constraint(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... DROP CONSTRAINT."""
    for command in case.commands(pb.AT_DropConstraint):
        if command.cmd.name in command.state.constraints:
            yield Danger(
                relation=command.table,
                text=f"{quote(command.cmd.name)} does not hold in {command.table} ({case.size(command.state)}) any "
                f"more.",
            )


@rule(
    id="replace-index",
    severity=WARNING,
    title="An index is dropped before the one that replaces it is there",
    why="Until the new one is built, queries have neither.",
    safe="Build the new one first, under another name, then drop the old one.",
    manual="sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    bad=(
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nDROP INDEX CONCURRENTLY donations_paid;\n"
            "CREATE INDEX CONCURRENTLY donations_paid ON donations (paid, id);",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY paid ON donations (paid, id);\n"
            "DROP INDEX CONCURRENTLY donations_paid;",
        ),
    ),
)
def replace_index(case: Case) -> Iterable[Danger]:
    """CREATE INDEX with the same first column as an index that the migration has dropped before."""
    for node in case.of("index_stmt"):
        state = case.filled(tree.parts(node.relation))
        first = node.index_params[0].index_elem.name if node.index_params else ""
        for past in case.past if state is not None else ():
            for table, columns in past.dropped_indexes:
                if state is not None and table == state.qualified and columns and first == columns[0]:
                    yield Danger(
                        relation=state.qualified,
                        text=(
                            f"Between line {past.line} and the end of this statement {state.qualified} "
                            f"({case.size(state)}) has no index that begins with {quote(first)}."
                        ),
                    )


@rule(
    id="row-security",
    severity=WARNING,
    title="Row security changes who sees which rows",
    why="ENABLE ROW LEVEL SECURITY without a policy hides every row from all but the owner and superusers; a new "
    "policy "
    "shows more, DISABLE shows all.",
    safe="Policies first, then ENABLE, and look with the application's role in a verify script.",
    manual="ddl-rowsecurity.html",
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ENABLE ROW LEVEL SECURITY;"),
        Example(schema=PLATFORM, migration="CREATE POLICY own ON donations USING (user_id = 1);"),
    ),
    good=(Example(schema="", migration="CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"),),
)
def row_security(case: Case) -> Iterable[Danger]:
    """ENABLE, FORCE and DISABLE ROW LEVEL SECURITY; CREATE, ALTER and DROP POLICY."""
    names = [c.name for c in case.commands(*_SECURITY)]
    names += [tree.parts(n.table) for kind in ("create_policy_stmt", "alter_policy_stmt") for n in case.of(kind)]
    names += [name[:-1] for name, _ in case.dropped(pb.OBJECT_POLICY)]
    for name in names:
        state = case.filled(name)
        if state is not None:
            yield Danger(
                relation=state.qualified,
                text=f"Changes who sees which rows of {state.qualified} ({case.size(state)}), under ACCESS EXCLUSIVE.",
            )


_SECURITY: Final = (
    pb.AT_EnableRowSecurity, pb.AT_DisableRowSecurity, pb.AT_ForceRowSecurity, pb.AT_NoForceRowSecurity
)  # fmt: skip


@rule(
    id="revoke",
    severity=WARNING,
    title="REVOKE takes a right that somebody may need",
    why="Queries of the role fail from the commit on.",
    safe="Look who has used it: pg_stat_statements has the roles.",
    manual="sql-revoke.html",
    bad=(Example(schema=PLATFORM, migration="REVOKE ALL ON donations FROM PUBLIC;"),),
    good=(Example(schema=PLATFORM, migration="GRANT SELECT ON donations TO PUBLIC;"),),
)
def revoke(case: Case) -> Iterable[Danger]:
    """REVOKE on relations that were there."""
    for node in case.of("grant_stmt"):
        for item in node.objects if not node.is_grant else ():
            state = case.there(tree.object_parts(item)) if tree.kind(item) == "range_var" else None
            if state is not None:
                yield Danger(relation=state.qualified, text=f"Takes rights on {state.qualified} from a role.")


@rule(
    id="replica-identity",
    severity=WARNING,
    title="REPLICA IDENTITY changes what logical replication sends",
    why="FULL logs whole rows at every UPDATE and DELETE; NOTHING makes the publisher refuse both.",
    safe="DEFAULT with a primary key, or USING INDEX.",
    manual="sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY",
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations REPLICA IDENTITY FULL;"),),
    good=(Example(schema=EMPTY, migration="ALTER TABLE donations REPLICA IDENTITY FULL;"),),
)
def replica_identity(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... REPLICA IDENTITY."""
    for command in case.commands(pb.AT_ReplicaIdentity):
        yield Danger(
            relation=command.table,
            text=f"Changes what is logged and sent for every UPDATE of {command.table} ({case.size(command.state)}).",
        )


@rule(
    id="extension-update",
    severity=WARNING,
    title="An extension goes to another version",
    why="ALTER EXTENSION UPDATE runs the extension's own script, which no pre-check can see into; it may lock or "
    "rewrite.",
    safe="Read its release notes, and rehearse.",
    manual="sql-alterextension.html",
    bad=(Example(schema="", migration="ALTER EXTENSION plpgsql UPDATE;"),),
    good=(Example(schema="", migration="CREATE EXTENSION IF NOT EXISTS plpgsql;"),),
)
def extension_update(case: Case) -> Iterable[Danger]:
    """ALTER EXTENSION ... UPDATE."""
    for node in case.of("alter_extension_stmt"):
        yield Danger(
            relation=quote(node.extname), text=f"Runs the update script of the extension {quote(node.extname)}."
        )


RULES: Final = (
    rename,
    move_schema,
    drop_object,
    timestamptz_depends_on_session_timezone,
    drop_not_null,
    change_default,
    drop_constraint,
    replace_index,
    row_security,
    revoke,
    replica_identity,
    extension_update,
)
