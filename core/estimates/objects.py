"""Triggers, rules, policies, statistics, publications, comments, rights, and types that tables use."""

from __future__ import annotations

from typing import Any, Final

import postgast
from google.protobuf.message import DecodeError
from postgast import pg_query_pb2 as pb

from .. import tree
from ..estimate import Tally
from ..locks import LockMode
from ..relation_state import State
from . import queries
from .alter_table import take_over
from .family import lock_all, partitions, target

_UPDATE: Final = LockMode.SHARE_UPDATE_EXCLUSIVE
_COMMENTED: Final = frozenset({
    pb.OBJECT_TABLE, pb.OBJECT_VIEW, pb.OBJECT_MATVIEW, pb.OBJECT_INDEX, pb.OBJECT_SEQUENCE, pb.OBJECT_FOREIGN_TABLE,
})  # fmt: skip
_MEMBERS: Final = frozenset({pb.OBJECT_TABCONSTRAINT, pb.OBJECT_TRIGGER, pb.OBJECT_POLICY, pb.OBJECT_RULE})


def trigger(tally: Tally, node: pb.CreateTrigStmt) -> None:
    """CREATE TRIGGER: for each row, on every partition too."""
    state = target(tally, node.relation)
    if state is not None:
        below = partitions(tally.world, state) if node.row else []
        lock_all(tally, [state, *below], LockMode.SHARE_ROW_EXCLUSIVE)
    other = target(tally, node.constrrel) if node.HasField("constrrel") else None
    if other is not None:
        tally.lock(other, LockMode.ACCESS_SHARE)


def rule(tally: Tally, node: pb.RuleStmt) -> None:
    """CREATE RULE."""
    state = target(tally, node.relation)
    if state is not None:
        tally.lock(state, LockMode.ACCESS_EXCLUSIVE)
    for action in node.actions:
        queries.name(tally, action)


def policy(tally: Tally, node: Any) -> None:
    """CREATE POLICY and ALTER POLICY."""
    state = target(tally, node.table)
    if state is not None:
        tally.lock(state, LockMode.ACCESS_EXCLUSIVE)
    for expression in (node.qual, node.with_check):
        queries.name(tally, expression)


def statistics(tally: Tally, node: pb.CreateStatsStmt) -> None:
    """CREATE STATISTICS."""
    for item in node.relations:
        state = target(tally, item.range_var) if tree.kind(item) == "range_var" else None
        if state is not None:
            tally.lock(state, _UPDATE)


def publication(tally: Tally, node: Any) -> None:
    """CREATE PUBLICATION and ALTER PUBLICATION, of tables that are named."""
    for item in node.pubobjects:
        relation = item.publication_obj_spec.pubtable.relation
        state = target(tally, relation)
        if state is not None:
            below = tally.world.descendants(state) if state.kind == "table" and relation.inh else []
            lock_all(tally, [state, *below], _UPDATE)
    if isinstance(node, pb.AlterPublicationStmt) and node.action == pb.AP_SetObjects:
        known = (tally.world.of(oid) for oid in tally.world.catalog.publications.get(node.pubname, ()))
        lock_all(tally, [state for state in known if state is not None], _UPDATE)


def comment(tally: Tally, node: Any) -> None:
    """COMMENT ON and SECURITY LABEL."""
    name = tree.object_parts(node.object)
    if node.objtype in _COMMENTED or (node.objtype == pb.OBJECT_COLUMN and len(name) > 1):
        state = tally.world.find(name if node.objtype in _COMMENTED else name[:-1])
        mode = _UPDATE
    elif node.objtype in _MEMBERS and len(name) > 1:
        state, mode = tally.world.find(name[:-1]), LockMode.ACCESS_SHARE
    else:
        return
    if state is not None:
        tally.lock(state, mode)


def grant(tally: Tally, node: pb.GrantStmt) -> None:
    """GRANT and REVOKE: no lock before PostgreSQL 18."""
    if tally.version < 18 or node.targtype != pb.ACL_TARGET_OBJECT:
        return
    if node.objtype in {pb.OBJECT_TABLE, pb.OBJECT_SEQUENCE}:
        found = (target(tally, item.range_var) for item in node.objects)
        lock_all(tally, [state for state in found if state is not None], LockMode.ACCESS_SHARE)


def domain(tally: Tally, node: pb.AlterDomainStmt) -> None:
    """ALTER DOMAIN: a constraint that is to hold for the values that are there reads every table with such a column."""
    name = tree.strings(node.type_name)
    full = tally.world.named("type", name)
    facts = tally.world.catalog.types.get((full[0], full[-1])) if full is not None and len(full) == 2 else None
    known = tally.world.catalog.domains.get(facts.oid) if facts is not None else None
    if known is None:
        return
    constraint = node.name
    if node.subtype == "C":
        added = getattr(node, "def").constraint
        constraint = added.conname
        needed = not added.skip_validation and not (added.contype == pb.CONSTR_NOTNULL and known.not_null)
    else:
        needed = node.subtype == "V" or (node.subtype == "O" and not known.not_null)
    for state in _users(tally, name) if needed else []:
        tally.lock(state, LockMode.SHARE)
        tally.scan(state, "domain", constraint=constraint)


def _users(tally: Tally, name: tuple[str, ...]) -> list[State]:
    """Return the tables with a column of a domain, or of a domain over it."""
    users = tally.world.catalog.type_users
    oids = {table for oid in tally.world.type_family(name) for table, _ in users.get(oid, ())}
    found = (tally.world.of(oid) for oid in sorted(oids))
    return [state for state in found if state is not None and state.kind in {"table", "materialized view"}]


def function(tally: Tally, node: pb.CreateFunctionStmt) -> None:
    """CREATE FUNCTION in SQL: its body is looked up as it is written down."""
    if node.HasField("sql_body"):
        queries.name(tally, node.sql_body)
        return
    options = {item.def_elem.defname: item.def_elem.arg for item in node.options}
    language = options.get("language")
    if language is None or tree.string(language).lower() != "sql" or tree.kind(options.get("as")) != "list":
        return
    try:
        parsed = postgast.parse(tree.string(options["as"].list.items[0]))
    except (postgast.PgQueryError, DecodeError):
        return
    for raw in parsed.stmts:
        queries.name(tally, raw.stmt)


def reassign(tally: Tally, node: pb.ReassignOwnedStmt) -> None:
    """REASSIGN OWNED BY."""
    roles = {item.role_spec.rolename for item in node.roles}
    kinds = {"table", "partitioned table", "view", "materialized view", "sequence", "foreign table"}
    for state in tally.world.matching(lambda one: one.owner in roles and one.kind in kinds):
        take_over(tally, state)
