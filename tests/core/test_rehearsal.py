"""Rehearsals without a server: differences, comparisons, and which failures are real."""

from __future__ import annotations

import os
from pathlib import Path

from changeover.core import kept_rehearsals
from changeover.core.errors import ServerReport
from changeover.core.plan import Rehearsal
from changeover.core.schema_difference import Change, compare, difference, words
from changeover.core.unrehearsed import why_unknowable


def test_a_difference_tells_what_came_went_and_changed() -> None:
    before = {
        ("table", "t.gone"): ("owner=a",),
        ("column", "t.gone.id"): ("type=integer",),
        ("column", "t.c.a"): ("type=integer", "not null=false", "~expression=1"),
        ("table", "t.c"): ("rights={a=r/a,b=r/a}",),
    }
    after = {
        ("column", "t.c.a"): ("type=bigint", "not null=false", "~expression=2"),
        ("table", "t.c"): ("rights={a=r/a,c=r/a}",),
        ("index", "t.i"): ("table=t.c", "unique=true", "valid=true", "columns=a"),
    }
    assert [words(it) for it in difference(before, after)] == [
        "~ table t.c (rights -b=r/a, rights +c=r/a)",
        "- table t.gone",
        "~ column t.c.a (type integer -> bigint, expression)",
        "+ index t.i (table t.c, unique, columns a)",
    ]


def test_a_run_is_as_rehearsed_where_both_differences_say_the_same() -> None:
    one = Change(kind="column", object="t.c.a", action="added", details=("type text",))
    other = Change(kind="column", object="t.c.b", action="added")
    # PostgreSQL 18 has a constraint for what 16 only marks
    fact = Change(kind="constraint", object="t.c.c_a_not_null", action="added", details=("type not null",))
    assert compare([one, fact], [one]).as_rehearsed
    found = compare([one], [other])
    assert (found.missing, found.unexpected) == ((one,), (other,))
    assert not found.as_rehearsed


def report(sqlstate: str, message: str) -> ServerReport:
    return ServerReport(severity="ERROR", sqlstate=sqlstate, message=message)


def why(sqlstate: str, message: str, *, lacking: tuple[str, ...] = (), reads: bool = False) -> str:
    return why_unknowable(report(sqlstate, message), lacking=lacking, extensions=False, gaps=False, reads=reads)


def test_a_failure_is_real_unless_the_shadow_is_to_blame() -> None:
    assert why("42P01", 'relation "t.nope" does not exist') == ""
    assert why("42P01", 'relation "t.nope" does not exist', lacking=("nop",)) == ""
    assert why("42P01", 'relation "t.nope" does not exist', lacking=("nope",))
    assert why("0A000", "cannot alter type of a column used by a view or rule") == ""
    assert why("P0001", "no rows", reads=True)
    assert why("P0001", "never", reads=False) == ""
    assert why("23503", "violates foreign key constraint")
    assert why("42501", "permission denied")
    assert why("22012", "division by zero", reads=True) == ""


def test_a_rehearsal_is_kept_by_its_digest_and_not_for_ever(home: Path) -> None:
    kept = Rehearsal(
        digest="ab" * 32,
        at=1.0,
        shadow="PostgreSQL 18",
        version_num=180000,
        statements=(),
        difference=(),
        remarks=(),
        phases={},
    )
    file = kept_rehearsals.keep(kept)
    assert home in file.parents
    assert kept_rehearsals.find("ab" * 32) == kept
    assert kept_rehearsals.find("cd" * 32) is None
    os.utime(file, (0, 0))
    assert kept_rehearsals.find("ab" * 32) is None
    file.write_text("{half")
    assert kept_rehearsals.find("ab" * 32) is None
