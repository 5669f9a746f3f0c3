"""Effects of foreign data, publications, subscriptions, databases and tablespaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .effects_reading import Reading
from .effects_tables import create_table
from .touches import Act, Ref


def wrapper(reading: Reading, node: Any) -> None:
    """CREATE and ALTER FOREIGN DATA WRAPPER."""
    act = Act.MAKE if isinstance(node, pb.CreateFdwStmt) else Act.CHANGE
    reading.named(act, "foreign-data wrapper", (node.fdwname,))
    for item in node.func_options:
        if tree.kind(item.def_elem.arg) == "list":
            reading.function(tree.strings(item.def_elem.arg.list.items))


def create_server(reading: Reading, node: pb.CreateForeignServerStmt) -> None:
    """CREATE SERVER."""
    reading.named(Act.NEED, "foreign-data wrapper", (node.fdwname,))
    reading.named(Act.MAKE, "server", (node.servername,), guarded=node.if_not_exists)


def alter_server(reading: Reading, node: pb.AlterForeignServerStmt) -> None:
    """ALTER SERVER."""
    reading.named(Act.CHANGE, "server", (node.servername,))


def create_foreign_table(reading: Reading, node: pb.CreateForeignTableStmt) -> None:
    """CREATE FOREIGN TABLE."""
    reading.named(Act.NEED, "server", (node.servername,))
    create_table(reading, node.base_stmt)


def mapping(reading: Reading, node: Any) -> None:
    """CREATE, ALTER and DROP USER MAPPING."""
    reading.role(node.user)
    reading.named(Act.NEED, "server", (node.servername,))
    name = (f"{node.user.rolename or 'current user'} ON {node.servername}",)
    match node:
        case pb.CreateUserMappingStmt():
            reading.named(Act.MAKE, "user mapping", name, guarded=node.if_not_exists)
        case pb.DropUserMappingStmt():
            reading.named(Act.DROP, "user mapping", name, guarded=node.missing_ok)
        case _:
            reading.named(Act.CHANGE, "user mapping", name)


def import_schema(reading: Reading, node: pb.ImportForeignSchemaStmt) -> None:
    """IMPORT FOREIGN SCHEMA: which tables it makes, the other server tells."""
    reading.named(Act.NEED, "server", (node.server_name,))
    reading.touch(Act.NEED, Ref(kind="schema", name=(node.local_schema,)))
    reading.gather.unknowable = "the other server tells which tables are made"


def publication(reading: Reading, node: Any) -> None:
    """CREATE and ALTER PUBLICATION."""
    making = isinstance(node, pb.CreatePublicationStmt)
    reading.named(Act.MAKE if making else Act.CHANGE, "publication", (node.pubname,))
    for item in node.pubobjects:
        spec = item.publication_obj_spec
        if spec.pubobjtype == pb.PUBLICATIONOBJ_TABLES_IN_SCHEMA and spec.name:
            reading.touch(Act.NEED, Ref(kind="schema", name=(spec.name,)), spec)
        elif spec.pubtable.relation.relname:
            table = reading.relation(Act.NEED, spec.pubtable.relation)
            for column in tree.strings(spec.pubtable.columns):
                reading.member(Act.NEED, "column", table, column, spec)


def subscription(reading: Reading, node: Any) -> None:
    """CREATE, ALTER and DROP SUBSCRIPTION."""
    match node:
        case pb.CreateSubscriptionStmt():
            reading.named(Act.MAKE, "subscription", (node.subname,))
        case pb.DropSubscriptionStmt():
            reading.named(Act.DROP, "subscription", (node.subname,), guarded=node.missing_ok)
        case _:
            reading.named(Act.CHANGE, "subscription", (node.subname,))


def database(reading: Reading, node: Any) -> None:
    """CREATE, ALTER and DROP DATABASE."""
    match node:
        case pb.CreatedbStmt():
            for item in node.options:
                kind = {"owner": "role", "template": "database", "tablespace": "tablespace"}.get(item.def_elem.defname)
                if kind is not None and tree.kind(item.def_elem.arg) == "string":
                    reading.named(Act.NEED, kind, (tree.string(item.def_elem.arg),))
            reading.named(Act.MAKE, "database", (node.dbname,))
        case pb.DropdbStmt():
            reading.named(Act.DROP, "database", (node.dbname,), guarded=node.missing_ok)
        case _:
            reading.named(Act.CHANGE, "database", (node.dbname,))


def tablespace(reading: Reading, node: Any) -> None:
    """CREATE, ALTER and DROP TABLESPACE, and ALTER ... ALL IN TABLESPACE."""
    match node:
        case pb.CreateTableSpaceStmt():
            if node.HasField("owner"):
                reading.role(node.owner)
            reading.named(Act.MAKE, "tablespace", (node.tablespacename,))
        case pb.DropTableSpaceStmt():
            reading.named(Act.DROP, "tablespace", (node.tablespacename,), guarded=node.missing_ok)
        case pb.AlterTableMoveAllStmt():
            for name in (node.orig_tablespacename, node.new_tablespacename):
                reading.named(Act.NEED, "tablespace", (name,))
            for item in node.roles:
                reading.role(item.role_spec)
        case _:
            reading.named(Act.CHANGE, "tablespace", (node.tablespacename,))


HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    "create_fdw_stmt": wrapper,
    "alter_fdw_stmt": wrapper,
    "create_foreign_server_stmt": create_server,
    "alter_foreign_server_stmt": alter_server,
    "create_foreign_table_stmt": create_foreign_table,
    "create_user_mapping_stmt": mapping,
    "alter_user_mapping_stmt": mapping,
    "drop_user_mapping_stmt": mapping,
    "import_foreign_schema_stmt": import_schema,
    "create_publication_stmt": publication,
    "alter_publication_stmt": publication,
    "create_subscription_stmt": subscription,
    "alter_subscription_stmt": subscription,
    "drop_subscription_stmt": subscription,
    "createdb_stmt": database,
    "dropdb_stmt": database,
    "alter_database_stmt": database,
    "alter_database_set_stmt": database,
    "alter_database_refresh_coll_stmt": database,
    "create_table_space_stmt": tablespace,
    "drop_table_space_stmt": tablespace,
    "alter_table_space_options_stmt": tablespace,
    "alter_table_move_all_stmt": tablespace,
}
