"""What the readers of effects share: one statement being read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from msgspec import Struct, field
from postgast import pg_query_pb2 as pb

from . import tree
from .effects_routines import Routines
from .errors import Place
from .names import Parts
from .touches import Act, Gather, Ref, Touch
from .typenames import TypeUse, is_grammars
from .typenames import type_of as _type_of


class Facts(TypedDict, total=False):
    """The optional fields of a `Touch`."""

    guarded: bool
    replace: bool
    cascade: bool
    type: TypeUse | None
    not_null: bool | None
    columns: tuple[str, ...] | None
    unique: bool
    constraint: str
    other: Parts | None
    valid: bool
    proves: tuple[str, ...]
    reads: tuple[Parts, ...]
    mentions: tuple[str, ...] | None
    implied: bool
    renamed: str | None
    moved: str | None
    detail: str


class Reading(Struct, kw_only=True):
    """A statement being read; places are worked out from the byte offsets of its tree."""

    place_of: Callable[[int], Place]
    gather: Gather = field(default_factory=Gather)
    # a bare name may be a variable of the block: only what is plainly a column is one
    in_block: bool = False
    # reads a statement inside this one
    read: Callable[[Reading, Any], None] = field(default=lambda _reading, _node: None)
    # functions that the plan has made so far, whose bodies run where they are called
    routines: Routines = field(default_factory=Routines)

    def inside(self, place_of: Callable[[int], Place]) -> Reading:
        """Return a reading of a statement inside this one, whose effects are collected apart."""
        return Reading(place_of=place_of, in_block=True, read=self.read, routines=self.routines)

    def touch(self, act: Act, ref: Ref, node: Any = None, **facts: Unpack[Facts]) -> None:
        """Add an act on an object; the place is that of `node`."""
        place = self.place_of(tree.location(node))
        self.gather.add(Touch(act=act, ref=ref, place=place, **facts))

    def relation(self, act: Act, node: Any, *, kind: str = "table", **facts: Unpack[Facts]) -> Parts:
        """Add an act on the relation in a RangeVar and return its name."""
        temporary = act is Act.MAKE and node.relpersistence == "t"
        name = ("pg_temp", str(node.relname)) if temporary else tree.parts(node)
        self.touch(act, Ref(kind=kind, name=name), node, **facts)
        return name

    def member(self, act: Act, kind: str, name: Parts, member: str, node: Any = None, **facts: Unpack[Facts]) -> None:
        """Add an act on a column, constraint or trigger of a relation."""
        self.touch(act, Ref(kind=kind, name=name, member=member), node, **facts)

    def type(self, node: Any) -> TypeUse | None:
        """Need the type in a TypeName node, where it is not one of the grammar's, and return it."""
        found = _type_of(node)
        if found is not None and not found.system and not is_grammars(found.name):
            self.touch(Act.NEED, Ref(kind="type", name=found.name), node)
        return found

    def named(self, act: Act, kind: str, name: Parts, node: Any = None, **facts: Unpack[Facts]) -> None:
        """Add an act on an object that is no relation; where it is made, its schema is needed."""
        if not name or name == ("",):
            return
        if act is Act.MAKE and len(name) > 1:
            self.touch(Act.NEED, Ref(kind="schema", name=name[:-1][-1:]), node)
        self.touch(act, Ref(kind=kind, name=name), node, **facts)

    def role(self, spec: Any, node: Any = None) -> None:
        """Need a role that is named; PUBLIC, CURRENT_USER and SESSION_USER are always there."""
        if spec.roletype == pb.ROLESPEC_CSTRING and spec.rolename:
            self.touch(Act.NEED, Ref(kind="role", name=(spec.rolename,)), node if node is not None else spec)

    def collation(self, clause: Any) -> None:
        """Need the collation in a COLLATE clause."""
        self.named(Act.NEED, "collation", tree.strings(clause.collname), clause)

    def function(self, name: Parts, node: Any = None) -> None:
        """Need a function, where it may be one of the database's own."""
        if name and name[0] != "pg_catalog":
            self.named(Act.NEED, "function", name, node)
