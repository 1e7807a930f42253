"""Languages, where the library that guesses them is installed."""

import pytest

from civility.audit.counts import language_counts


def test_languages_are_guessed_and_rare_ones_counted_together() -> None:
    pytest.importorskip("py3langid")
    english = ["This is a comment about the weather, and it is written in plain English."] * 300
    german = ["Das ist ein Kommentar über das Wetter, geschrieben in schlichtem Deutsch."] * 100
    french = ["Ceci est un commentaire sur le temps, écrit dans un français simple."]
    assert language_counts([*english, *german, *french]) == {"en": 300, "de": 100, "other": 1}
