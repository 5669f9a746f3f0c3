"""Effects of DO blocks: the static SQL inside them, and the guards around it.

See https://www.postgresql.org/docs/18/plpgsql-control-structures.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import postgast
from google.protobuf.message import DecodeError
from msgspec import Struct
from msgspec.structs import replace
from postgast import pg_query_pb2 as pb

from . import tree
from .effects_reading import Reading
from .guards import tests_of
from .script import Statement
from .touches import Step, Test, Touch

# Statements of PL/pgSQL that change nothing outside of the block.
# FOREACH, FOR, LOOP and WHILE
_LOOPS: Final = frozenset(
    f"PLpgSQL_stmt_{name}" for name in ("loop", "while", "fori", "fors", "forc", "foreach_a", "dynfors")
)
_QUIET: Final = frozenset({"PLpgSQL_stmt_raise", "PLpgSQL_stmt_return", "PLpgSQL_stmt_exit"})

_Node: TypeAlias = dict[str, Any]


def read_block(reading: Reading, statement: Statement) -> None:
    """Add the effects of a DO block."""
    body, language, offset = _body(statement.tree.do_stmt)
    if language != "plpgsql":
        reading.gather.unknowable = f"a DO block in {language} is not analysed"
        return
    read_body(reading, statement, body=body, offset=offset)


def read_body(reading: Reading, statement: Statement, *, body: str, offset: int) -> None:
    """Add the effects of the PL/pgSQL in a statement: a DO block, or a function where it is called."""
    try:
        functions = postgast.parse_plpgsql(statement.sql)
    except (postgast.PgQueryError, ValueError) as error:
        reading.gather.unknowable = f"PL/pgSQL that cannot be analysed: {error}"
        return
    block = _Block(reading=reading, statement=statement, body=body, offset=offset)
    top: list[_Node] = []
    for function in functions:
        action = function.get("PLpgSQL_function", {}).get("action", {}).get("PLpgSQL_stmt_block", {})
        top.extend(action.get("body", []))
        if "exceptions" in action:
            block.unsure("an EXCEPTION clause decides what stays")
            block.uncertain = True
        block.expressions(function.get("PLpgSQL_function", {}).get("datums", []))
    reading.gather.guard = _whole_guard(top)
    block.statements(top, ())


def _body(node: pb.DoStmt) -> tuple[str, str, int]:
    body, language, offset = "", "plpgsql", -1
    for item in node.args:
        element = item.def_elem
        if element.defname == "as":
            body, offset = tree.string(element.arg), element.location
        elif element.defname == "language":
            language = tree.string(element.arg).lower()
    return body, language, offset


def _whole_guard(top: list[_Node]) -> tuple[Test, ...]:
    """Return the condition around all that a block does: one IF, and beside it and in its ELSE nothing but messages."""
    loud = [item for item in top if not _quiet(item)]
    if len(loud) != 1 or "PLpgSQL_stmt_if" not in loud[0]:
        return ()
    # a RETURN before it may end the block for a reason of its own
    if any("PLpgSQL_stmt_return" in item for item in top[: top.index(loud[0])]):
        return ()
    branch = loud[0]["PLpgSQL_stmt_if"]
    otherwise = branch.get("else_body", [])
    if branch.get("elsif_list") or not all(_quiet(item) for item in otherwise):
        return ()
    return tests_of(_query(branch.get("cond", {}))) or ()


def _quiet(item: _Node) -> bool:
    for kind, content in item.items():
        if kind not in _QUIET:
            return False
        # RAISE EXCEPTION ends more than the block
        if kind == "PLpgSQL_stmt_raise" and content.get("elog_level", 0) > _WARNING:
            return False
    return True


# elog.h: NOTICE 18, WARNING 19, ERROR 21.
_WARNING: Final = 20


def _query(expression: _Node) -> str:
    return str(expression.get("PLpgSQL_expr", {}).get("query", ""))


class _Block(Struct, kw_only=True):
    """A block being read; `offset` is where its body's constant begins, in bytes of the parsed text."""

    reading: Reading
    statement: Statement
    body: str
    offset: int
    # the line of the outermost loop that is being read; 0 outside of loops
    loop: int = 0
    # whether what is read runs, or whether its failure counts, only running it tells
    uncertain: bool = False

    def unsure(self, why: str) -> None:
        if not self.reading.gather.unknowable:
            self.reading.gather.unknowable = why

    @contextmanager
    def doubted(self) -> Iterator[None]:
        """Read what may not run, or may fail without harm."""
        outside, self.uncertain = self.uncertain, True
        try:
            yield
        finally:
            self.uncertain = outside

    def statements(self, items: list[_Node], tests: tuple[Test, ...]) -> None:
        for item in items:
            for kind, content in item.items():
                if isinstance(content, dict):
                    self.one(kind, content, tests)

    def one(self, kind: str, content: _Node, tests: tuple[Test, ...]) -> None:
        line = int(content.get("lineno", 1))
        if kind in _LOOPS and not self.loop:
            self.loop = line
            self.one(kind, content, tests)
            self.loop = 0
            return
        match kind:
            case "PLpgSQL_stmt_if":
                self.branches(content, tests)
            case "PLpgSQL_stmt_execsql":
                self.sql(_query(content.get("sqlstmt", {})), line, tests)
            case "PLpgSQL_stmt_dynexecute" | "PLpgSQL_stmt_dynfors":
                self.unsure("EXECUTE runs SQL that is put together while it runs")
                self.below(content, tests)
            case "PLpgSQL_stmt_block" if "exceptions" in content:
                self.unsure("an EXCEPTION clause decides what stays")
                with self.doubted():
                    self.below(content, tests)
            case _:
                self.below(content, tests)

    def branches(self, content: _Node, tests: tuple[Test, ...]) -> None:
        condition = _query(content.get("cond", {}))
        found = tests_of(condition)
        if found is None:
            self.sql(f"SELECT {condition}", int(content.get("lineno", 1)), tests)
        self.branch(content.get("then_body", []), (*tests, *(found or ())), known=found is not None)
        # the opposite of one test is one test; of several it is none
        known = found is not None and len(found) == 1
        opposite = (replace(found[0], holds=not found[0].holds),) if found and known else ()
        if found and not known and (content.get("else_body") or content.get("elsif_list")):
            self.unsure("the ELSE of several conditions")
        for item in content.get("elsif_list", []):
            branch = item.get("PLpgSQL_if_elsif", {})
            more = tests_of(_query(branch.get("cond", {})))
            self.branch(branch.get("stmts", []), (*tests, *opposite, *(more or ())), known=known and more is not None)
            known = False
        self.branch(content.get("else_body", []), (*tests, *opposite), known=known)

    def branch(self, items: list[_Node], tests: tuple[Test, ...], *, known: bool) -> None:
        """Read what runs where a condition holds: one that is known before, or not."""
        if known:
            self.statements(items, tests)
        elif items:
            self.unsure("a condition decides that only running it evaluates")
            with self.doubted():
                self.statements(items, tests)

    def below(self, content: _Node, tests: tuple[Test, ...]) -> None:
        """Loops, CASE, nested blocks, PERFORM, assignments: whatever is inside is read as if it ran."""
        line = int(content.get("lineno", 1))
        for value in content.values():
            for item in value if isinstance(value, list) else [value]:
                if not isinstance(item, dict):
                    continue
                if "PLpgSQL_expr" in item:
                    self.expression(item, line, tests)
                elif any(key.startswith("PLpgSQL_stmt_") for key in item):
                    self.statements([item], tests)
                else:
                    for inner in item.values():
                        if isinstance(inner, dict):
                            self.below(inner, tests)

    def expression(self, item: _Node, line: int, tests: tuple[Test, ...]) -> None:
        text = _query(item)
        mode = item["PLpgSQL_expr"].get("parseMode", 0)
        # 2 is an expression, 3 to 5 are assignments: their right-hand sides seldom name a relation
        if mode == 0:
            self.sql(text, line, tests)
        elif mode == 2 and ("select" in text.lower() or self.calls(text)):
            self.sql(f"SELECT {text}", line, tests, lead=len("SELECT "))
        elif mode > 2 and ":=" in text and ("select" in text.lower() or self.calls(text)):
            self.sql("SELECT " + text.split(":=", 1)[1], line, tests)

    def calls(self, text: str) -> bool:
        """Whether an expression may call a function that the plan makes."""
        return any(f"{name}(" in text for name in self.reading.routines.known)

    def expressions(self, datums: list[_Node]) -> None:
        for datum in datums:
            for content in datum.values():
                default = content.get("default_val") if isinstance(content, dict) else None
                if isinstance(default, dict):
                    self.expression(default, 1, ())

    def sql(self, text: str, line: int, tests: tuple[Test, ...], *, lead: int = 0) -> None:
        """Read one statement inside; its places are those in the file where its text is found there."""
        try:
            parsed = postgast.parse(text)
        except (postgast.PgQueryError, DecodeError):
            # SELECT ... INTO variable and the like are no plain SQL
            self.unsure("SQL with variables that cannot be analysed")
            return
        start = self.find(text[lead:], line)
        place_of = self.reading.place_of

        def place(offset: int) -> Any:
            return place_of(self.offset if start < 0 else start + max(offset - lead, 0))

        inner = self.reading.inside(place)
        for raw in parsed.stmts:
            inner.read(inner, raw.stmt)
        gather = self.reading.gather
        if inner.gather.unknowable:
            self.unsure(inner.gather.unknowable)
        gather.touches.extend(_tested(touch, tests, uncertain=self.uncertain) for touch in inner.gather.touches)
        gather.steps.extend(_step(step, tests, self.loop) for step in inner.gather.steps)

    def find(self, text: str, line: int) -> int:
        """Return the offset of a statement of the body in the parsed text, -1 where escapes hide it."""
        source = self.statement.sql.encode()
        origin = self.statement.start - self.statement.shift
        position = max(self.offset - origin, 0)
        for _ in range(line - 1):
            position = source.find(b"\n", position) + 1
        found = source.find(text.encode(), position)
        return found + origin if found >= 0 else -1


def _tested(touch: Touch, tests: tuple[Test, ...], *, uncertain: bool) -> Touch:
    if not tests and not uncertain:
        return touch
    return replace(touch, tests=(*tests, *touch.tests), uncertain=touch.uncertain or uncertain)


def _step(step: Step, tests: tuple[Test, ...], loop: int) -> Step:
    return replace(step, tests=(*tests, *step.tests), loop=loop or step.loop) if tests or loop else step
