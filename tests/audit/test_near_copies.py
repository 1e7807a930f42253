"""Nearly equal texts: held against comparing everything with everything."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.audit.copies import SIMILAR_FROM, near_pairs, similarity, words_of

WORDS = [f"word{i}" for i in range(400)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You, FOOL!!", "you fool"),
        ("don't", "don t"),
        ("Stra\u00dfe \uff46", "strasse f"),
        ("\u4f60\u597d ok", "\u4f60 \u597d ok"),
        ("!?!", ""),
        ("a\x1cb", "a b"),
        ("\ud800", "\ud800"),
    ],
)
def test_words_are_folded(text: str, expected: str) -> None:
    assert b" ".join(words_of(text)) == expected.encode("utf-8", "surrogatepass")


def test_similarity_is_of_pairs_of_words() -> None:
    assert similarity([b"a", b"b"], [b"a", b"b"]) == 1
    assert similarity([b"a", b"b", b"c"], [b"a", b"b", b"d"]) == pytest.approx(2 / 4)
    assert similarity([b"a"], []) == similarity([], []) == 0


def varied(seed: int) -> list[str]:
    """Return texts, many of them changed a little or a lot from an earlier one."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, size)) for size in rng.integers(1, 60, 60)]
    for _ in range(140):
        words = texts[rng.integers(len(texts))].split()
        for _ in range(rng.integers(1, 4)):
            words[rng.integers(len(words))] = str(rng.choice(WORDS))
        texts.append(" ".join(words))
    return texts


def all_pairs(texts: list[str]) -> dict[tuple[int, int], float]:
    sets = [set(zip([b"", *words], words, strict=False)) for words in map(words_of, texts)]
    found = {}
    for i, j in itertools.combinations(range(len(texts)), 2):
        shared = len(sets[i] & sets[j])
        if shared and shared >= SIMILAR_FROM * (len(sets[i]) + len(sets[j]) - shared):
            found[i, j] = shared / len(sets[i] | sets[j])
    return found


def test_finds_what_comparing_everything_finds_and_nothing_else() -> None:
    num_found = num_there = 0
    for seed in range(3):
        texts = varied(seed)
        pairs, similarities = near_pairs(texts)
        found = dict(zip(map(tuple, pairs.tolist()), similarities.tolist(), strict=True))
        there = all_pairs(texts)
        assert set(found) <= set(there)
        assert all(value == pytest.approx(there[pair]) for pair, value in found.items())
        num_found, num_there = num_found + len(found), num_there + len(there)
    assert num_there > 150, "the control: there is something to find"
    assert num_found >= 0.97 * num_there


def test_thousands_alike_hang_together_without_all_pairs() -> None:
    texts = [" ".join([*WORDS[:40], f"name{i}"]) for i in range(300)]
    pairs, _ = near_pairs(texts)
    assert set(pairs.ravel().tolist()) == set(range(300))
    assert len(pairs) < 40_000, "all pairs would be 44,850"


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=6, unique=True))
def test_any_texts_will_do(texts: list[str]) -> None:
    pairs, similarities = near_pairs(texts)
    assert pairs.shape == (len(similarities), 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_texts_without_words_are_near_to_nothing() -> None:
    assert len(near_pairs(["!!", "??", "...", "!!!", ""])[0]) == 0
    assert len(near_pairs(["you fool!", "You fool"])[0]) == 1, "the control"
    assert len(near_pairs([])[0]) == len(near_pairs(["one"])[0]) == 0
