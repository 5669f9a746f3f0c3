"""The kinds of object that have a name of their own and are no relation: where the catalog keeps them.

See https://www.postgresql.org/docs/18/catalogs.html. Overloaded ones (functions, operators) count as there with any
signature.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Kept(Struct, frozen=True, kw_only=True):
    """A catalog: its table, the column of the name, and that of the schema where there is one."""

    table: str
    name: str
    schema: str = ""


KEPT: Final = {
    "schema": Kept(table="pg_namespace", name="nspname"),
    "extension": Kept(table="pg_extension", name="extname"),
    "role": Kept(table="pg_roles", name="rolname"),
    "access method": Kept(table="pg_am", name="amname"),
    "database": Kept(table="pg_database", name="datname"),
    "event trigger": Kept(table="pg_event_trigger", name="evtname"),
    "foreign-data wrapper": Kept(table="pg_foreign_data_wrapper", name="fdwname"),
    "language": Kept(table="pg_language", name="lanname"),
    "publication": Kept(table="pg_publication", name="pubname"),
    "server": Kept(table="pg_foreign_server", name="srvname"),
    "subscription": Kept(table="pg_subscription", name="subname"),
    "tablespace": Kept(table="pg_tablespace", name="spcname"),
    "collation": Kept(table="pg_collation", name="collname", schema="collnamespace"),
    "conversion": Kept(table="pg_conversion", name="conname", schema="connamespace"),
    "operator": Kept(table="pg_operator", name="oprname", schema="oprnamespace"),
    "operator class": Kept(table="pg_opclass", name="opcname", schema="opcnamespace"),
    "operator family": Kept(table="pg_opfamily", name="opfname", schema="opfnamespace"),
    "statistics": Kept(table="pg_statistic_ext", name="stxname", schema="stxnamespace"),
    "text search configuration": Kept(table="pg_ts_config", name="cfgname", schema="cfgnamespace"),
    "text search dictionary": Kept(table="pg_ts_dict", name="dictname", schema="dictnamespace"),
    "text search parser": Kept(table="pg_ts_parser", name="prsname", schema="prsnamespace"),
    "text search template": Kept(table="pg_ts_template", name="tmplname", schema="tmplnamespace"),
}
# Those that are in no schema.
PLAIN: Final = frozenset(kind for kind, kept in KEPT.items() if not kept.schema)
# Named by what they connect; whether they are there is not looked up.
UNTRACKED: Final = frozenset({"cast", "transform", "user mapping", "large object"})
