"""Run the forms on every server of this machine and print how near the plan is, and squawk: `make score`.

`--verbose` names the forms that differ; a number runs one major version only.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Iterator

from msgspec.structs import replace

from changeover.core.measure import Effect
from changeover.core.other_version import as_on_target
from changeover.core.plan import PlannedStatement
from changeover.core.rehearse_work import scans_on_target
from tests.score import squawk
from tests.score.forms import FORMS, Form
from tests.score.measure import Truth, scene, truths
from tests.score.rehearsal import on_shadow
from tests.score.report import Score
from tests.score.static import catalog_of, planned
from tests.servers import Server, Servers, binaries_here


async def scores(server: Server) -> tuple[list[Score], int, int]:
    """Return the scores on a server, how many forms it refused, and how many the plan would skip."""
    async with scene(server) as target:
        catalog = await catalog_of(target)
        measured = await truths(server, target, FORMS)
        inside = [form.sql for form in FORMS if not form.outside]
        effects, version_num = await on_shadow(target, inside, path="shop, public")
    shadow = dataclasses.replace(catalog, server=replace(catalog.server, version_num=version_num))
    rehearsed = Score(name="changeover, rehearsed on a shadow of PostgreSQL 18")
    static = Score(name="changeover, from the catalog")
    skipped = 0
    kept: list[tuple[Form, Truth]] = []
    for form, truth in zip(FORMS, measured, strict=True):
        statement = None if truth.error else planned(form, catalog)
        if statement is None:
            skipped += not truth.error
            continue
        kept.append((form, truth))
        static.compare(form, truth, statement)
        effect = effects.get(form.sql)
        if effect is not None:
            rehearsed.compare(form, truth, _measured(statement, effect, planned(form, shadow)))
    return [static, rehearsed, *_linter(kept, server.major)], sum(bool(truth.error) for truth in measured), skipped


def _measured(statement: PlannedStatement, effect: Effect, on_shadow: PlannedStatement | None) -> PlannedStatement:
    elsewhere = on_shadow.locks if on_shadow else statement.locks
    return replace(
        statement,
        locks=as_on_target(effect.locks, on_target=statement.locks, on_shadow=elsewhere),
        rewrites=effect.rewrites,
        scans=scans_on_target(statement, effect),
        builds=effect.builds,
        long=effect.long,
    )


def _linter(kept: list[tuple[Form, Truth]], major: int) -> Iterator[Score]:
    program = squawk.program()
    if program is None:
        return
    forms = tuple(form for form, _ in kept)
    score = Score(name=f"{squawk.version(program)}, from the text")
    for (form, truth), long in zip(kept, squawk.claims(program, forms, major), strict=True):
        score.count(form, truth, long=long)
    yield score


def main(arguments: list[str]) -> None:
    """Print the scores of every server, newest first."""
    verbose = "--verbose" in arguments
    majors = [int(word) for word in arguments if word.isdecimal()] or list(binaries_here())
    servers = Servers()
    try:
        for major in majors:
            found, refused, skipped = asyncio.run(scores(servers.of(major)))
            beside = f"{refused} refused by the server, {skipped} skipped by the plan"
            print(f"PostgreSQL {major}: {len(FORMS)} forms, {beside}")
            for score in found:
                print("\n".join(f"  {line}" for line in score.lines(verbose=verbose)))
    finally:
        servers.stop()
    if squawk.program() is None:
        print("squawk is not here: pip install squawk-cli")


if __name__ == "__main__":
    main(sys.argv[1:])
