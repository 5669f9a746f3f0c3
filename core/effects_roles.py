"""Effects of the statements about roles and rights. See https://www.postgresql.org/docs/18/user-manag.html."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .effects_kinds import KINDS
from .effects_reading import Reading
from .touches import Act, Ref


def create_role(reading: Reading, node: pb.CreateRoleStmt) -> None:
    """CREATE ROLE, USER and GROUP."""
    reading.touch(Act.MAKE, Ref(kind="role", name=(node.role,)))
    _members(reading, node.options)


def _members(reading: Reading, options: Any) -> None:
    for item in options:
        if tree.kind(item.def_elem.arg) == "list":
            for member in item.def_elem.arg.list.items:
                if tree.kind(member) == "role_spec":
                    reading.role(member.role_spec)


def alter_role(reading: Reading, node: pb.AlterRoleStmt) -> None:
    """ALTER ROLE, also ALTER GROUP ... ADD USER."""
    _change(reading, node.role)
    _members(reading, node.options)


def set_role(reading: Reading, node: pb.AlterRoleSetStmt) -> None:
    """ALTER ROLE ... SET."""
    if node.HasField("role"):
        _change(reading, node.role)
    if node.database:
        reading.touch(Act.NEED, Ref(kind="database", name=(node.database,)))


def _change(reading: Reading, spec: Any) -> None:
    if spec.roletype == pb.ROLESPEC_CSTRING and spec.rolename:
        reading.touch(Act.CHANGE, Ref(kind="role", name=(spec.rolename,)), spec)


def drop_role(reading: Reading, node: pb.DropRoleStmt) -> None:
    """DROP ROLE."""
    for item in node.roles:
        if item.role_spec.rolename:
            reading.touch(Act.DROP, Ref(kind="role", name=(item.role_spec.rolename,)), guarded=node.missing_ok)


def grant(reading: Reading, node: pb.GrantStmt) -> None:
    """GRANT and REVOKE of rights on objects."""
    kind = KINDS.get(node.objtype)
    if node.targtype == pb.ACL_TARGET_ALL_IN_SCHEMA:
        kind = "schema"
    for item in node.objects:
        name = tree.object_parts(item)
        if kind is None or not name:
            continue
        place = item.range_var if tree.kind(item) == "range_var" else None
        reading.touch(Act.CHANGE, Ref(kind=kind, name=name), place, detail="rights")
        for right in node.privileges if kind == "table" else ():
            for column in tree.strings(right.access_priv.cols):
                reading.member(Act.NEED, "column", name, column, place)
    for item in node.grantees:
        reading.role(item.role_spec)
    if node.HasField("grantor"):
        reading.role(node.grantor)


def grant_role(reading: Reading, node: pb.GrantRoleStmt) -> None:
    """GRANT and REVOKE of membership."""
    for item in node.granted_roles:
        if item.access_priv.priv_name:
            reading.touch(Act.CHANGE, Ref(kind="role", name=(item.access_priv.priv_name,)), detail="members")
    for item in node.grantee_roles:
        reading.role(item.role_spec)


def default_rights(reading: Reading, node: pb.AlterDefaultPrivilegesStmt) -> None:
    """ALTER DEFAULT PRIVILEGES."""
    for item in node.options:
        for inner in item.def_elem.arg.list.items if tree.kind(item.def_elem.arg) == "list" else ():
            if item.def_elem.defname == "schemas":
                reading.touch(Act.CHANGE, Ref(kind="schema", name=(tree.string(inner),)), detail="rights")
            elif tree.kind(inner) == "role_spec":
                reading.role(inner.role_spec)
    for item in node.action.grantees:
        reading.role(item.role_spec)


def owned(reading: Reading, node: Any) -> None:
    """DROP OWNED and REASSIGN OWNED; which objects those are, the catalog knows."""
    for item in node.roles:
        reading.role(item.role_spec)
    if isinstance(node, pb.ReassignOwnedStmt):
        reading.role(node.newrole)


HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    "create_role_stmt": create_role,
    "alter_role_stmt": alter_role,
    "alter_role_set_stmt": set_role,
    "drop_role_stmt": drop_role,
    "grant_stmt": grant,
    "grant_role_stmt": grant_role,
    "alter_default_privileges_stmt": default_rights,
    "drop_owned_stmt": owned,
    "reassign_owned_stmt": owned,
}
