"""Sqitch: the changes of sqitch.plan, with their scripts in deploy/, revert/ and verify/, which psql runs.

A change is known by its identity (see `sqitch_plan`); its name may be there several times once it was reworked, and
then the scripts of the earlier ones have a tag in their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path
from typing import Final

from msgspec import Struct

from .. import formats
from ..copy_data import Blocks
from ..errors import Fault, FolderError, Place
from ..facts import SqitchDependency, SqitchFacts, SqitchTag
from ..foreign import Part, nothing, script_of
from ..migration import Folder, Migration, SideScript, checksums_of
from ..script import Script
from . import sqitch_plan
from .files import content_of, no_migration, side_script, text_or_script
from .listing import Listing, look
from .psql import prepared
from .reader import Options, Reader
from .sqitch_config import Layout
from .sqitch_new import new
from .sqitch_plan import Change, Need, Plan


def read(path: Path, options: Options) -> Folder:
    """Return the changes of the plan in its order; raises `FolderError` where the plan cannot be read."""
    listing = look(path)
    layout = Layout.of(path, listing.files, options.environ)
    if layout.plan not in listing.files:
        raise no_migration(path, formats.SQITCH.pattern)
    try:
        plan = sqitch_plan.read(content_of(path, layout.plan).decode(), file=layout.plan)
    except UnicodeDecodeError as error:
        raise FolderError(
            f"{layout.plan} is not UTF-8.", advice="Save it as UTF-8: sqitch reads its plan as that, too."
        ) from error
    if not plan.changes:
        raise no_migration(path, formats.SQITCH.pattern)
    files = _Files(
        path=path,
        listing=listing,
        layout=layout,
        variables={kind: {**layout.variables(kind), **options.placeholders} for kind in ("deploy", "revert", "verify")},
    )
    return Folder(
        path=path,
        format=formats.SQITCH.name,
        migrations=tuple(files.migration(plan, change) for change in plan.changes),
        history_schema=layout.registry,
    )


class _Files(Struct, frozen=True, kw_only=True):
    path: Path
    listing: Listing
    layout: Layout
    # of psql, for each kind of script
    variables: Mapping[str, Mapping[str, str]]

    def migration(self, plan: Plan, change: Change) -> Migration:
        file = self._script_file("deploy", change)
        is_there = file in self.listing.files
        content = content_of(self.path, file) if is_there else b""
        return Migration(
            version=change.id,
            name=change.name,
            file=file,
            content=content,
            checksums=checksums_of(content),
            script=self._script(content, file, "deploy") if is_there else _missing(file),
            revert=self._side("revert", change),
            verify=self._side("verify", change),
            recorded_checksum=sha1(content, usedforsecurity=False).hexdigest() if is_there else None,
            also_called=_names(plan, change),
            facts=SqitchFacts(
                change_id=change.id,
                project=plan.project,
                uri=plan.uri,
                note=change.note,
                planned_at=change.planned_at,
                planner_name=change.planner,
                planner_email=change.email,
                requires=tuple(_dependency(it) for it in change.needs if not it.conflict),
                conflicts=tuple(_dependency(it) for it in change.needs if it.conflict),
                tags=tuple(
                    SqitchTag(
                        tag_id=tag.id,
                        name=tag.name,
                        note=tag.note,
                        planned_at=tag.planned_at,
                        planner_name=tag.planner,
                        planner_email=tag.email,
                    )
                    for tag in change.tags
                ),
                committer_name=self.layout.user,
                committer_email=self.layout.email,
            ),
        )

    def _script_file(self, kind: str, change: Change) -> str:
        # a reworked change has its scripts under the first of its tags that a deploy script is named for
        names = [f"{change.name}{tag}" for tag in change.reworked_at] or [change.name]
        there = (name for name in names if self.layout.script("deploy", name) in self.listing.files)
        return self.layout.script(kind, next(there, names[0]))

    def _side(self, kind: str, change: Change) -> SideScript | None:
        file = self._script_file(kind, change)
        if file not in self.listing.files:
            return None
        content = content_of(self.path, file)
        return side_script(file, content, self._script(content, file, kind))

    def _script(self, content: bytes, file: str, kind: str) -> Script:
        text = text_or_script(content, file)
        if isinstance(text, Script):
            return text
        ready = prepared(text, self.variables[kind], self.path)
        if isinstance(ready, Fault):
            return script_of(Part(text=text, refusals=(ready,)))
        script = script_of(Part(text=ready.text, verifies=kind == "verify", copies=Blocks.OPEN))
        if ready.unknown and any(note.id == "not-known" for note in script.notes):
            return script_of(Part(text=text, refusals=(_unset(*ready.unknown[0]),)))
        return script


def _names(plan: Plan, change: Change) -> tuple[str, ...]:
    """Return what names a change: its name, with a tag where it was reworked, and the tags that stand on it."""
    tags = [tag.name for tag in change.tags]
    qualified = [f"{change.name}{tag}" for tag in (*reversed(change.reworked_at), *tags)]
    newest = next(it for it in reversed(plan.changes) if it.name == change.name)
    if newest is not change:
        return (*qualified, change.name, *tags)
    twins = sum(it.name == change.name for it in plan.changes) > 1
    return (*([f"{change.name}@HEAD"] if twins else []), change.name, *qualified, *tags)


def _dependency(need: Need) -> SqitchDependency:
    return SqitchDependency(dependency=need.text, change_id=need.change_id)


def _missing(file: str) -> Script:
    fault = Fault(
        id="script",
        summary=f"{file} is planned, and it is not there.",
        advice="Bring the script back, or take the change out of the plan.",
        file=file,
        line=1,
    )
    script = nothing()
    return Script(statements=(), transactional=script.transactional, allows=(), refusals=(fault,))


def _unset(name: str, place: Place) -> Fault:
    return Fault(
        id="placeholder",
        summary=f"The variable {name} of psql has no value.",
        advice='Give it one in changeover.toml under [placeholders], or in sqitch.conf under [core "variables"].',
        file=place.file,
        line=place.line,
        column=place.column,
    )


def _likeness(listing: Listing) -> int:
    return 3 if Layout.of(listing.path, listing.files, {}).plan in listing.files else 0


READER: Final = Reader(format=formats.SQITCH, likeness=_likeness, read=read, new=new)
