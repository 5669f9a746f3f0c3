"""Statements that read every row of a table under a lock that others wait for: constraints and their validation.

Past 400 lines, since each rule stands with the SQL examples that are its tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Toil
from ..locks import LockMode
from ..names import quote
from ..touches import WorkKind
from . import safe
from .case import Case, Command
from .rates import duration, seconds_of
from .rule import SEVERE, WARNING, Danger, Example, rule
from .schemas import DEPENDENTS, EMPTY, PLATFORM

_NOT_VALID: Final = "sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT"


def scan(
    case: Case,
    table: str,
    toils: Sequence[Toil],
    what: str,
    *,
    mode: LockMode,
    instead: str = "",
    complete: bool = False,
) -> Danger:
    """Return the danger of reading a table under `mode`; `what` is why it is read."""
    states = [toil.state for toil in toils]
    seconds = seconds_of(WorkKind.SCAN, states, case.world)
    waits = "nobody can read or write it" if mode.blocks_reads else "everybody who writes to it waits"
    return Danger(
        relation=table,
        text=(
            f"Reads every row of {table} ({case.size(*states)}) under {mode} {what}: "
            f"{waits} meanwhile{duration(WorkKind.SCAN, seconds)}."
        ),
        instead=instead,
        complete=complete,
        seconds=seconds,
    )


@rule(
    id="scan-set-not-null",
    severity=SEVERE,
    title="SET NOT NULL reads the whole table while nobody can use it",
    why="Every row is looked at under ACCESS EXCLUSIVE, unless a validated CHECK (column IS NOT NULL) proves it "
    "already.",
    safe="A constraint that is NOT VALID at first and validated in a transaction of its own, under a lock that the "
    "application does not feel. From PostgreSQL 18 on, NOT NULL itself can be NOT VALID.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL",
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN state SET NOT NULL;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN fee SET NOT NULL;"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD CONSTRAINT n NOT NULL state;", since=18),
    ),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ALTER COLUMN cents SET NOT NULL;"),
        Example(schema=PLATFORM, migration="ALTER TABLE users ALTER COLUMN email SET NOT NULL;"),
        Example(
            schema=PLATFORM, migration="ALTER TABLE donations ADD CONSTRAINT n NOT NULL state NOT VALID;", since=18
        ),
        Example(schema=EMPTY, migration="ALTER TABLE donations ALTER COLUMN state SET NOT NULL;"),
    ),
)
def scan_set_not_null(case: Case) -> Iterable[Danger]:
    """SET NOT NULL, and ADD CONSTRAINT ... NOT NULL, where nothing proves it."""
    found: list[tuple[Command, str]] = [(c, str(c.column)) for c in case.commands(pb.AT_SetNotNull)]
    for command in case.commands(pb.AT_AddConstraint):
        constraint = command.constraint
        if constraint.contype == pb.CONSTR_NOTNULL and not constraint.skip_validation:
            found.extend((command, column) for column in tree.strings(constraint.keys))
    for command, column in found:
        toils = case.toils_of(command.name, WorkKind.SCAN, "not null", column=column)
        if toils:
            yield scan(
                case, command.table, toils, f"to see that {quote(column)} is never null",
                mode=LockMode.ACCESS_EXCLUSIVE,
                instead=safe.never_null(command.table, command.state.key[1], column, case.version), complete=True,
            )  # fmt: skip


@rule(
    id="scan-add-check",
    severity=SEVERE,
    title="A new CHECK reads the whole table while nobody can use it",
    why="The condition is tested for every row under ACCESS EXCLUSIVE.",
    safe="Add it NOT VALID: it holds for new rows at once. Validate it in a transaction of its own, under SHARE UPDATE "
    "EXCLUSIVE, which the application does not feel.",
    manual=_NOT_VALID,
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0);"),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD CHECK (cents > 0 AND fee < 100);"),
    ),
    good=(
        Example(
            schema=PLATFORM, migration="ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0) NOT VALID;"
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD CONSTRAINT p CHECK (cents > 0) NOT ENFORCED;",
            since=18,
        ),
        Example(schema=PLATFORM, migration="ALTER TABLE donations VALIDATE CONSTRAINT fee_there;"),
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0);"),
    ),
)
def scan_add_check(case: Case) -> Iterable[Danger]:
    """ADD CONSTRAINT ... CHECK without NOT VALID."""
    for command in case.commands(pb.AT_AddConstraint):
        constraint = command.constraint
        toils = case.toils_of(command.name, WorkKind.SCAN, "check")
        if constraint.contype == pb.CONSTR_CHECK and not constraint.skip_validation and _enforced(constraint) and toils:
            yield scan(
                case, command.table, toils, "to test the condition", mode=LockMode.ACCESS_EXCLUSIVE,
                instead=safe.not_valid(command, constraint, columns=_columns_of(constraint)), complete=True,
            )  # fmt: skip


def _enforced(constraint: object) -> bool:
    return getattr(constraint, "is_enforced", True) is not False


def _columns_of(constraint: object) -> tuple[str, ...]:
    """Return the column that names a CHECK; none where it is about several."""
    found = [
        names[-1]
        for item in tree.walk(getattr(constraint, "raw_expr", pb.Node()))
        if isinstance(item, pb.ColumnRef) and (names := tree.column_names(item)) is not None
    ]
    columns = tuple(dict.fromkeys(found))
    return columns if len(columns) == 1 else ()


@rule(
    id="inline-check-on-add-column",
    severity=SEVERE,
    title="A CHECK written with a new column reads the whole table",
    why="Also where the column is new and has a constant default, the condition is tested for every row under ACCESS "
    "EXCLUSIVE.",
    safe="Add the column without it, then the CHECK as NOT VALID, and validate it in a transaction of its own.",
    manual=_NOT_VALID,
    bad=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN tries integer CHECK (tries >= 0);"),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD tries integer NOT NULL DEFAULT 1 CONSTRAINT few CHECK (tries < 10);",
        ),
    ),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN tries integer DEFAULT 1;"),
        Example(schema=EMPTY, migration="ALTER TABLE donations ADD COLUMN tries integer CHECK (tries >= 0);"),
    ),
)
def inline_check_on_add_column(case: Case) -> Iterable[Danger]:
    """ADD COLUMN with a CHECK of its own."""
    for command in case.new_columns():
        checks = [
            item.constraint
            for item in command.definition.column_def.constraints
            if item.constraint.contype == pb.CONSTR_CHECK and _enforced(item.constraint)
        ]
        toils = case.toils_of(command.name, WorkKind.SCAN, "check")
        if not checks or not toils:
            continue
        bare = safe.alter(command, safe.new_column(command, without=(pb.CONSTR_CHECK,)))
        later = [safe.not_valid(command, check, columns=(str(command.column),)) for check in checks]
        yield scan(
            case, command.table, toils, "to test the condition", mode=LockMode.ACCESS_EXCLUSIVE,
            instead="\n".join([bare, *later]), complete=True,
        )  # fmt: skip


@rule(
    id="scan-add-fk",
    severity=SEVERE,
    title="A new foreign key reads both tables while nobody can write to them",
    why="Both tables are locked in SHARE ROW EXCLUSIVE until every row has been looked up: reading goes on, writing "
    "waits, on the referenced table too.",
    safe="Add it NOT VALID, which reads nothing, and validate it in a transaction of its own. On a partitioned "
    "referencing table NOT VALID works from PostgreSQL 18 on.",
    manual=_NOT_VALID,
    bad=(
        Example(
            schema=PLATFORM + "CREATE TABLE notes AS SELECT n, n AS donation FROM generate_series(1, 200) AS n;",
            migration="ALTER TABLE notes ADD CONSTRAINT notes_fk FOREIGN KEY (donation) REFERENCES donations (id);",
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD COLUMN giver bigint DEFAULT 1 REFERENCES users;",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM + "CREATE TABLE notes AS SELECT n, n AS donation FROM generate_series(1, 200) AS n;",
            migration="ALTER TABLE notes ADD FOREIGN KEY (donation) REFERENCES donations (id) NOT VALID;",
        ),
        Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN giver bigint REFERENCES users;"),
        Example(
            schema=PLATFORM, migration="CREATE TABLE notes (n int PRIMARY KEY, donation bigint REFERENCES donations);"
        ),
    ),
)
def scan_add_fk(case: Case) -> Iterable[Danger]:
    """ADD FOREIGN KEY without NOT VALID, and ADD COLUMN ... DEFAULT ... REFERENCES."""
    for command, constraint in case.added_constraints(pb.CONSTR_FOREIGN):
        inline = command.constraint is None
        toils = case.toils_of(command.name, WorkKind.SCAN, "foreign key")
        if constraint.skip_validation or not _enforced(constraint) or not toils:
            continue
        if inline and all(i.constraint.contype != pb.CONSTR_DEFAULT for i in command.definition.column_def.constraints):
            continue
        columns = (str(command.column),) if inline else tree.strings(constraint.fk_attrs)
        mode = LockMode.ACCESS_EXCLUSIVE if inline else LockMode.SHARE_ROW_EXCLUSIVE
        other = tree.parts(constraint.pktable)
        yield scan(
            case, command.table, toils, f"to look each up in {case.qualified(other)}, which is locked as well",
            mode=mode, instead=_foreign_key(case, command, constraint, columns, inline=inline),
            complete=_can_wait(case, command),
        )  # fmt: skip


def _can_wait(case: Case, command: Command) -> bool:
    return case.version >= 180000 or command.state.kind != "partitioned table"


def _foreign_key(case: Case, command: Command, constraint: object, columns: tuple[str, ...], *, inline: bool) -> str:
    if not _can_wait(case, command):
        return (
            "-- before PostgreSQL 18 not on the partitioned table itself: NOT VALID and VALIDATE on each partition,\n"
            "-- then on the partitioned table, which takes over what its partitions have"
        )
    later = safe.not_valid(command, constraint, columns=columns)
    if not inline:
        return later
    return f"{safe.alter(command, safe.new_column(command, without=(pb.CONSTR_FOREIGN,)))}\n{later}"


@rule(
    id="lock-inline-references",
    severity=WARNING,
    title="REFERENCES with a new column locks both tables",
    why="Nothing is read, as all values are null. But the table is locked in ACCESS EXCLUSIVE and the referenced "
    "one in "
    "SHARE ROW EXCLUSIVE, both until the transaction ends.",
    safe="Add the column first, then the foreign key as NOT VALID, each in a transaction of its own.",
    manual=_NOT_VALID,
    bad=(Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN giver bigint REFERENCES users;"),),
    good=(Example(schema=PLATFORM, migration="ALTER TABLE donations ADD COLUMN giver bigint;"),),
)
def lock_inline_references(case: Case) -> Iterable[Danger]:
    """ADD COLUMN ... REFERENCES without a default."""
    for command, constraint in case.added_constraints(pb.CONSTR_FOREIGN):
        if command.constraint is not None:
            continue
        if any(item.constraint.contype == pb.CONSTR_DEFAULT for item in command.definition.column_def.constraints):
            continue
        other = case.filled(tree.parts(constraint.pktable))
        if other is not None:
            yield Danger(
                relation=command.table,
                text=(
                    f"Locks {command.table} in ACCESS EXCLUSIVE and {other.qualified} ({case.size(other)}) in "
                    "SHARE ROW EXCLUSIVE together, until the transaction ends; no row is read."
                ),
                instead=_foreign_key(case, command, constraint, (str(command.column),), inline=True),
                complete=_can_wait(case, command),
            )


@rule(
    id="scan-validate-under-lock",
    severity=SEVERE,
    title="VALIDATE in a transaction that has locked the table already",
    why="VALIDATE alone takes SHARE UPDATE EXCLUSIVE. But locks are held until the transaction ends: what an earlier "
    "statement of it has locked against writing (ADD CONSTRAINT ... NOT VALID does) stays so while every row is read.",
    safe="Validate in a migration of its own.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT",
    bad=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0) NOT VALID;\n"
            "ALTER TABLE donations VALIDATE CONSTRAINT positive;",
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ALTER COLUMN state SET DEFAULT 'new';\n"
            "ALTER TABLE donations VALIDATE CONSTRAINT fee_there;",
        ),
    ),
    good=(
        Example(schema=PLATFORM, migration="ALTER TABLE donations VALIDATE CONSTRAINT fee_there;"),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations VALIDATE CONSTRAINT fee_there;\n"
            "ALTER TABLE donations ALTER COLUMN state SET DEFAULT 'new';",
        ),
    ),
)
def scan_validate_under_lock(case: Case) -> Iterable[Danger]:
    """VALIDATE CONSTRAINT on a table that the transaction holds a strong lock on."""
    held = case.held()
    for command in case.commands(pb.AT_ValidateConstraint):
        past, toils = held.get(command.table), case.toils_of(command.name, WorkKind.SCAN, "validate")
        if past is None or not toils:
            continue
        mode = max((mode for p in case.past for t, mode in p.locks if t == command.table), key=lambda m: m.strength)
        yield scan(
            case, command.table, toils, f"taken at line {past.line}, to validate {quote(command.cmd.name)}", mode=mode,
            instead=safe.APART + safe.validate(command, command.cmd.name), complete=True,
        )  # fmt: skip


@rule(
    id="scan-multi-subcommand",
    severity=SEVERE,
    title="VALIDATE together with a subcommand that locks more strongly",
    why="One ALTER TABLE takes the strongest lock that any of its subcommands needs, before the first of them: the "
    "validation, harmless alone, then reads the table under ACCESS EXCLUSIVE.",
    safe="Two statements, in two migrations.",
    manual="sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT",
    bad=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations VALIDATE CONSTRAINT fee_there, ALTER COLUMN state SET DEFAULT 'new';",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM, migration="ALTER TABLE donations VALIDATE CONSTRAINT fee_there, SET (fillfactor = 80);"
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ALTER COLUMN state SET DEFAULT 'new', ALTER COLUMN note SET DEFAULT '';",
        ),
    ),
)
def scan_multi_subcommand(case: Case) -> Iterable[Danger]:
    """ALTER TABLE with VALIDATE and something stronger."""
    for command in case.commands(pb.AT_ValidateConstraint):
        toils = [
            t for t in case.toils_of(command.name, WorkKind.SCAN, "validate") if t.work.constraint == command.cmd.name
        ]
        mode = case.lock_on(command.table)
        if not toils or mode is None or not mode.blocks_writes or len(command.node.cmds) < 2:
            continue
        rest = [i.alter_table_cmd for i in command.node.cmds if i.alter_table_cmd != command.cmd]
        yield scan(
            case, command.table, toils, f"to validate {quote(command.cmd.name)}", mode=mode,
            instead=f"{safe.alter(command, *rest)}\n{safe.APART}{safe.alter(command, command.cmd)}", complete=True,
        )  # fmt: skip


@rule(
    id="scan-domain-constraint",
    severity=SEVERE,
    title="A constraint of a domain reads every table that uses it",
    why="Every table with a column of the domain is locked in SHARE, and its rows are read; VALIDATE CONSTRAINT "
    "does so "
    "too. Only adding it NOT VALID locks no table.",
    safe="A CHECK of the table in place of the domain's; or NOT VALID without ever validating it.",
    manual="sql-alterdomain.html",
    bad=(
        Example(schema=DEPENDENTS, migration="ALTER DOMAIN amount ADD CONSTRAINT less CHECK (VALUE < 1000000);"),
        Example(schema=DEPENDENTS, migration="ALTER DOMAIN amount SET NOT NULL;"),
    ),
    good=(
        Example(
            schema=DEPENDENTS, migration="ALTER DOMAIN amount ADD CONSTRAINT less CHECK (VALUE < 1000000) NOT VALID;"
        ),
        Example(schema=DEPENDENTS, migration="ALTER DOMAIN amount DROP CONSTRAINT amount_check;"),
        Example(schema=DEPENDENTS, migration="ALTER DOMAIN label ADD CONSTRAINT less CHECK (VALUE <> '');"),
    ),
)
def scan_domain_constraint(case: Case) -> Iterable[Danger]:
    """ALTER DOMAIN ADD CONSTRAINT, VALIDATE CONSTRAINT and SET NOT NULL."""
    for node in case.of("alter_domain_stmt"):
        toils = [toil for toil in case.toils if toil.work.rule == "domain"]
        if not toils:
            continue
        for table in dict.fromkeys(toil.state.qualified for toil in toils):
            instead = ""
            if node.HasField("def") and tree.kind(getattr(node, "def")) == "constraint":
                waiting = safe.copy_of(node)
                constraint = getattr(waiting, "def").constraint
                constraint.skip_validation, constraint.initially_valid = True, False
                instead = safe.sql_of("alter_domain_stmt", waiting)
            own = [toil for toil in toils if toil.state.qualified == table]
            yield scan(case, table, own, "to test the domain's condition", mode=LockMode.SHARE, instead=instead)


@rule(
    id="multi-alter-same-table",
    severity=WARNING,
    title="Several statements go through the same table",
    why="Each ALTER TABLE that has to read or write all rows does so in a pass of its own; subcommands of one ALTER "
    "TABLE "
    "share a pass.",
    safe="One ALTER TABLE with all the subcommands.",
    manual="sql-altertable.html#SQL-ALTERTABLE-NOTES",
    bad=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ALTER COLUMN state SET NOT NULL;\n"
            "ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0);",
        ),
    ),
    good=(
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ALTER COLUMN state SET NOT NULL, ADD CONSTRAINT p CHECK (cents > 0);",
        ),
        Example(
            schema=PLATFORM,
            migration="ALTER TABLE donations ALTER COLUMN state SET DEFAULT '';\n"
            "ALTER TABLE donations ADD CONSTRAINT positive CHECK (cents > 0);",
        ),
    ),
)
def multi_alter_same_table(case: Case) -> Iterable[Danger]:
    """A second ALTER TABLE that scans or rewrites what one before it in the transaction did."""
    seen: set[str] = set()
    for command in case.commands():
        table = command.table
        again = [past for past in case.past if table in past.worked and any(name == table for name, _ in past.altered)]
        worked = any(toil.state is command.state and toil.work.kind is not WorkKind.BUILD for toil in case.toils)
        if table in seen or not again or not worked or command.cmd.subtype == pb.AT_ValidateConstraint:
            continue
        seen.add(table)
        earlier = next(node for name, node in again[-1].altered if name == table)
        both = [item.alter_table_cmd for item in (*earlier.cmds, *command.node.cmds)]
        yield Danger(
            relation=table,
            text=(
                f"Goes through {table} ({case.size(command.state)}) once more, after the statement at line "
                f"{again[-1].line}; together in one ALTER TABLE they share a pass."
            ),
            instead=safe.alter(command, *both),
        )


RULES: Final = (
    scan_set_not_null,
    scan_add_check,
    inline_check_on_add_column,
    scan_add_fk,
    lock_inline_references,
    scan_validate_under_lock,
    scan_multi_subcommand,
    scan_domain_constraint,
    multi_alter_same_table,
)
__all__ = ["RULES", "scan"]
