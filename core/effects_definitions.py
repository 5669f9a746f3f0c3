"""Effects of defining what other SQL is made of.

Functions, aggregates, operators, types, casts, collations, text search, languages, access methods, statistics, event
triggers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from postgast import pg_query_pb2 as pb

from . import tree
from .effects_kinds import KINDS, cast_name
from .effects_queries import any_relations
from .effects_reading import Reading
from .names import Parts
from .touches import Act, Ref

# Options of CREATE AGGREGATE, OPERATOR, TYPE and the text search objects that name a function or another object.
_FUNCTIONS: Final = frozenset({
    "sfunc", "finalfunc", "combinefunc", "serialfunc", "deserialfunc", "msfunc", "minvfunc", "mfinalfunc", "function",
    "procedure", "restrict", "join", "input", "output", "receive", "send", "typmod_in", "typmod_out", "analyze",
    "subscript", "start", "gettoken", "end", "headline", "lextypes", "init", "lexize",
})  # fmt: skip
_OBJECTS: Final = {
    "parser": "text search parser", "template": "text search template", "copy": "text search configuration",
    "collation": "collation", "from": "collation",
}  # fmt: skip
_TYPES: Final = frozenset({"leftarg", "rightarg", "stype", "mstype", "basetype", "like", "element"})


def create_function(reading: Reading, node: pb.CreateFunctionStmt) -> None:
    """CREATE FUNCTION and PROCEDURE."""
    for item in node.parameters:
        reading.type(item.function_parameter.arg_type)
    if node.HasField("return_type"):
        reading.type(node.return_type)
    fixed = False
    for item in node.options:
        element = item.def_elem
        if element.defname == "language":
            reading.named(Act.NEED, "language", (tree.string(element.arg).lower(),), element)
        elif element.defname == "volatility":
            fixed = tree.string(element.arg) != "volatile"
    # another signature is another function: an existing name alone is no conflict
    reading.named(Act.MAKE, "function", tree.strings(node.funcname), replace=True, detail="" if fixed else "volatile")


def alter_function(reading: Reading, node: pb.AlterFunctionStmt) -> None:
    """ALTER FUNCTION, PROCEDURE and ROUTINE."""
    reading.named(Act.CHANGE, "function", tree.strings(node.func.objname))
    for item in node.func.objargs:
        reading.type(item.type_name)


def define(reading: Reading, node: pb.DefineStmt) -> None:
    """CREATE AGGREGATE, OPERATOR, TYPE, COLLATION and TEXT SEARCH ...; a shell type has no definition."""
    kind = KINDS.get(node.kind, "type")
    for item in node.definition:
        element = item.def_elem
        name = _name(element.arg)
        if element.defname in _FUNCTIONS and name and name != ("none",):
            reading.function(name, element)
        elif element.defname in _TYPES and tree.kind(element.arg) == "type_name":
            reading.type(element.arg.type_name)
        elif element.defname in _OBJECTS and name and name[0] != "pg_catalog":
            reading.named(Act.NEED, _OBJECTS[element.defname], name, element)
    # another signature is another aggregate or operator, and a type may complete its shell
    many = node.replace or node.kind in {pb.OBJECT_AGGREGATE, pb.OBJECT_OPERATOR, pb.OBJECT_TYPE}
    reading.named(
        Act.MAKE, kind, tree.strings(node.defnames), replace=many, guarded=node.if_not_exists, detail="volatile"
    )


def _name(node: Any) -> Parts:
    """Return the name in an option, which the grammar reads as a type, a list or a string."""
    match tree.kind(node):
        case "type_name":
            return tree.strings(node.type_name.names)
        case "list":
            return tree.strings(node.list.items)
        case "string":
            return (tree.string(node),)
        case _:
            return ()


def operator_class(reading: Reading, node: Any) -> None:
    """CREATE OPERATOR CLASS and FAMILY, ALTER OPERATOR FAMILY."""
    reading.named(Act.NEED, "access method", (node.amname,))
    if isinstance(node, pb.CreateOpClassStmt):
        reading.type(node.datatype)
        if node.opfamilyname:
            reading.named(Act.NEED, "operator family", tree.strings(node.opfamilyname))
        reading.named(Act.MAKE, "operator class", tree.strings(node.opclassname))
    else:
        act = Act.CHANGE if isinstance(node, pb.AlterOpFamilyStmt) else Act.MAKE
        reading.named(act, "operator family", tree.strings(node.opfamilyname))
    for item in () if isinstance(node, pb.CreateOpFamilyStmt) else node.items:
        member = item.create_op_class_item
        # 2 is FUNCTION in the grammar
        if member.itemtype == 2 and member.name.objname:
            reading.function(tree.strings(member.name.objname))


def alter_operator(reading: Reading, node: pb.AlterOperatorStmt) -> None:
    """ALTER OPERATOR ... SET."""
    reading.named(Act.CHANGE, "operator", tree.strings(node.opername.objname))


def alter_type(reading: Reading, node: Any) -> None:
    """ALTER TYPE, also ADD VALUE; ALTER DOMAIN."""
    reading.touch(Act.CHANGE, Ref(kind="type", name=tree.strings(node.type_name)))
    definition = getattr(node, "def", None) if isinstance(node, pb.AlterDomainStmt) else None
    if definition is not None and tree.kind(definition) == "constraint":
        any_relations(reading, definition.constraint.raw_expr)


def alter_collation(reading: Reading, node: pb.AlterCollationStmt) -> None:
    """ALTER COLLATION ... REFRESH VERSION."""
    reading.named(Act.CHANGE, "collation", tree.strings(node.collname))


def cast(reading: Reading, node: pb.CreateCastStmt) -> None:
    """CREATE CAST."""
    reading.type(node.sourcetype)
    reading.type(node.targettype)
    if node.HasField("func"):
        reading.function(tree.strings(node.func.objname))
    reading.named(Act.MAKE, "cast", (cast_name(node.sourcetype, node.targettype),))


def transform(reading: Reading, node: pb.CreateTransformStmt) -> None:
    """CREATE TRANSFORM."""
    reading.type(node.type_name)
    reading.named(Act.NEED, "language", (node.lang,))
    for function in (node.fromsql, node.tosql):
        reading.function(tree.strings(function.objname))
    reading.named(Act.MAKE, "transform", (f"{tree.strings(node.type_name.names)[-1]} FOR {node.lang}",))


def conversion(reading: Reading, node: pb.CreateConversionStmt) -> None:
    """CREATE CONVERSION."""
    reading.function(tree.strings(node.func_name))
    reading.named(Act.MAKE, "conversion", tree.strings(node.conversion_name))


def language(reading: Reading, node: pb.CreatePLangStmt) -> None:
    """CREATE LANGUAGE."""
    for function in (node.plhandler, node.plinline, node.plvalidator):
        reading.function(tree.strings(function))
    reading.named(Act.MAKE, "language", (node.plname,), replace=node.replace)


def access_method(reading: Reading, node: pb.CreateAmStmt) -> None:
    """CREATE ACCESS METHOD."""
    reading.function(tree.strings(node.handler_name))
    reading.named(Act.MAKE, "access method", (node.amname,))


def event_trigger(reading: Reading, node: pb.CreateEventTrigStmt) -> None:
    """CREATE EVENT TRIGGER."""
    reading.function(tree.strings(node.funcname))
    reading.named(Act.MAKE, "event trigger", (node.trigname,))


def alter_event_trigger(reading: Reading, node: pb.AlterEventTrigStmt) -> None:
    """ALTER EVENT TRIGGER."""
    reading.named(Act.CHANGE, "event trigger", (node.trigname,))


def statistics(reading: Reading, node: pb.CreateStatsStmt) -> None:
    """CREATE STATISTICS."""
    tables = [reading.relation(Act.NEED, item.range_var) for item in node.relations if tree.kind(item) == "range_var"]
    for item in node.exprs:
        if item.stats_elem.name and len(tables) == 1:
            reading.member(Act.NEED, "column", tables[0], item.stats_elem.name)
    name = tree.strings(node.defnames)
    if name:
        reading.named(Act.MAKE, "statistics", name, guarded=node.if_not_exists)


def alter_statistics(reading: Reading, node: pb.AlterStatsStmt) -> None:
    """ALTER STATISTICS ... SET STATISTICS."""
    reading.named(Act.CHANGE, "statistics", tree.strings(node.defnames), guarded=node.missing_ok)


def dictionary(reading: Reading, node: pb.AlterTSDictionaryStmt) -> None:
    """ALTER TEXT SEARCH DICTIONARY."""
    reading.named(Act.CHANGE, "text search dictionary", tree.strings(node.dictname))


def configuration(reading: Reading, node: pb.AlterTSConfigurationStmt) -> None:
    """ALTER TEXT SEARCH CONFIGURATION."""
    reading.named(Act.CHANGE, "text search configuration", tree.strings(node.cfgname))
    for item in node.dicts:
        reading.named(Act.NEED, "text search dictionary", tree.strings(item.list.items))


HANDLERS: Final[dict[str, Callable[[Reading, Any], None]]] = {
    "create_function_stmt": create_function,
    "alter_function_stmt": alter_function,
    "define_stmt": define,
    "create_op_class_stmt": operator_class,
    "create_op_family_stmt": operator_class,
    "alter_op_family_stmt": operator_class,
    "alter_operator_stmt": alter_operator,
    "alter_type_stmt": alter_type,
    "alter_enum_stmt": alter_type,
    "alter_domain_stmt": alter_type,
    "alter_collation_stmt": alter_collation,
    "create_cast_stmt": cast,
    "create_transform_stmt": transform,
    "create_conversion_stmt": conversion,
    "create_plang_stmt": language,
    "create_am_stmt": access_method,
    "create_event_trig_stmt": event_trigger,
    "alter_event_trig_stmt": alter_event_trigger,
    "create_stats_stmt": statistics,
    "alter_stats_stmt": alter_statistics,
    "alter_tsdictionary_stmt": dictionary,
    "alter_tsconfiguration_stmt": configuration,
}
