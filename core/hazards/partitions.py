"""What is special about partitioned tables: the parent's lock, the default partition, what cannot be done there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..locks import LockMode
from ..names import quote
from . import safe
from .case import Case
from .rule import SEVERE, WARNING, Danger, Example, rule
from .scans import scan
from .schemas import EVENTS, PLATFORM, YEARS

_PARTITIONS: Final = "ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE"


@rule(
    id="scan-attach-partition",
    severity=SEVERE,
    title="ATTACH PARTITION reads the new partition, and the default one",
    why="The table that is attached is read under ACCESS EXCLUSIVE unless a CHECK of its own implies the bound; so is "
    "the default partition unless a CHECK excludes it; indexes that the parent has and the table lacks are built.",
    safe="Before, in migrations of their own: a CHECK like the bound on the table (NOT VALID, then validated), one "
    "that "
    "excludes it on the default partition, and the missing indexes CONCURRENTLY.",
    manual=_PARTITIONS,
    bad=(
        Example(
            schema=EVENTS,
            migration="ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO "
            "('2027-01-01');",
        ),
    ),
    good=(
        Example(
            schema=YEARS,
            migration="CREATE TABLE events_2027 (LIKE events INCLUDING ALL);\n"
            "ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
        ),
        Example(
            schema=YEARS,
            migration="ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO "
            "('2027-01-01');",
        ),
    ),
)
def scan_attach_partition(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... ATTACH PARTITION."""
    for node, cmd in _partition_commands(case, pb.AT_AttachPartition):
        child = tree.parts(cmd.name)
        work = [t for t in case.toils if t.work.rule in {"partition", "foreign key"}]
        if not work:
            continue
        for table in dict.fromkeys(toil.state.qualified for toil in work):
            toils = [toil for toil in work if toil.state.qualified == table]
            own = table == case.qualified(child)
            what = (
                "to see that its rows are within the bound"
                if own
                else "to see that no row belongs to the new partition"
            )
            name = quote(f"{child[-1]}_bound")
            instead = (
                f"-- with the bound as a condition, or its opposite on the default partition:\n"
                f"-- ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (...) NOT VALID;\n"
                f"-- in a migration of its own: ALTER TABLE {table} VALIDATE CONSTRAINT {name};\n"
                f"{safe.APART}{safe.sql_of('alter_table_stmt', node)}\n"
                f"ALTER TABLE {table} DROP CONSTRAINT {name};"
            )
            yield scan(case, table, toils, what, mode=LockMode.ACCESS_EXCLUSIVE, instead=instead)


def _partition_commands(case: Case, subtype: int) -> Iterable[tuple[Any, Any]]:
    for node in case.of("alter_table_stmt"):
        for item in node.cmds:
            definition = getattr(item.alter_table_cmd, "def")
            if item.alter_table_cmd.subtype == subtype and tree.kind(definition) == "partition_cmd":
                yield node, definition.partition_cmd


@rule(
    id="scan-create-partition-default",
    severity=SEVERE,
    title="A new partition beside a default one reads the default partition",
    why="CREATE TABLE ... PARTITION OF locks the parent in ACCESS EXCLUSIVE, and where there is a default partition, "
    "that too, and reads it: none of its rows may belong to the new one.",
    safe="Make the table by itself and ATTACH it, which leaves the parent free; a CHECK on the default partition that "
    "excludes the bound spares reading it.",
    manual=_PARTITIONS,
    bad=(
        Example(
            schema=EVENTS,
            migration="CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
        ),
    ),
    good=(
        Example(
            schema=YEARS,
            migration="CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
        ),
    ),
)
def scan_create_partition_default(case: Case) -> Iterable[Danger]:
    """CREATE TABLE ... PARTITION OF a table with a default partition."""
    for node in case.of("create_stmt"):
        if not node.HasField("partbound") or node.partbound.is_default:
            continue
        toils = [toil for toil in case.toils if toil.work.rule == "partition"]
        for toil in toils:
            yield scan(
                case, toil.state.qualified, [toil], "to see that no row belongs to the new partition",
                mode=LockMode.ACCESS_EXCLUSIVE, instead=_by_itself(node),
            )  # fmt: skip


