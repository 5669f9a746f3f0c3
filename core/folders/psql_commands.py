"""Which of psql's commands do nothing here, which set variables, and why the others are refused. Pure.

See https://www.postgresql.org/docs/18/app-psql.html.
"""

from __future__ import annotations

import re
from typing import Final

from postgast.pg_query_pb2 import Token

from ..lexemes import COMMENTS, lexemes_of
from .psql_arguments import NAME, Arguments
from .psql_conditions import Problem

CONDITIONS: Final = frozenset({"\\if", "\\elif", "\\else", "\\endif"})
# These take all of their line, with the quotes and backslashes in it.
WHOLE_LINE: Final = frozenset({"\\copy", "\\!"})
_COMMAND: Final = re.compile(r"\\[^\s\\]*")
# They print, or shape what is printed.
_QUIET: Final = frozenset({
    "\\echo", "\\qecho", "\\warn", "\\timing", "\\pset", "\\x", "\\t", "\\a", "\\f", "\\H", "\\C", "\\T",
    "\\restrict", "\\unrestrict", "\\conninfo", "\\copyright", "\\errverbose", "\\h", "\\help", "\\l", "\\list", "\\p",
    "\\print", "\\sf", "\\sv", "\\z", "\\?",
})  # fmt: skip
_DESCRIBES: Final = re.compile(
    r"\\d(?:a|A[cfop]?|b|c|C|config|d|D|dp|e[stuw]|f[anptw]*|F[dpt]?|g|l|L|n|o|O|p|P[itn]*|rds|rg|R[ps]|T|u|x|X|y|"
    r"[Eimstv]+)?[Sx+]*"
)
# Variables that change what psql does, and the values of them that are what happens here.
_CONTROLS: Final = {
    "ON_ERROR_STOP": {"on", "1", "true", "yes"}, "AUTOCOMMIT": {"on", "1", "true"}, "ON_ERROR_ROLLBACK": {"off", "0"},
    "SINGLELINE": {"off"},
}  # fmt: skip
_ADVICE: Final = {
    "\\!": "The plan runs nothing of the machine. Have what calls Changeover run it.",
    "\\c": "A migration runs on one connection. Use SET ROLE, or a project for each database.",
    "\\connect": "A migration runs on one connection. Use SET ROLE, or a project for each database.",
    "\\gset": "What a query returns is not known when the plan is approved. Put the query where the value is used, or "
    "give the variable a value under [placeholders].",
    "\\gexec": "What a query returns is not known when the plan is approved. Write a DO block with EXECUTE.",
    "\\o": "Nothing is written to files of this machine. Leave it out.",
    "\\out": "Nothing is written to files of this machine. Leave it out.",
    "\\w": "Nothing is written to files of this machine. Leave it out.",
    "\\q": "Take out what comes after it, or put it between \\if and \\endif.",
    "\\prompt": "Give the variable a value under [placeholders].",
    "\\getenv": "Give the variable a value under [placeholders].",
}


def name_of(line: str) -> str:
    """Return the command at the beginning of a line."""
    match = _COMMAND.match(line)
    return match[0] if match else "\\"


def is_quiet(name: str) -> bool:
    """Whether a command changes neither the database nor what is sent to it."""
    return name in _QUIET or _DESCRIBES.fullmatch(name) is not None


def refusal(name: str) -> Problem:
    """Return why a command is not run, and what to write instead."""
    return (
        f"{name} is a command of psql that is not run here",
        _ADVICE.get(name, "Write it as SQL, or run this change with sqitch."),
    )


def assign(name: str, said: Arguments, variables: dict[str, str]) -> Problem | None:
    r"""Take `\set` or `\unset` in; return what keeps it, or any other command, from being run."""
    if name not in {"\\set", "\\unset"}:
        return refusal(name)
    if not said.values:
        # it lists the variables
        return None if name == "\\set" else refusal(name)
    if said.runs_shell:
        return f"{name} from a command of the shell is not run here", "Give the value under [placeholders]."
    variable, value = said.values[0], "".join(said.values[1:])
    if not NAME.fullmatch(variable):
        return f"{variable} is no name of a variable", "Use letters, digits and underscores."
    if variable in _CONTROLS and (name == "\\unset" or value.lower() not in _CONTROLS[variable]):
        return f"{name} {variable} changes what an error does, and is not run here", "Leave it out."
    if name == "\\unset":
        variables.pop(variable, None)
    else:
        variables[variable] = value
    return None


def copy_refusal(statement: str) -> Problem | None:
    r"""Return why a `\copy` is not run: it is where its rows do not follow it."""
    depth = previous = 0
    for start, end, token, _ in lexemes_of(statement):
        if token in COMMENTS:
            continue
        depth += (token == ord("(")) - (token == ord(")"))
        if previous == Token.FROM and depth == 0:
            if token == Token.STDIN:
                return None
            source = statement.encode()[start:end].decode()
            return (
                f"\\copy from {source} is not run here: its rows are in no file of the plan",
                "Write \\copy ... FROM stdin with the rows below it and a line \\., or INSERT ... VALUES.",
            )
        previous = token
    return "\\copy is run here only FROM stdin", "Leave out what copies rows to a file."
