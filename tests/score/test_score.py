"""Every twelfth form on PostgreSQL 18: `make score` has them all, on every server."""

from __future__ import annotations

import json

from tests.score import squawk
from tests.score.forms import FORMS
from tests.score.measure import scene, truths
from tests.score.report import Score
from tests.score.static import catalog_of, planned
from tests.servers import Server

SAMPLE = FORMS[::12]


async def test_plans_foretell_what_the_server_does(server: Server) -> None:
    score = Score(name="sample")
    async with scene(server) as target:
        catalog = await catalog_of(target)
        for form, truth in zip(SAMPLE, await truths(server, target, SAMPLE), strict=True):
            statement = None if truth.error else planned(form, catalog)
            if statement is not None:
                score.compare(form, truth, statement)
    said = "\n".join(score.lines(verbose=True))
    assert score.found >= 95, said
    assert score.wrong <= 3, said
    assert all(len(forms) <= score.forms / 50 for forms in score.differ.values()), said


def test_squawks_findings_are_read_from_its_json() -> None:
    said = [{"file": "/x/00001.sql", "rule_name": "changing-column-type"}, {"file": "/x/00000.sql", "rule_name": "ban"}]
    assert squawk.long_ones(json.dumps(said), 2) == [False, True]
    assert squawk.long_ones("", 1) == [False]


def test_no_form_is_there_twice() -> None:
    assert len({form.sql for form in FORMS}) == len(FORMS)
