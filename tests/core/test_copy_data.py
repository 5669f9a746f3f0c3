r"""Rows that stand in a file after COPY ... FROM STDIN, to their `\.`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.core.copy_data import Blocks, CopyData
from changeover.core.errors import ScriptError
from changeover.core.foreign import Part, script_of
from changeover.core.script import Script, parse
from changeover.core.text import Text


def script(text: str, blocks: Blocks = Blocks.CLOSED) -> Script:
    return script_of(Part(text=Text.read(text.encode(), file="1_x.sql"), copies=blocks))


def taken(text: str, blocks: Blocks = Blocks.CLOSED) -> list[tuple[str, CopyData | None]]:
    found = script(text, blocks)
    assert found.refusals == ()
    return [(it.sql, it.data) for it in found.statements]


@pytest.mark.parametrize(
    ("text", "rows", "line"),
    [
        ("COPY t FROM stdin;\n1\tit's\n\\.\n", b"1\tit's\n", 2),
        ('copy t (a, b)\n  from STDIN\n  with (format csv, header); -- rows\n1,"x\n2"\n\\.\n', b'1,"x\n2"\n', 4),
        ("COPY t FROM stdin;\r\n1\t$$\r\n\\.\r\n", b"1\t$$\r\n", 2),
        ("COPY t FROM STDIN WHERE a > 1;\n1\t/* ; COPY\n\\.", b"1\t/* ; COPY\n", 2),
        ("COPY t FROM stdin;\n\\.\n", b"", 2),
        ("COPY t FROM stdout;\n1\t\\.\n \\.\n\\.x\n\\.\n", b"1\t\\.\n \\.\n\\.x\n", 2),
        ("\ufeffCOPY t FROM stdin DELIMITER ';';\né;\\N\n\\.\n", "é;\\N\n".encode(), 2),
    ],
)
def test_rows_are_what_stands_between_the_copy_and_its_end(text: str, rows: bytes, line: int) -> None:
    ((sql, data), (last, none)) = taken(f"{text}\nSELECT 2;")
    assert sql.lower().startswith("copy t")
    assert data == CopyData(rows=rows, line=line)
    assert (last, none) == ("SELECT 2", None)


def test_each_copy_has_its_own_rows_and_places_stay_what_they_are() -> None:
    text = "COPY a FROM stdin;\nBEGIN; '\n\\.\n\nCOPY b FROM stdin;\n$x$\n;\n\\.\n  SELECT 'é';\n"
    found = script(text)
    assert [(it.place.line, it.place.column) for it in found.statements] == [(1, 1), (5, 1), (9, 3)]
    assert [it.data and it.data.rows for it in found.statements] == [b"BEGIN; '\n", b"$x$\n;\n", None]
    assert [it.data.lines for it in found.statements if it.data] == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'COPY t FROM stdin;\n\\.\n';",
        "DO $$\nCOPY t FROM stdin;\n1\n\\.\n$$;",
        "/* COPY t FROM stdin;\n\\.\n */ SELECT 1;",
        "COPY (SELECT a FROM stdin) TO '/x';",
        "COPY t FROM 'stdin'; SELECT \"from stdin\";",
    ],
)
def test_what_only_looks_like_it_takes_no_rows(text: str) -> None:
    assert [data for _, data in taken(text)] == [None] * len(taken(text))


def test_psql_reads_to_the_end_of_the_file_where_there_is_no_end() -> None:
    assert taken("COPY t FROM stdin;\n1\n2", Blocks.OPEN) == [("COPY t FROM stdin", CopyData(rows=b"1\n2", line=2))]


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("SELECT 1;\nCOPY t FROM stdin;\n1\n", "has no end", 2),
        ("COPY t FROM stdin; SELECT 1;\n1\n\\.\n", "something else is on its own line", 1),
        ("SELECT 1;\nCOPY t FROM stdin (FORMAT binary);\n1\n\\.\n", "binary", 2),
        ("COPY t FROM stdin", "waits for data", 1),
        ("FROBNICATE;\nCOPY t FROM stdin;\n1\n\\.\n", "does not know", 2),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str, words: str, line: int) -> None:
    (fault,) = script(text).refusals
    assert words in fault.summary
    assert fault.line == line
    assert fault.advice


def test_a_folder_whose_own_tool_sends_no_rows_is_told_what_to_do() -> None:
    (fault,) = script("SELECT 1;\n COPY t FROM stdin;\n1\tit's\n\\.\n", Blocks.REFUSED).refusals
    assert "has none to send" in fault.summary
    assert "INSERT" in fault.advice
    assert (fault.line, fault.column) == (2, 2)


def test_a_native_file_may_be_what_pg_dump_wrote() -> None:
    text = b"\\restrict abc\n\nSET row_security = off;\nCOPY public.t (a) FROM stdin;\n'\n\\.\n\n\\unrestrict abc\n"
    found = parse(text, file="0001_x.sql").statements
    assert [(it.kind, it.place.line) for it in found] == [("SET", 3), ("COPY", 4)]
    assert found[1].data == CopyData(rows=b"'\n", line=5)
    with pytest.raises(ScriptError, match="no end"):
        parse(b"COPY t FROM stdin;\n1\n", file="0001_x.sql")


SQL = st.sampled_from(["SELECT 1", "SELECT ';'", "SELECT $a$\n\\.\n;$a$", "SELECT '\n\\.\n'", "-- it's\nSELECT 2", ""])
ROWS = st.lists(
    st.text(st.characters(blacklist_characters="\n\r\x00", codec="utf-8"), max_size=8).filter(lambda it: it != "\\.")
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(SQL, ROWS), max_size=8))
def test_no_row_is_taken_for_sql_and_no_sql_for_a_row(parts: list[str | list[str]]) -> None:
    text = ""
    wanted: list[bytes] = []
    for part in parts:
        if isinstance(part, str):
            text += f"{part};\n"
        else:
            rows = "".join(f"{row}\n" for row in part)
            text += f"COPY t FROM stdin;\n{rows}\\.\n"
            wanted.append(rows.encode())
    found = taken(text)
    assert [data.rows for _, data in found if data is not None] == wanted
    assert sum(data is None for _, data in found) == sum(isinstance(it, str) and it != "" for it in parts)
