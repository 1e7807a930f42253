"""Perturbations: a golden example each, and what must hold of every text, strength and seed."""

import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.evaluation.perturb import HARMLESS, INVARIANCES, PERTURBATIONS, Invariance, Perturbation

FEW = settings(max_examples=60, deadline=None)
EACH = pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=lambda perturbation: perturbation.name)
EACH_INVARIANCE = pytest.mark.parametrize("invariance", INVARIANCES, ids=lambda invariance: invariance.name)
NAMES = [perturbation.name for perturbation in PERTURBATIONS]

# Any string there is: NUL, lone surrogates and all; and texts with words in them, which more places change in.
ANY = st.one_of(
    st.text(st.characters(), max_size=60),
    st.lists(
        st.sampled_from(["you", "Stupid", "idiot!", "\u05e9\u05dc\u05d5\u05dd", "\U0001f600", "e\u0301t\u00e9"])
    ).map(" ".join),
)
STRENGTHS = st.floats(0, 1)
SEEDS = st.integers(-(2**70), 2**70)

TEXT = "Stupid idiot!"
GOLDEN = [
    ("leetspeak", 0.5, "$7up!d !dio7!"),
    ("leetspeak", 1.0, "$7up!d !d!07!"),
    ("homoglyphs", 0.5, "Stu\u0440id \u0456di\u043et!"),
    ("homoglyphs", 1.0, "\u0405tu\u0440\u0456d \u0456d\u0456\u043et!"),
    ("zero_width", 0.5, "S\u2060t\u2060up\xadid id\u200bi\u200bo\u200ct!"),
    ("zero_width", 1.0, "S\u2060t\u2060u\u200bp\xadi\u200bd i\xadd\u200bi\u200bo\u200ct!"),
    ("combining", 0.5, "S\u0301tu\u0331pi\u0308d\u0336 i\u0336d\u0323io\u0336t\u0353!"),
    ("combining", 1.0, "S\u0301t\u0308u\u0331p\u0331i\u0308d\u0336 i\u0336d\u0323i\u0353o\u0336t\u0353!"),
    ("spacing", 0.5, "S t u p i d i d i o t!"),
    ("spacing", 1.0, "S t u p i d i d i o t!"),
    ("repeats", 0.5, "Stupiiiid idiot!"),
    ("repeats", 1.0, "Stupiiiid idiooot!"),
    ("typos", 0.5, "Stuipd idiot!"),
    ("typos", 1.0, "Stuipd iiot!"),
    ("case", 0.5, "sTuPiD IdIoT!"),
    ("case", 1.0, "sTuPiD IdIoT!"),
    ("harmless_text", 0.1, "The weather is lovely here. Stupid idiot! I am learning to bake bread."),
    (
        "harmless_text",
        0.25,
        "The weather is lovely here. Stupid idiot! I am learning to bake bread. We went for a walk by the river.",
    ),
    ("emoji", 0.5, "Stupid idiot! \U0001f602"),
    ("emoji", 1.0, "Stupid \U0001f600 idiot! \U0001f602"),
]


def _named(name: str) -> Perturbation:
    return next(perturbation for perturbation in PERTURBATIONS if perturbation.name == name)


def _invariance(name: str) -> Invariance:
    return next(invariance for invariance in INVARIANCES if invariance.name == name)