@rule(
    id="lock-create-partition",
    severity=WARNING,
    title="CREATE TABLE ... PARTITION OF locks the whole partitioned table",
    why="The parent is locked in ACCESS EXCLUSIVE until the transaction ends. ATTACH PARTITION takes SHARE UPDATE "
    "EXCLUSIVE, which the application does not feel.",
    safe="CREATE TABLE ... (LIKE parent INCLUDING ALL), then ATTACH PARTITION.",
    manual=_PARTITIONS,
    bad=(
        Example(
            schema=YEARS,
            migration="CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
        ),
    ),
    good=(
        Example(
            schema=YEARS,
            migration="CREATE TABLE events_2027 (LIKE events INCLUDING ALL);\n"
            "ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
        ),
    ),
)
def lock_create_partition(case: Case) -> Iterable[Danger]:
    """CREATE TABLE ... PARTITION OF a table that is in use."""
    for node in case.of("create_stmt"):
        if not node.HasField("partbound") or not node.inh_relations:
            continue
        parent = case.filled(tree.parts(node.inh_relations[0].range_var))
        if parent is not None and case.world.find(tree.parts(node.relation)) is None:
            yield Danger(
                relation=parent.qualified,
                text=f"Locks {parent.qualified} ({case.size(parent)}) in ACCESS EXCLUSIVE until the transaction ends.",
                instead=_by_itself(node),
                complete=not node.table_elts and not node.HasField("partspec"),
            )


def _by_itself(node: Any) -> str:
    """Return the partition as a table of its own that is attached."""
    parent = node.inh_relations[0].range_var
    alone = pb.CreateStmt(oncommit=pb.ONCOMMIT_NOOP)
    alone.relation.CopyFrom(node.relation)
    # every CREATE_TABLE_LIKE_ option: INCLUDING ALL
    like = pb.TableLikeClause(options=0x7FFFFFFF)
    like.relation.CopyFrom(parent)
    alone.table_elts.append(pb.Node(table_like_clause=like))
    cmd = pb.AlterTableCmd(subtype=pb.AT_AttachPartition, behavior=pb.DROP_RESTRICT)
    partition = getattr(cmd, "def").partition_cmd
    partition.name.CopyFrom(node.relation)
    partition.bound.CopyFrom(node.partbound)
    attach = pb.AlterTableStmt(objtype=pb.OBJECT_TABLE)
    attach.relation.CopyFrom(parent)
    attach.cmds.append(pb.Node(alter_table_cmd=cmd))
    return f"{safe.sql_of('create_stmt', alone)}\n{safe.sql_of('alter_table_stmt', attach)}"


@rule(
    id="detach-plain",
    severity=WARNING,
    title="DETACH PARTITION locks the whole partitioned table",
    why="The parent and the partition are locked in ACCESS EXCLUSIVE until the transaction ends. CONCURRENTLY "
    "(PostgreSQL 14 and later) waits for those who use it instead; it does not work beside a default partition.",
    safe="DETACH PARTITION ... CONCURRENTLY, which cannot run inside a transaction.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
    bad=(Example(schema=YEARS, migration="ALTER TABLE events DETACH PARTITION events_2024;"),),
    good=(
        Example(
            schema=YEARS,
            migration="-- changeover: transaction=off\nALTER TABLE events DETACH PARTITION events_2024 CONCURRENTLY;",
            since=14,
        ),
    ),
)
def detach_plain(case: Case) -> Iterable[Danger]:
    """ALTER TABLE ... DETACH PARTITION without CONCURRENTLY."""
    for node, cmd in _partition_commands(case, pb.AT_DetachPartition):
        parent = case.filled(tree.parts(node.relation))
        if parent is None or cmd.concurrent:
            continue
        instead = ""
        if case.version >= 140000 and case.world.default_partition(parent) is None:
            copy = safe.copy_of(node)
            getattr(copy.cmds[0].alter_table_cmd, "def").partition_cmd.concurrent = True
            instead = (
                f"{safe.OUTSIDE}{safe.sql_of('alter_table_stmt', copy)}\n"
                "-- which leaves a CHECK like the bound on the table that was the partition"
            )
        yield Danger(
            relation=parent.qualified,
            text=(
                f"Locks {parent.qualified} ({case.size(parent)}) and the partition in ACCESS EXCLUSIVE until the "
                "transaction ends."
            ),
            instead=instead,
        )


