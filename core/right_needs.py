"""A plan's statements x catalog -> the rights that they need, each once, with the statement that needs it first. Pure.

What the server checks is said in the manual's page of each command; see also
https://www.postgresql.org/docs/18/ddl-priv.html. Relations that the plan makes are its own: nothing is asked of them.
Past 400 lines: a method for each command that asks for a right of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct, field
from postgast import pg_query_pb2 as pb

from . import tree
from .catalog import Catalog
from .effects import effects_of
from .errors import Place
from .history import History
from .judge import Judged, search_path_after
from .names import is_qualified, read
from .precheck import Decision
from .relation_state import RELATION_REFS
from .rights import DROP, OWNER, SUPERUSER, Right
from .script import Statement
from .touches import Act, Touch
from .world import World

_MEMBERS: Final = frozenset({"column", "constraint", "trigger", "policy", "rule"})
_ROWS: Final = {
    "insert_stmt": "INSERT", "update_stmt": "UPDATE", "delete_stmt": "DELETE", "truncate_stmt": "TRUNCATE",
    "copy_stmt": "INSERT",
}  # fmt: skip
_READERS: Final = frozenset({
    "select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "copy_stmt", "create_table_as_stmt",
    "explain_stmt",
})  # fmt: skip
# Commands that need MAINTAIN or ownership; before 17 only ownership would do.
_UPKEEP: Final = frozenset({"vacuum_stmt", "cluster_stmt", "reindex_stmt", "refresh_mat_view_stmt"})
_SUPERUSERS: Final = frozenset({
    "create_table_space_stmt", "create_am_stmt", "create_fdw_stmt", "create_event_trig_stmt", "alter_event_trig_stmt",
    "create_op_class_stmt", "create_op_family_stmt", "create_plang_stmt",
})  # fmt: skip
# Roles by which a managed service lets others do what PostgreSQL keeps for superusers.
_MANAGED: Final = frozenset(
    {"rds_superuser", "cloudsqlsuperuser", "azure_pg_admin", "supabase_admin", "neon_superuser"}
)
_SYSTEM: Final = frozenset({"pg_catalog", "information_schema"})


def needed_rights(
    work: Iterable[Sequence[tuple[str, Judged]]],
    *,
    catalog: Catalog,
    history: History,
    writes: Sequence[Statement] = (),
) -> tuple[Right, ...]:
    """Return the rights that the statements which run need; `work` is by entry, statements with their version.

    `writes` is what a run records in another tool's history.

    A superuser needs none. After SET ROLE it is another role's rights that count, and nothing is asked for.
    """
    if catalog.server.superuser:
        return ()
    needs = _Needs(catalog=catalog, world=World(catalog))
    for entry in work:
        needs.world.begin()
        needs.as_other = False
        for version, one in entry:
            if one.decision is Decision.RUN and not one.done_before:
                needs.statement(version, one)
    needs.history(history, writes)
    return tuple(needs.found.values())


class _Needs(Struct, kw_only=True):
    catalog: Catalog
    world: World
    found: dict[tuple[str, str, str, str], Right] = field(default_factory=dict)
    # SET ROLE is in force
    as_other: bool = False
    # an earlier statement that may give our role a right that it has not got now
    granted: Place | None = None
    # of the statement in hand
    place: Place = field(default_factory=lambda: Place(file="", line=1, column=1))
    first: tuple[Place, str, int] | None = None
    version: str = ""
    number: int = 0

    # -- what is asked

    def need(self, kind: str, right: str, name: tuple[str, ...], *, unless: str = "") -> None:
        if self.as_other:
            return
        if not unless and self.granted is not None:
            unless = f"{self.granted.file}:{self.granted.line} may grant it"
        *outer, last = name
        one = Right(
            kind=kind,
            right=right,
            schema=outer[-1] if outer else "",
            name=last,
            place=self.place,
            version=self.version,
            statement=self.number,
            unless=unless,
        )
        self.found.setdefault(one.key, one)

    def of_relation(self, name: tuple[str, ...], right: str, *, unless: str = "") -> None:
        """Need a right on a relation that is in the database; nothing of what the plan makes, or the server has."""
        state = self.world.find(name)
        if state is None or state.relation is None or state.key[0] in _SYSTEM:
            return
        target = state
        if right == OWNER and state.table is not None:
            target = self.world.relation(state.table) or state
        if target.relation is None:
            return
        if is_qualified(name):
            self.of_schema(target.relation.schema, "USAGE")
        self.need("relation", right, (target.relation.schema, target.relation.name), unless=unless)

    def of_schema(self, schema: str, right: str, *, unless: str = "") -> None:
        if schema in self.catalog.schemas and schema not in _SYSTEM and self.world.made_at("schema", (schema,)) is None:
            self.need("schema", right, (schema,), unless=unless)

    def of_database(self, right: str) -> None:
        self.need("database", right, (self.catalog.server.database,))

    def of_role(self, spec: Any, right: str) -> None:
        if spec.rolename and spec.rolename in self.catalog.roles:
            self.need("role", right, (spec.rolename,))

    def superuser(self, *, unless: str = "") -> None:
        """Need what PostgreSQL keeps for superusers; managed services have ways of their own."""
        managed = sorted(_MANAGED & self.catalog.roles)
        if managed and not unless:
            unless = f"{managed[0]} may be allowed to"
        self.need("attribute", SUPERUSER, (self.catalog.server.user,), unless=unless)

    # -- one statement

    def statement(self, version: str, one: Judged) -> None:
        statement = one.statement
        self.place, self.version, self.number = statement.place, version, statement.number
        self.first = self.first or (statement.place, version, statement.number)
        if statement.tree is None:
            return
        kind, node = tree.kind(statement.tree), tree.inner(statement.tree)
        world = self.world
        active = [t for t in one.effects.touches if all(world.holds(test) is not False for test in t.tests)]
        referenced = {t.other for t in active if t.constraint == "f" and t.other is not None}
        for touch in active:
            self.touch(touch, kind, node, referenced)
            if touch.act is not Act.NEED:
                world.apply(touch)
        special = getattr(self, f"on_{kind}", None)
        if special is not None:
            special(node)
        if kind in _SUPERUSERS:
            self.superuser()
        if kind == "variable_set_stmt":
            path = search_path_after(statement.tree, world)
            world.search_path = path if path is not None else world.search_path
        if (
            kind in {"grant_stmt", "grant_role_stmt", "alter_owner_stmt"} or one.effects.unknowable
        ) and not self.granted:
            self.granted = statement.place

    def touch(self, touch: Touch, kind: str, node: Any, referenced: set[tuple[str, ...]]) -> None:
        ref, act = touch.ref, touch.act
        if act is Act.MAKE:
            self.make(touch, node)
        elif ref.kind in RELATION_REFS:
            if act is Act.NEED:
                self.reading(touch, kind, node, referenced)
            else:
                self.changing(touch, kind)
        elif act is Act.NEED:
            return
        elif ref.member is not None and ref.kind in _MEMBERS:
            if kind != "create_trig_stmt":
                self.of_relation(ref.name, OWNER, unless=self.lenient(kind))
        elif ref.kind == "schema":
            if touch.detail != "rights":
                self.of_schema(ref.name[-1], OWNER)
        elif ref.kind in {"type", "function", "extension"} and touch.detail != "rights":
            full = self.world.named(ref.kind, ref.name)
            if full is not None and self.world.made_at(ref.kind, full) is None:
                self.need(ref.kind, OWNER, full)
        if touch.renamed is not None and ref.kind in RELATION_REFS and (found := self.world.find(ref.name)):
            self.of_schema(found.key[0], "CREATE")
        if touch.moved is not None:
            self.of_schema(touch.moved, "CREATE")

    def make(self, touch: Touch, node: Any) -> None:
        ref, world = touch.ref, self.world
        if ref.kind == "index" and touch.other is not None:
            self.of_relation(touch.other, OWNER)
            if (table := world.find(touch.other)) is not None:
                self.of_schema(table.key[0], "CREATE")
        elif ref.member is not None:
            if ref.kind != "trigger":
                self.of_relation(ref.name, OWNER)
            if touch.constraint == "f" and touch.other is not None:
                self.of_relation(touch.other, "REFERENCES")
        elif ref.kind in RELATION_REFS:
            if tree.is_temporary(node):
                self.of_database("TEMPORARY")
            else:
                self.of_schema(world.new_key(ref.name)[0], "CREATE")
                self.replaced(touch)
        elif ref.kind in {"type", "function"}:
            self.of_schema(ref.name[-2] if is_qualified(ref.name) else world.first_schema, "CREATE")
        elif ref.kind == "schema":
            self.of_database("CREATE")
        elif ref.kind == "role":
            self.need("attribute", "CREATEROLE", (self.catalog.server.user,))

    def replaced(self, touch: Touch) -> None:
        """CREATE OR REPLACE of what is there is for its owner."""
        if touch.replace:
            self.of_relation(touch.ref.name, OWNER)

    def reading(self, touch: Touch, kind: str, node: Any, referenced: set[tuple[str, ...]]) -> None:
        name = touch.ref.name
        if name in referenced:
            self.of_relation(name, "REFERENCES")
        elif kind in _READERS:
            self.of_relation(name, "SELECT")
        elif kind == "lock_stmt":
            self.of_relation(name, "UPDATE", unless="another right on the table may do")
        elif kind == "vacuum_stmt":
            self.of_relation(name, self.upkeep, unless="without it the table is left out, with a warning")
        elif kind == "create_stmt":
            if name in {tree.parts(item.range_var) for item in node.inh_relations}:
                self.of_relation(name, OWNER)
            elif name not in _liked(node):
                self.of_relation(name, "REFERENCES")
        elif kind in {"create_stats_stmt", "alter_table_stmt", "create_publication_stmt"}:
            self.of_relation(name, OWNER)

    def lenient(self, kind: str) -> str:
        """Return why a right may not be needed: what stands in a block happens only if the block comes to it."""
        return "the block may not come to it" if kind == "do_stmt" else ""

    @property
    def upkeep(self) -> str:
        return "MAINTAIN" if self.catalog.server.version_num >= 170000 else OWNER

    def changing(self, touch: Touch, kind: str) -> None:
        name = touch.ref.name
        if touch.detail == "rows":
            if kind in _ROWS:
                self.of_relation(name, _ROWS[kind])
        elif touch.detail == "rights":
            self.of_relation(name, OWNER, unless="a grant option would do")
        elif touch.detail == "like":
            if touch.other is not None:
                self.of_relation(touch.other, "SELECT")
        elif kind == "create_trig_stmt":
            self.of_relation(name, "TRIGGER")
        elif kind in _UPKEEP:
            self.of_relation(name, self.upkeep)
        elif kind != "select_stmt":
            self.of_relation(name, DROP if touch.act is Act.DROP else OWNER, unless=self.lenient(kind))

    # -- commands with rules of their own, by the name of their node

    def on_update_stmt(self, node: Any) -> None:
        if tree.reads_columns(node.where_clause) or node.HasField("returning_clause"):
            self.of_relation(tree.parts(node.relation), "SELECT")

    on_delete_stmt = on_update_stmt

    def on_merge_stmt(self, node: Any) -> None:
        words = {pb.CMD_INSERT: "INSERT", pb.CMD_UPDATE: "UPDATE", pb.CMD_DELETE: "DELETE"}
        for item in node.merge_when_clauses:
            if (right := words.get(item.merge_when_clause.command_type)) is not None:
                self.of_relation(tree.parts(node.relation), right)
        self.of_relation(tree.parts(node.relation), "SELECT")

    def on_copy_stmt(self, node: Any) -> None:
        if node.is_program:
            self.need("role", "USAGE", ("pg_execute_server_program",))
        elif node.filename:
            self.need("role", "USAGE", ("pg_read_server_files" if node.is_from else "pg_write_server_files",))

    def on_create_extension_stmt(self, node: Any) -> None:
        version = next((tree.string(i.def_elem.arg) for i in node.options if i.def_elem.defname == "new_version"), "")
        self.need("extension", "install", (version, node.extname))

    def on_create_function_stmt(self, node: Any) -> None:
        for item in node.options:
            if item.def_elem.defname == "language":
                self.need("language", "USAGE", (tree.string(item.def_elem.arg).lower(),))

    def on_do_stmt(self, node: Any) -> None:
        named = [i.def_elem for i in node.args if i.def_elem.defname == "language"]
        self.need("language", "USAGE", (tree.string(named[0].arg).lower() if named else "plpgsql",))

    def on_alter_table_stmt(self, node: Any) -> None:
        for item in node.cmds:
            if item.alter_table_cmd.subtype == pb.AT_ChangeOwner:
                self.of_role(item.alter_table_cmd.newowner, self.becoming)

    def on_alter_owner_stmt(self, node: Any) -> None:
        self.of_role(node.newowner, self.becoming)

    def on_create_schema_stmt(self, node: Any) -> None:
        if node.HasField("authrole"):
            self.of_role(node.authrole, self.becoming)

    @property
    def becoming(self) -> str:
        """The right to become a role, which OWNER TO and SET ROLE need; 16 made it one of its own."""
        return "SET" if self.catalog.server.version_num >= 160000 else "MEMBER"

    def on_grant_role_stmt(self, node: Any) -> None:
        for item in node.granted_roles:
            name = item.access_priv.priv_name
            if name in self.catalog.roles:
                self.need("role", "ADMIN OPTION", (name,))

    def on_alter_role_stmt(self, node: Any) -> None:
        if node.role.rolename != self.catalog.server.user:
            self.need("attribute", "CREATEROLE", (self.catalog.server.user,))

    def on_drop_role_stmt(self, _node: Any) -> None:
        self.need("attribute", "CREATEROLE", (self.catalog.server.user,))

    def on_createdb_stmt(self, _node: Any) -> None:
        self.need("attribute", "CREATEDB", (self.catalog.server.user,))

    def on_create_publication_stmt(self, node: Any) -> None:
        if node.for_all_tables:
            self.superuser()
        else:
            self.of_database("CREATE")

    def on_create_subscription_stmt(self, _node: Any) -> None:
        if "pg_create_subscription" in self.catalog.roles:
            self.need("role", "USAGE", ("pg_create_subscription",))
        else:
            self.superuser()

    def on_alter_system_stmt(self, node: Any) -> None:
        by_grant = f"ALTER SYSTEM on {node.setstmt.name} would do"
        self.superuser(unless=by_grant if self.catalog.server.version_num >= 150000 else "")

    def on_variable_set_stmt(self, node: Any) -> None:
        name = node.name.lower()
        if name == "role":
            values = [str(item.a_const.sval.sval) for item in node.args]
            if values and values[0] != "none":
                if values[0] in self.catalog.roles:
                    self.need("role", self.becoming, (values[0],))
                self.as_other = True
            else:
                self.as_other = False
        elif name == "session_authorization" and node.args:
            self.superuser()
            self.as_other = True
        elif name and node.args:
            by_grant = f"SET on {name} would do" if self.catalog.server.version_num >= 150000 else ""
            self.need("parameter", "SET", (name,), unless=by_grant)

    def history(self, history: History, writes: Sequence[Statement]) -> None:
        """Need what a run's own rows in the history need, written as the role that connected."""
        if self.first is None:
            return
        self.as_other, self.granted = False, None
        self.place, self.version, self.number = self.first
        table = read(history.table)
        schema = table[0]
        if not history.exists:
            if schema in self.catalog.schemas:
                self.need("schema", "CREATE", (schema,))
            else:
                self.of_database("CREATE")
            return
        self.need("schema", "USAGE", (schema,))
        if history.place is not None:
            self.need("relation", "SELECT", table)
            for statement in writes:
                self.recording(statement)
            return
        for name in (table[-1], "attempt"):
            for right in ("SELECT", "INSERT"):
                if (schema, name) in self.catalog.relations:
                    self.need("relation", right, (schema, name))

    def recording(self, statement: Statement) -> None:
        """Need what one statement of a record needs, and the sequence that a row of it takes its number from."""
        if statement.tree is None:
            return
        kind, node = tree.kind(statement.tree), tree.inner(statement.tree)
        for touch in effects_of(statement).touches:
            self.touch(touch, kind, node, set())
        if kind in {"update_stmt", "delete_stmt"}:
            self.on_update_stmt(node)
        if kind == "insert_stmt":
            schema, table = tree.parts(node.relation)[-2:]
            given = {item.res_target.name for item in node.cols}
            relation = self.catalog.relations.get((schema, table))
            for column in self.catalog.columns.get(relation.oid, ()) if relation else ():
                sequence = (schema, f"{table}_{column['name']}_seq")
                taken = column["has_default"] and not column["identity"] and column["name"] not in given
                if taken and sequence in self.catalog.relations:
                    self.need("relation", "USAGE", sequence)


def _liked(node: Any) -> set[tuple[str, ...]]:
    return {
        tree.parts(item.table_like_clause.relation)
        for item in node.table_elts
        if tree.kind(item) == "table_like_clause"
    }