def _can_be_encoded(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def test_names_are_unique_and_golden_examples_complete() -> None:
    names = [*NAMES, *(invariance.name for invariance in INVARIANCES)]
    assert len(names) == len(set(names))
    assert [name for name, _, _ in GOLDEN[::2]] == NAMES


@pytest.mark.parametrize(("name", "strength", "expected"), GOLDEN)
def test_golden_examples(name: str, strength: float, expected: str) -> None:
    assert ascii(_named(name).apply(TEXT, strength, 7)) == ascii(expected)


@FEW
@given(ANY, STRENGTHS, SEEDS)
@EACH
def test_a_function_of_text_strength_and_seed(
    perturbation: Perturbation, text: str, strength: float, seed: int
) -> None:
    once = perturbation.apply(text, strength, seed)
    for other in PERTURBATIONS:
        other.apply(once, 1.0, 3)
    assert perturbation.apply(text, strength, seed) == once
    assert not text or once
    assert not text.strip() or once.strip()
    assert _can_be_encoded(once) or not _can_be_encoded(text)
    assert perturbation.apply(text, 0.0, seed) == text


@FEW
@given(ANY, STRENGTHS, STRENGTHS, SEEDS)
@pytest.mark.parametrize("name", ["zero_width", "combining", "spacing", "repeats", "harmless_text", "emoji"])
def test_what_adds_adds_more_with_strength(name: str, text: str, one: float, other: float, seed: int) -> None:
    weak, strong = (_named(name).apply(text, strength, seed) for strength in sorted((one, other)))
    assert len(text) <= len(weak) <= len(strong)
    # Whatever was there is there still, in its order.
    rest = iter(strong)
    assert all(character in rest for character in weak)


@FEW
@given(ANY, STRENGTHS, STRENGTHS, SEEDS)
@pytest.mark.parametrize("name", ["leetspeak", "homoglyphs", "case"])
def test_what_replaces_replaces_the_same_places_and_more_with_strength(
    name: str, text: str, one: float, other: float, seed: int
) -> None:
    weak, strong = (_named(name).apply(text, strength, seed) for strength in sorted((one, other)))
    assert len(text) == len(weak) == len(strong)
    for before, weakly, strongly in zip(text, weak, strong, strict=True):
        assert weakly in (before, strongly)


PLACES_OF_IDIOTIC = {"leetspeak": 5, "homoglyphs": 5, "zero_width": 6, "combining": 7}


@pytest.mark.parametrize(("name", "num_places"), PLACES_OF_IDIOTIC.items())
def test_strength_is_the_share_of_letters_and_gaps(name: str, num_places: int) -> None:
    text = "idiotic " * 2_000
    changed = _named(name).apply(text, 0.3, 1)
    num_changed = len(changed) - len(text) or sum(old != new for old, new in zip(text, changed, strict=True))
    assert num_changed / (2_000 * num_places) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("name", ["spacing", "repeats", "typos", "case"])
def test_strength_is_the_share_of_words(name: str) -> None:
    changed = _named(name).apply("idiotic " * 2_000, 0.3, 1)
    assert changed.count("idiotic") / 2_000 == pytest.approx(0.7, abs=0.04)


def test_strength_is_the_share_of_gaps_between_words_and_of_harmless_sentences() -> None:
    assert len(_named("emoji").apply("idiotic " * 2_000, 0.3, 1).split()) / 2_000 == pytest.approx(1.3, abs=0.04)
    padded = _named("harmless_text").apply(TEXT, 0.5, 1)
    assert sum(sentence in padded for sentence in HARMLESS) == len(HARMLESS) // 2


@EACH
def test_another_seed_or_text_changes_other_places(perturbation: Perturbation) -> None:
    text = f"{TEXT} You are not my friend."
    results = {perturbation.apply(text, 0.5, seed) for seed in range(20)}
    assert len(results) > 5
    # The change of a word hangs on the whole text, so that no word always escapes.
    starts = {perturbation.apply(f"{text} {number}", 0.5, 7)[:40] for number in range(20)}
    assert len(starts) > 2


def test_perturbations_draw_apart_from_one_another() -> None:
    text = "idiotic " * 200
    by_letter = ("leetspeak", "homoglyphs")
    changed = [
        {
            place
            for place, (old, new) in enumerate(zip(text, _named(name).apply(text, 0.5, 1), strict=True))
            if old != new
        }
        for name in by_letter
    ]
    assert changed[0] != changed[1]


@EACH
@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_a_strength_that_is_none_is_refused(perturbation: Perturbation, strength: float) -> None:
    with pytest.raises(ValueError, match=f"strength of {perturbation.name} is .*, expected a number from 0 to 1"):
        perturbation.apply("text", strength, 0)


@EACH
@pytest.mark.parametrize("unit", ["you idiot! ", "a", "\u0323\u0301", "\ud800", "\0", "\u05d0\u05d1 ", "\U0001f600"])
def test_large_texts(perturbation: Perturbation, unit: str) -> None:
    text = unit * (100_000 // len(unit))
    assert len(text) <= 2 * len(perturbation.apply(text, 1.0, 1))


@EACH
def test_a_megabyte(perturbation: Perturbation) -> None:
    text = "You are such a Stupid idiot, my friend!\n" * 26_000
    changed = perturbation.apply(text, 0.5, 1)
    assert changed != text
    assert len(text) > 1_000_000


def test_typos_keep_the_first_letter_and_most_of_the_others() -> None:
    for seed, word in itertools.product(range(200), ("you", "idiot", "Aaaa", "\u05e9\u05dc\u05d5\u05dd")):
        mistyped = _named("typos").apply(word, 1.0, seed)
        assert mistyped != word
        assert mistyped[0] == word[0]
        assert len(word) - 1 <= len(mistyped) <= len(word)


def test_case_leaves_letters_that_would_become_two() -> None:
    assert {_named("case").apply("stra\u00dfe", 1.0, seed) for seed in range(9)} == {"StRa\u00dfe", "sTrA\u00dfE"}


@FEW
@given(ANY)
@EACH_INVARIANCE
def test_invariances_are_functions_and_empty_nothing(invariance: Invariance, text: str) -> None:
    changed = invariance.apply(text)
    assert invariance.apply(text) == changed
    assert not text or changed
    assert _can_be_encoded(changed) == _can_be_encoded(text)


def test_golden_invariances() -> None:
    text = "\u00e9t\u00e9 e\u0301t\u00e9\n\uff59\ufb01\r\n"
    expected = {
        "trailing_space": text + " ",
        "leading_line_break": "\n" + text,
        "trailing_line_break": text + "\n",
        "nfc": "\u00e9t\u00e9 \u00e9t\u00e9\n\uff59\ufb01\r\n",
        "nfd": "e\u0301te\u0301 e\u0301te\u0301\n\uff59\ufb01\r\n",
        "nfkc": "\u00e9t\u00e9 \u00e9t\u00e9\nyfi\r\n",
        "crlf": "\u00e9t\u00e9 e\u0301t\u00e9\r\n\uff59\ufb01\r\n",
    }
    assert {invariance.name: invariance.apply(text) for invariance in INVARIANCES} == expected


@FEW
@given(st.text(max_size=30))
def test_normal_forms_are_those_of_unicode(text: str) -> None:
    for form in ("nfc", "nfd", "nfkc"):
        # So short a text cannot hold more marks in a row than are put in order.
        assert _invariance(form).apply(text) == unicodedata.normalize(form.upper(), text)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["nfc", "nfd", "nfkc"])
def test_long_runs_of_marks_are_left_where_normalising_takes_quadratic_time(form: str) -> None:
    stacked = "a" + "\u0301\u0323" * 500_000
    assert _invariance(form).apply(stacked) == stacked
    # The control: as many marks, in runs that languages have, are put in order.
    assert _invariance(form).apply("a\u0301\u0323" * 1000) != "a\u0301\u0323" * 1000
