"""Rights that a plan needs x the server's answers -> rows of the pre-check table. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .events import ServerFacts
from .names import quote, written
from .precheck import Row, Verdict
from .rights import DROP, OWNER, SUPERUSER, Holding, Right
from .surroundings import Surroundings


def right_rows(rights: Sequence[Right], around: Surroundings, server: ServerFacts) -> list[Row]:
    """Return one row per object and right; what the server has no answer to has a row of its own as an object."""
    rows: list[Row] = []
    for right in rights:
        holding = around.rights.get(right.key)
        if holding is None or holding.held is None:
            continue
        found = _found(right, held=holding.held, partly=holding.partly, owner=holding.owner)
        verdict = Verdict.READY
        if not holding.held:
            unless = right.unless or _partly(right, partly=holding.partly)
            verdict = Verdict.UNKNOWABLE if unless else Verdict.MISSING
            found = f"{found}; {unless}" if unless else found
        rows.append(
            Row(
                object=_object(right),
                kind="right",
                needed_by=right.place,
                version=right.version,
                statement=right.statement,
                expected=_expected(right),
                found=found,
                verdict=verdict,
                remedy="" if holding.held else remedy(right, holding, server),
            )
        )
    return rows


def _object(right: Right) -> str:
    named = {"relation": "", "attribute": "role "}.get(right.kind, f"{right.kind} ")
    return f"{named}{right.object}"


def _expected(right: Right) -> str:
    match right.kind, right.right:
        case "role", "USAGE" | "SET" | "MEMBER":
            return "member"
        case "extension", "install":
            return "may be installed"
        case _, it if it == DROP:
            return "owner of it or its schema"
        case _, it:
            return it


def _partly(right: Right, *, partly: bool) -> str:
    if not partly:
        return ""
    return {"relation": "for some columns only", "function": "for some of that name only"}.get(right.kind, "")


def _found(right: Right, *, held: bool, partly: bool, owner: str) -> str:
    if held:
        return "held"
    if right.right in {OWNER, DROP}:
        return f"owned by {quote(owner)}"
    if right.kind == "extension":
        return "trusted, without CREATE on the database" if partly else "superusers only"
    if right.kind == "language":
        return "not granted" if partly else "untrusted: superusers only"
    if right.kind == "attribute":
        return f"no {right.right}" if right.right == SUPERUSER else "not granted"
    return "no member" if right.kind == "role" else "not granted"


def remedy(right: Right, holding: Holding, server: ServerFacts) -> str:
    """Return the statement that gives our role the right, empty where only another role helps."""
    us = quote(server.user)
    match right.kind, right.right:
        case (("relation" | "schema" | "type" | "function" | "extension"), it) if it in {OWNER, DROP}:
            return f"GRANT {quote(holding.owner)} TO {us}"
        case "relation", it:
            return f"GRANT {it} ON {right.object} TO {us}"
        case "language", _ if not holding.partly:
            return ""
        case ("schema" | "database" | "language") as kind, it:
            return f"GRANT {it} ON {kind.upper()} {right.object} TO {us}"
        case "role", "ADMIN OPTION":
            return f"GRANT {right.object} TO {us} WITH ADMIN OPTION"
        case "role", _:
            return f"GRANT {right.object} TO {us}"
        case "attribute", "CREATEROLE" | "CREATEDB" as it:
            return f"ALTER ROLE {us} {it}"
        case "parameter", _ if server.version_num >= 150000:
            return f"GRANT SET ON PARAMETER {right.name} TO {us}"
        case "extension", _:
            return f"GRANT CREATE ON DATABASE {written((server.database,))} TO {us}"
        case _:
            return ""
