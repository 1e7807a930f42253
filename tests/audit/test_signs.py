"""Signs: each shown by a text that has it, and by none that has not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civility.audit.signs import SIGNS, SignName, repeats_itself, rows_with_signs

CLEAN = [
    "You are kind, and this is fine.",
    "See https://example.org/page for more",
    "Größe, naïve, São Paulo, « ÂGE »",
    "Привет, как дела?",
    "no no no",
    "Line one\nline two\tend\r\n",
    "AT&T and R&D; also a & b",
    "A \u2019quoted\u2019 word \u2013 and a dash\u2026",
]
SHOWN = {
    "mojibake": ["cafÃ© ouvert", "itâ€™s", "Â© 2020", "ï»¿hello", "Привет".encode().decode("cp1252", "replace")],
    "replacement_character": ["caf\ufffd ouvert"],
    "control_characters": ["bell \x07 here", "a\x85b\x9bc"],
    "html_entities": ["she said &quot;no&quot;", "it&#39;s", "it&#x27;s"],
    "invisible_characters": ["fo\u200bol you are", "\u202eabc", "so\u00adft"],
    "mixed_scripts": ["f\u043eol and more"],
    "repeats_itself": [
        "bad bad bad bad bad",
        "go away now " * 4,
        "GO away now\ngo away NOW " * 3,
        "abcabcabcabcabcab",
        "x" * 50,
    ],
    "only_url": ["https://example.org/page", " www.example.org , http://a.b "],
    "no_letters": ["12:34 !!", "\U0001f600\U0001f600", "192.168.0.1"],
    "long_word": ["see " + "ab1" * 40],
    "very_long": ["some words here and there " * 1_000],
}


def test_every_sign_is_tested() -> None:
    assert set(SHOWN) == {sign.name for sign in SIGNS}


@pytest.mark.parametrize("name", SHOWN)
def test_a_sign_is_shown_where_it_is_and_not_on_clean_comments(name: SignName) -> None:
    rows = rows_with_signs([*SHOWN[name], *CLEAN])[name]
    assert rows.tolist() == list(range(len(SHOWN[name])))


def slow_repeats(text: str) -> bool:
    plain = " ".join(text.casefold().split())
    for whole in (plain, plain + " "):
        for period in range(1, len(whole) // 4 + 1):
            if len(plain) >= 12 and whole[period:] == whole[:-period]:
                return True
    return False


@given(st.text("ab ", min_size=1, max_size=9), st.integers(1, 9), st.text("ab ", max_size=4))
def test_repetition_is_what_trying_every_period_finds(phrase: str, times: int, end: str) -> None:
    text = phrase * times + end
    assert repeats_itself(text, text.split()) == slow_repeats(text)


@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=5))
def test_any_texts_will_do(texts: list[str]) -> None:
    assert set(rows_with_signs(texts)) == set(SHOWN)
