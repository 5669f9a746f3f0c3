"""What of a file runs, and where in the file it stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from changeover.core.text import Edit, Text

PIECES = st.lists(st.sampled_from(["a", "é", " ", "\n", "\r\n", ";", "${x}"]), max_size=30)


def text_of(pieces: list[str], *, mark: bool = False) -> Text:
    return Text.read((b"\xef\xbb\xbf" if mark else b"") + "".join(pieces).encode(), file="1.sql")


@given(PIECES, st.data(), st.booleans())
def test_a_part_has_the_length_and_the_lines_of_the_whole(pieces: list[str], data: st.DataObject, mark: bool) -> None:
    text = text_of(pieces, mark=mark)
    ends = [text.shift + len("".join(pieces[:n]).encode()) for n in range(len(pieces) + 1)]
    start, end = sorted((data.draw(st.sampled_from(ends)), data.draw(st.sampled_from(ends))))
    part, rest = text.only([(start, end)]), text.without([(start, end)])
    inside = slice(start - text.shift, end - text.shift)
    assert part.bytes[inside] == text.bytes[inside]
    assert (
        rest.bytes[: inside.start] + rest.bytes[inside.stop :] == text.bytes[: inside.start] + text.bytes[inside.stop :]
    )
    for one in (part, rest):
        assert len(one.bytes) == len(text.bytes)
        assert [n for n, byte in enumerate(one.bytes) if byte in b"\r\n"] == [
            n for n, byte in enumerate(text.bytes) if byte in b"\r\n"
        ]
    # nothing is lost, nothing is there twice
    assert not part.bytes[: inside.start].strip()
    assert not part.bytes[inside.stop :].strip()
    assert not rest.bytes[inside].strip()


@given(PIECES, st.sampled_from(["", "x", "a longer value", "é\n"]), st.booleans())
def test_what_stands_around_a_value_keeps_its_place_in_the_file(pieces: list[str], value: str, mark: bool) -> None:
    text = text_of(pieces, mark=mark)
    edits: list[Edit] = []
    moves: list[tuple[int, int]] = []
    at = text.shift
    now = text.shift
    for piece in pieces:
        size = len(piece.encode())
        if piece == "${x}":
            edits.append(Edit(start=at, end=at + size, value=value))
        else:
            moves.append((now, at))
        at += size
        now += len(value.encode()) if piece == "${x}" else size
    edited = text.edited(edits)
    assert edited.sql == "".join(value if piece == "${x}" else piece for piece in pieces)
    for there, here in moves:
        assert edited.origin(there) == here
        assert edited.place(there) == text.place(here)
    assert edited.origin(now) == at
