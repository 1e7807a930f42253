"""Scripts by the names of letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civility.audit.counts import script_counts, script_of


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello", "latin"),
        ("12:30 !", "none"),
        ("\U0001f600", "none"),
        ("h\u00e9llo", "latin"),
        ("Привет, Bob", "cyrillic"),
        ("你好", "han"),
        ("\uff48\uff45\uff4c\uff4c\uff4f", "latin"),
        ("مرحبا", "arabic"),
        ("10 µm", "latin"),
        ("", "none"),
    ],
)
def test_the_script_of_most_letters(text: str, script: str) -> None:
    assert script_of(text) == script


def test_counts_are_in_order_and_add_up() -> None:
    assert list(script_counts(["a", "\u0431", "b", "1", "\u0432", "c"]).items()) == [
        ("latin", 3),
        ("cyrillic", 2),
        ("none", 1),
    ]


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_has_a_script(text: str) -> None:
    assert script_of(text)
    assert script_of(text) == script_of(text[::-1]) or len(text) > 2_000
