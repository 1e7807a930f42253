"""Words from outside cannot steer a terminal, a page or a spreadsheet."""

import json

import pytest

from civility.plain_text import (
    as_cell,
    as_json,
    bounded,
    clock,
    count,
    expectation,
    is_formula,
    listed,
    one_line,
    printable,
    shortened,
)


def test_control_characters_are_replaced() -> None:
    assert one_line("a\x1b[2Jb\tc\r\nd\u202ee\ud800") == "a\ufffd[2Jb c d\ufffde\ufffd"
    assert printable("a\x1b[2Jb\tc\nd\re") == "a\ufffd[2Jb\tc\nd\ufffde"
    assert one_line("Grüße, שלום") == "Grüße, שלום", "the control: what can be seen stays"


def test_long_texts_are_shortened() -> None:
    assert shortened("a" * 60) == "a" * 60
    assert shortened("a" * 61) == "a" * 57 + "..."
    assert shortened("a" * 10_000_000, 10) == "aaaaaaa..."
    assert shortened("\n" * 300, 10).endswith("...")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1"])
def test_formulas_are_seen(cell: str) -> None:
    assert is_formula(cell)


@pytest.mark.parametrize("cell", ["", "toxic", "1-1", "a=b"])
def test_words_are_not_formulas(cell: str) -> None:
    assert not is_formula(cell)


@pytest.mark.parametrize("text", ["=1", " +1", "-x", "@x", "\t=1", "\uff1d1"])
def test_a_cell_that_looks_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert as_cell(text) == f"'{text}"
    assert as_cell(f"a{text}") == f"a{text}"


def test_a_json_string_reads_back_and_holds_no_control_character() -> None:
    text = '\x1b[2J\x9b\u202e é 😀 "quoted"\n\x00'
    written = as_json(text)
    assert json.loads(written) == text
    assert printable(written) == written
    assert "é 😀" in written


def test_no_document_holds_what_turns_a_line_round() -> None:
    written = as_json({"a\u202e": ["\x9b", "\n", "é"]}, indent=1)
    assert json.loads(written) == {"a\u202e": ["\x9b", "\n", "é"]}
    assert "\u202e" not in written
    assert "\x9b" not in written
    assert "é" in written
    with pytest.raises(ValueError, match="Out of range"):
        as_json(float("nan"))


def test_a_count_has_its_noun_in_the_right_number() -> None:
    assert [count(number, "comment") for number in (0, 1, 2, 3_190)] == [
        "0 comments",
        "1 comment",
        "2 comments",
        "3,190 comments",
    ]
    assert [count(number, "copy", "copies") for number in (1, 1_000)] == ["1 copy", "1,000 copies"]


def test_a_clock_carries_seconds_into_minutes_and_hours() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 3_599.4, 86_400 + 65)] == [
        "0:00:00",
        "0:01:00",
        "0:59:59",
        "24:01:05",
    ]
    assert clock(None) == "-"


def test_a_list_names_the_first_and_counts_the_others() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed("abcde", most=3) == "a, b, c and 2 more"
    assert listed(["x" * 500]) == f"{'x' * 197}..."
    assert len(listed([f"column {number} {'x' * 500}" for number in range(10_000)])) < 4_100


def test_endless_words_and_endless_texts_lose_their_ends() -> None:
    assert bounded(f"c = {'9' * 5_000}: expected a number\nsecond") == f"c = {'9' * 400}... expected a number\nsecond"
    assert bounded("c = 9999: expected a number") == "c = 9999: expected a number"
    assert bounded("ab " * 100, 30) == f"{'ab ' * 10}... (270 more characters)"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Input should be less than or equal to 1000000", "at most 1,000,000"),
        ("Input should be greater than or equal to 0.000000000001", "at least 1e-12"),
        ("Input should be greater than 0", "above 0"),
        ("Input should be a valid integer, unable to parse string as an integer", "a whole number"),
        ("String should have at least 1 character", "at least 1 character"),
        ("Input should be 'bce' or 'focal2024'", "'bce' or 'focal2024'"),
        ("Value error, thresholds are missing", ""),
    ],
)
def test_what_pydantic_expects_is_put_plainly(message: str, words: str) -> None:
    assert expectation(message) == words
