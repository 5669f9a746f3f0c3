"""Untrusted text made visible; spans and sizes in words."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.tui.format import (
    ACTING,
    age,
    bounded,
    count,
    countdown,
    duration,
    number,
    numbered,
    numbered_in,
    size,
    visible,
)

ANYTHING = st.text(alphabet=st.characters(codec=None), max_size=60)


def can_act(letter: str) -> bool:
    """Whether a character may control a terminal, reorder text, or hide."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


# Format characters that are drawn, and are part of ordinary Arabic, Syriac, Kaithi and Egyptian text.
DRAWN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
SHORTHAND = set(range(0x1BCA0, 0x1BCA4))


@given(text=ANYTHING)
def test_no_character_that_can_act_ever_leaves(text: str) -> None:
    for letter in visible(text):
        assert not can_act(letter) or ord(letter) in DRAWN | SHORTHAND


def test_what_can_act_is_never_left_out_in_silence() -> None:
    for code in ACTING:
        shown = visible(f"a{chr(code)}b")
        assert len(shown) > len("ab"), hex(code)
        assert shown.isprintable(), hex(code)


@given(text=ANYTHING)
def test_with_lines_only_the_newline_stays(text: str) -> None:
    for letter in visible(text, lines=True):
        assert letter == "\n" or not can_act(letter) or ord(letter) in DRAWN | SHORTHAND


@given(text=ANYTHING)
def test_what_leaves_can_be_written_as_utf_8(text: str) -> None:
    visible(text).encode()


@given(text=ANYTHING)
def test_what_is_visible_stays_as_it_is(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(text=st.text(max_size=50), limit=st.integers(min_value=1, max_value=30))
def test_a_bounded_text_is_never_longer(text: str, limit: int) -> None:
    assert len(bounded(text, limit)) <= limit
    assert "\n" not in bounded(text, limit)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b]0;owned\x07", "␛]0;owned␇"),
        ("a\nb", "a⏎b"),
        ("e\u0301\u0302 e" + "\u0301" * 6, "e\u0301\u0302 e" + "\u0301" * 4 + "\\u0301\\u0301"),
        ("a\tb", "a␉b"),
        ("\x7f", "␡"),
        ("\x9b2J", "\\u009B2J"),
        ("\u202eevil", "\\u202Eevil"),
        ("a\u200bb", "a\\u200Bb"),
        ("\U000e0041", "\\U000E0041"),
        ("\ud800", "\\uD800"),
        ("Zoë 日本 [bold]", "Zoë 日本 [bold]"),
    ],
)
def test_signs_stand_for_what_cannot_be_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_keep_their_breaks_and_turn_tabs_into_blanks() -> None:
    assert visible("a\r\n\tb\rc", lines=True) == "a\n    b␍c"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"), (0.0034, "3 ms"), (0.9999, "1.0 s"), (2.44, "2.4 s"), (59.96, "1 min 00 s"), (65, "1 min 05 s"),
        (3600, "1 h 00 min"), (86400 * 3 + 3600 * 4, "3 d 4 h"), (-2, "-2.0 s"),
    ],
)  # fmt: skip
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_countdown_is_never_negative() -> None:
    assert countdown(-1) == "0.0 s"
    assert countdown(2) == "2.0 s"


def test_sizes_counts_and_ages() -> None:
    assert [size(n) for n in (0, 1023, 1536, 10 * 1024, 5 * 1024**3, 3 * 1024**5)] == [
        "0 bytes", "1023 bytes", "1.5 kB", "10 kB", "5.0 GB", "3072 TB",
    ]  # fmt: skip
    assert [count(n, "row") for n in (0, 1, 12345)] == ["no rows", "1 row", "12,345 rows"]
    assert [age(n) for n in (None, 4, 720, 3 * 3600, 2 * 86400)] == ["?", "4 s", "12 min", "3 h", "2 d"]
    assert number(1234567) == "1,234,567"


def test_an_identity_of_forty_digits_is_read_by_its_first_ten_alone_and_in_a_sentence() -> None:
    change = "0123456789abcdef0123456789abcdef01234567"
    assert numbered(change) == "0123456789"
    assert numbered("20261123140327") == "20261123140327"
    assert numbered_in(f"Undo all 2 after {change}") == "Undo all 2 after 0123456789"
    assert numbered_in(f"checksum {change}0 stays") == f"checksum {change}0 stays"