@rule(
    id="drop-partition",
    severity=WARNING,
    title="Dropping an attached partition locks the whole partitioned table",
    why="DROP TABLE of a partition takes ACCESS EXCLUSIVE on its parent as well.",
    safe="DETACH PARTITION ... CONCURRENTLY first, then DROP TABLE.",
    manual=_PARTITIONS,
    bad=(Example(schema=YEARS, migration="DROP TABLE events_2024;"),),
    good=(Example(schema=YEARS, migration="DROP TABLE events_2026;"),),
)
def drop_partition(case: Case) -> Iterable[Danger]:
    """DROP TABLE of a partition."""
    for name, node in case.dropped(pb.OBJECT_TABLE):
        state = case.filled(name)
        if state is None or state.relation is None or not state.relation.partition:
            continue
        parents = case.world.parents(state)
        parent = parents[0] if parents else None
        default = parent is not None and case.world.default_partition(parent) is not None
        instead = ""
        if parent is not None and not default and case.version >= 140000:
            instead = (
                f"{safe.OUTSIDE}ALTER TABLE {parent.qualified} DETACH PARTITION {state.qualified} CONCURRENTLY;\n"
                f"{safe.APART}{safe.sql_of('drop_stmt', node)}"
            )
        yield Danger(
            relation=state.qualified,
            text=(
                f"Locks not only {state.qualified} ({case.size(state)}) in ACCESS EXCLUSIVE, but the partitioned table "
                "that it belongs to."
            ),
            instead=instead,
            complete=bool(instead) and len(node.objects) == 1,
        )


@rule(
    id="conc-partitioned",
    severity=SEVERE,
    title="CREATE INDEX CONCURRENTLY does not work on a partitioned table",
    why="The server refuses it; PostgreSQL 17 and 18 lock all partitions first.",
    safe="CREATE INDEX on the parent ONLY, CONCURRENTLY on each partition, and ALTER INDEX ... ATTACH PARTITION for "
    "each.",
    manual="sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    bad=(
        Example(
            schema=EVENTS, migration="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY e ON events (user_id);"
        ),
    ),
    good=(
        Example(
            schema=EVENTS,
            migration="-- changeover: transaction=off\nCREATE INDEX CONCURRENTLY e ON events_2024 (user_id);",
        ),
        Example(schema=EVENTS, migration="CREATE INDEX e ON ONLY events (user_id);"),
    ),
)
def conc_partitioned(case: Case) -> Iterable[Danger]:
    """CREATE INDEX CONCURRENTLY on a partitioned table."""
    for node in case.of("index_stmt"):
        state = case.world.find(tree.parts(node.relation))
        if state is None or not node.concurrent or state.kind != "partitioned table":
            continue
        only = safe.copy_of(node)
        only.concurrent, only.relation.inh = False, False
        yield Danger(
            relation=state.qualified,
            text=f"Will fail: the server does not build an index of the partitioned table {state.qualified} "
            f"CONCURRENTLY.",
            instead=(
                f"{safe.sql_of('index_stmt', only)}\n"
                "-- then CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX ... ATTACH PARTITION for each"
            ),
        )


@rule(
    id="fk-notvalid-partitioned",
    severity=SEVERE,
    title="A foreign key of a partitioned table cannot be NOT VALID before PostgreSQL 18",
    why="The server refuses it on PostgreSQL 13 to 17.",
    safe="NOT VALID and VALIDATE on each partition, then the foreign key on the partitioned table.",
    manual="ddl-partitioning.html",
    bad=(
        Example(
            schema=EVENTS,
            migration="ALTER TABLE events ADD CONSTRAINT e FOREIGN KEY (user_id) REFERENCES users NOT VALID;",
            until=17,
        ),
    ),
    good=(
        Example(
            schema=EVENTS,
            migration="ALTER TABLE events ADD CONSTRAINT e FOREIGN KEY (user_id) REFERENCES users NOT VALID;",
            since=18,
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD CONSTRAINT d FOREIGN KEY (user_id) REFERENCES users NOT VALID;",
        ),
    ),
)
def fk_notvalid_partitioned(case: Case) -> Iterable[Danger]:
    """ADD FOREIGN KEY ... NOT VALID on a partitioned table."""
    if case.version >= 180000:
        return
    for node in case.of("alter_table_stmt"):
        state = case.world.find(tree.parts(node.relation))
        for item in node.cmds:
            definition = getattr(item.alter_table_cmd, "def")
            if state is None or state.kind != "partitioned table" or tree.kind(definition) != "constraint":
                continue
            if definition.constraint.contype == pb.CONSTR_FOREIGN and definition.constraint.skip_validation:
                yield Danger(
                    relation=state.qualified,
                    text=f"Will fail: {state.qualified} is partitioned, and its foreign keys cannot be NOT VALID here.",
                    instead=(
                        "-- on each partition: ADD ... NOT VALID, and in a migration of its own VALIDATE;\n"
                        "-- then the same without NOT VALID on the partitioned table"
                    ),
                )


RULES: Final = (scan_attach_partition, scan_create_partition_default)
LOCKS: Final = (lock_create_partition, detach_plain, drop_partition)
FAILURES: Final = (conc_partitioned, fk_notvalid_partitioned)
