"""One act of a statement against the world: is what it needs there, is what it makes free, is there anything to do."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from . import proofs
from .catalog_objects import Column, Index
from .names import is_qualified, written
from .object_kinds import PLAIN, UNTRACKED
from .precheck import STOPPING, Verdict
from .relation_state import RELATION_REFS, State
from .touches import Act, Ref, Touch
from .world import World


class Finding(Struct, frozen=True, kw_only=True):
    """What the world says about one touch."""

    verdict: Verdict
    # the object, qualified
    object: str
    expected: str
    found: str
    # there is nothing left to do, as long as these SQL conditions hold
    idle: tuple[str, ...] = ()


# Where a later statement of the plan changes this column's type: in words, else None.
Converter = Callable[[str, str], str | None]


def find(touch: Touch, world: World, *, convert: Converter, made_by: Callable[[object], str]) -> Finding | None:
    """Return what the world says about a touch; None where there is nothing to say (a type of the server's own)."""
    if touch.ref.kind == "type" and touch.act is Act.NEED:
        full = world.named("type", touch.ref.name)
        if full is not None and full[0] == "pg_catalog":
            return None
    # nobody wrote it, and the server finds a free name for it
    if touch.implied:
        return None
    looker = _Looker(touch=touch, world=world, convert=convert, made_by=made_by)
    found = looker.make() if touch.act is Act.MAKE else looker.use()
    return looker.doubted(found) if found is not None and found.verdict in STOPPING else found


class _Looker(Struct, frozen=True, kw_only=True):
    touch: Touch
    world: World
    convert: Converter
    made_by: Callable[[object], str]

    @property
    def name(self) -> str:
        """The object's full name."""
        ref, world = self.touch.ref, self.world
        if ref.kind in RELATION_REFS:
            making = self.touch.act is Act.MAKE
            if ref.kind == "index" and making and self.touch.other is not None:
                return written((world.key(self.touch.other)[0], ref.name[-1]))
            return written(world.new_key(ref.name) if making else world.key(ref.name))
        if ref.member is not None:
            return written((*world.key(ref.name), ref.member))
        return written(world.named(ref.kind, ref.name) or ref.name)

    def finding(self, verdict: Verdict, expected: str, found: str, *, idle: tuple[str, ...] = ()) -> Finding:
        return Finding(verdict=verdict, object=self.name, expected=expected, found=found, idle=idle)

    def doubted(self, finding: Finding) -> Finding:
        """Return what would stop the plan as unknowable, where only running it tells whether it does."""
        cleared = self.world.cleared
        if self.touch.uncertain:
            found = f"{finding.found}; only running the block tells whether that matters"
        elif cleared is not None and self.touch.act is Act.MAKE:
            found = f"{finding.found}; {cleared.file}:{cleared.line} may drop it before"
        else:
            return finding
        return replace(finding, verdict=Verdict.UNKNOWABLE, found=found)

    def absent(self, expected: str) -> Finding:
        """Something that is needed is not there."""
        name = (self.touch.ref.member,) if self.touch.ref.member is not None else self.touch.ref.name
        if self.touch.ref.kind in {"index", "sequence", "constraint"} and self.world.may_be(name):
            return self.finding(Verdict.UNKNOWABLE, expected, "the server chose the names")
        blurred = self.world.blurred
        if blurred is not None:
            return self.finding(
                Verdict.UNKNOWABLE, expected, f"not there yet; {blurred.file}:{blurred.line} may make it"
            )
        return self.finding(Verdict.MISSING, expected, "not there")

    # -- what is needed, changed or dropped

    def use(self) -> Finding | None:
        ref = self.touch.ref
        if ref.kind in RELATION_REFS:
            return self.use_relation()
        if ref.member is not None:
            return self.use_member()
        full = ref.name if ref.kind in UNTRACKED else self.world.named(ref.kind, ref.name)
        expected = "to drop" if self.touch.act is Act.DROP else "there"
        if full is not None:
            made = self.world.made_at(ref.kind, full)
            return self.finding(Verdict.READY, expected, self.made_by(made) if made else "there")
        if self.touch.guarded:
            return self.optional(expected)
        return self.absent(expected)

    def optional(self, expected: str) -> Finding:
        ref = self.touch.ref
        idle = (proofs.negated(proofs.exists(ref)),) if self.world.blurred is None else ()
        return self.finding(Verdict.OPTIONAL, expected, "not there", idle=idle)

    def use_relation(self) -> Finding:
        ref, act = self.touch.ref, self.touch.act
        expected = "to drop" if act is Act.DROP else "there" if ref.kind == "table" else f"{ref.kind}"
        state = self.world.find(ref.name)
        if state is None:
            return self.optional(expected) if self.touch.guarded else self.absent(expected)
        altered = act is Act.CHANGE and self.touch.detail in {"", "alter"}
        lenient = ref.kind == "table" and (altered or act is Act.NEED)
        if not self.world.fits(state, ref.kind) and not (lenient and state.kind in {"sequence", "index"}):
            return self.finding(Verdict.CONFLICT, ref.kind, f"a {state.kind}")
        if act is Act.DROP and ref.kind == "table" and state.kind in {"view", "materialized view"}:
            return self.finding(Verdict.CONFLICT, "table", f"a {state.kind}")
        if self.touch.renamed is not None or self.touch.moved is not None:
            taken = self.world.relation((self.touch.moved or state.key[0], self.touch.renamed or state.key[1]))
            if taken is not None:
                return self.finding(Verdict.CONFLICT, f"{taken.qualified} free", f"there, a {taken.kind}")
        return self.finding(Verdict.READY, expected, self.described(state))

    def described(self, state: State) -> str:
        if state.relation is None:
            return self.made_by(state.made) if state.made else state.kind
        if state.relation.kind in {"table", "partitioned table", "materialized view"} and state.relation.rows >= 0:
            return f"{state.kind}, about {state.relation.rows:,.0f} rows"
        return state.kind

    def use_member(self) -> Finding | None:
        ref, touch = self.touch.ref, self.touch
        state = self.world.find(ref.name) if ref.name else None
        expected = "to drop" if touch.act is Act.DROP else "there"
        if state is None:
            # the missing table has a row of its own
            return self.optional(expected) if touch.guarded else None
        there = self.world.exists(ref)
        if there is None:
            known = "the columns" if ref.kind == "column" else "the names of the constraints"
            return self.finding(Verdict.UNKNOWABLE, expected, f"{known} of {state.qualified} are not known")
        if not there:
            return self.optional(expected) if touch.guarded else self.absent(expected)
        if ref.kind == "column" and touch.act is Act.CHANGE:
            return self.change_column(state.columns[ref.member or ""], expected)
        if touch.renamed is not None and self.world.exists(Ref(kind=ref.kind, name=ref.name, member=touch.renamed)):
            return self.finding(Verdict.CONFLICT, f"{touch.renamed} free", "there")
        found = state.columns[ref.member or ""].type if ref.kind == "column" else "there"
        return self.finding(Verdict.READY, expected, found)

    def change_column(self, column: Column, expected: str) -> Finding:
        touch = self.touch
        if touch.renamed is not None:
            if self.world.exists(Ref(kind="column", name=touch.ref.name, member=touch.renamed)):
                return self.finding(Verdict.CONFLICT, f"{touch.renamed} free", "there")
            return self.finding(Verdict.READY, expected, column.type)
        if touch.type is None:
            return self.finding(Verdict.READY, expected, column.type)
        wanted = self.world.type_text(touch.type)
        if wanted != column.type:
            return self.finding(Verdict.DIFFERENT, wanted, column.type)
        if touch.detail == "using":
            return self.finding(Verdict.READY, wanted, column.type)
        idle = (proofs.exists(self.full_ref(), type_text=wanted),)
        return self.finding(Verdict.SATISFIED, wanted, column.type, idle=idle)

    def full_ref(self) -> Ref:
        """Return the reference with the relation's schema: a proof must not depend on the search_path."""
        ref = self.touch.ref
        if ref.kind in RELATION_REFS or ref.member is not None:
            name = self.world.key(ref.name)
            if ref.kind == "index" and self.touch.act is Act.MAKE and self.touch.other is not None:
                name = (self.world.key(self.touch.other)[0], ref.name[-1])
            return Ref(kind=ref.kind, name=name, member=ref.member)
        return Ref(kind=ref.kind, name=self.world.named(ref.kind, ref.name) or ref.name)

    # -- what is made

    def make(self) -> Finding | None:
        ref = self.touch.ref
        if ref.kind == "index":
            return self.make_index()
        if ref.kind in RELATION_REFS:
            return self.make_relation()
        if ref.kind == "column":
            return self.make_column()
        if ref.member is not None:
            return self.make_member()
        return self.make_named()

    def free(self, expected: str) -> Finding:
        return self.finding(Verdict.READY, expected, "free")

    def make_relation(self) -> Finding:
        touch = self.touch
        state = self.world.relation(self.world.new_key(touch.ref.name))
        kind = touch.ref.kind
        if state is None:
            return self.free(f"a new {kind}")
        found = self.described(state)
        if touch.guarded:
            if self.world.fits(state, kind) and not (kind == "table" and "view" in state.kind):
                ref = Ref(kind=kind, name=state.key)
                return self.finding(Verdict.SATISFIED, kind, found, idle=(proofs.exists(ref),))
            return self.finding(Verdict.CONFLICT, kind, f"there, a {state.kind}")
        if touch.replace and self.world.fits(state, kind):
            return self.finding(Verdict.READY, f"a {kind}, new or replaced", found)
        return self.finding(Verdict.CONFLICT, f"a new {kind}", f"there already: {found}")

    def make_column(self) -> Finding | None:
        touch, world = self.touch, self.world
        state = world.find(touch.ref.name)
        wanted = world.type_text(touch.type) if touch.type is not None else "a new column"
        if state is None:
            return None
        column = state.columns.get(touch.ref.member or "")
        if column is None:
            return self.free(wanted)
        if not touch.guarded:
            return self.finding(Verdict.CONFLICT, f"new, {wanted}", f"there already, {column.type}")
        ref = self.full_ref()
        if touch.type is None or column.type == wanted:
            idle = (proofs.exists(ref, type_text=column.type),)
            return self.finding(Verdict.SATISFIED, wanted, column.type, idle=idle)
        later = self.convert(state.qualified, column.name)
        if later is not None:
            found = f"{column.type}, converted by {later}"
            return self.finding(Verdict.DIFFERENT, wanted, found, idle=(proofs.exists(ref),))
        return self.finding(Verdict.CONFLICT, wanted, column.type)

    def make_index(self) -> Finding:
        touch, world = self.touch, self.world
        table = world.find(touch.other or ())
        if table is None:
            return self.free("a new index")
        there = world.relation((table.key[0], touch.ref.name[-1]))
        if there is None or touch.replace:
            return self.free("a new index")
        index = table.indexes.get(touch.ref.name[-1])
        if there.kind not in {"index", "partitioned index"}:
            return self.finding(Verdict.CONFLICT, "a new index", f"there already, a {there.kind}")
        if not touch.guarded:
            invalid = " and invalid" if index is not None and not index.valid else ""
            return self.finding(Verdict.CONFLICT, "a new index", f"there already{invalid}")
        if index is None:
            elsewhere = written(there.table) if there.table else "another table"
            return self.finding(Verdict.CONFLICT, "an index of this table", f"there, on {elsewhere}")
        return self.same_index(index)

    def same_index(self, index: Index) -> Finding:
        touch = self.touch
        wanted = _index_text(touch.unique, touch.columns, touch.detail == "partial")
        found = _index_text(index.unique, index.columns, index.partial)
        if not index.valid:
            return self.finding(Verdict.CONFLICT, wanted, "there and invalid: a build of it failed")
        if wanted != found:
            return self.finding(Verdict.CONFLICT, wanted, found)
        return self.finding(Verdict.SATISFIED, wanted, found, idle=(proofs.exists(self.full_ref(), valid=True),))

    def make_member(self) -> Finding:
        ref, touch = self.touch.ref, self.touch
        if self.world.find(ref.name) is None:
            return self.free(f"a new {ref.kind}")
        if self.world.exists(ref) and not touch.replace:
            return self.finding(Verdict.CONFLICT, f"a new {ref.kind}", "there already")
        return self.free(f"a new {ref.kind}")

    def make_named(self) -> Finding:
        ref, touch, world = self.touch.ref, self.touch, self.world
        known = ref.name if ref.kind in PLAIN or is_qualified(ref.name) else (world.first_schema, ref.name[-1])
        if ref.kind in UNTRACKED:
            return self.free(f"a new {ref.kind}")
        there = world.named(ref.kind, known)
        if ref.kind == "extension" and there is None and ref.name[-1] not in world.catalog.available_extensions:
            return self.finding(Verdict.MISSING, "an extension to install", "not available on this server")
        if there is None or touch.replace:
            return self.free(f"a new {ref.kind}" if there is None else f"a {ref.kind}, new or replaced")
        if touch.guarded:
            idle = (proofs.exists(Ref(kind=ref.kind, name=there)),)
            return self.finding(Verdict.SATISFIED, ref.kind, "there", idle=idle)
        return self.finding(Verdict.CONFLICT, f"a new {ref.kind}", "there already")


def _index_text(unique: bool, columns: tuple[str, ...] | None, partial: bool) -> str:
    which = ", ".join(columns) if columns is not None else "an expression"
    return f"{'unique ' if unique else ''}index on ({which}){' where ...' if partial else ''}"
