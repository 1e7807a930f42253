"""The worst errors: in order, equal texts folded, likely label errors marked."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.audit.label_errors import likely_label_errors
from civility.data.dataset import Dataset, normalised
from civility.documents.behaviour_report import Example, LabelErrorsShown
from civility.evaluation import Scored
from civility.evaluation.build_report import NUM_SHOWN, worst_errors


def _errors(
    texts: list[str], targets: list[float], scores: list[float], *, with_texts: bool = True
) -> LabelErrorsShown:
    column = np.array(targets, dtype=np.float32)[:, None]
    dataset = Dataset(tuple(texts), column, tuple(f"id{i}" for i in range(len(texts))), ("a",))
    scored = Scored(dataset, np.array(scores, dtype=np.float32)[:, None])
    return worst_errors(scored, with_texts=with_texts)["a"]


def test_the_worst_come_first_and_what_is_right_or_unknown_is_left_out() -> None:
    targets = [0, 0, 0, 1, 1, 1, np.nan, 0.4, 0.5]
    scores = [0.6, 0.9, 0.1, 0.4, 0.2, 0.9, 0.99, 0.95, 0.3]
    found = _errors([f"text {i}" for i in range(9)], targets, scores)
    assert [one.id for one in found.false_positives] == ["id7", "id1", "id0"]
    assert [one.id for one in found.false_negatives] == ["id4", "id8", "id3"]
    first = found.false_positives[0]
    assert (first.text, first.score, first.times) == ("text 7", 0.95, 1)
    assert first.target == float(np.float32(0.4))


def test_equal_texts_are_folded_into_the_worst_of_them() -> None:
    texts = ["You fool", "you  FOOL", "another", "\uff39\uff2f\uff35 fool"]
    found = _errors(texts, [0, 0, 0, 0], [0.6, 0.9, 0.8, 0.7])
    assert [(one.id, one.text, one.times, one.score) for one in found.false_positives] == [
        ("id1", "you  FOOL", 3, 0.9),
        ("id2", "another", 1, 0.8),
    ]


def test_at_most_ten_are_shown_and_later_copies_still_counted() -> None:
    texts = [f"text {i}" for i in range(15)] + ["text 0"]
    found = _errors(texts, [0] * 16, [0.9 - i / 100 for i in range(16)]).false_positives
    assert [one.id for one in found] == [f"id{i}" for i in range(10)]
    assert [one.times for one in found] == [2] + [1] * 9


def test_without_texts_the_ids_tell() -> None:
    shown = _errors(["secret"] * 3, [0, 1, 1], [0.9, 0.1, 0.9])
    hidden = _errors(["secret"] * 3, [0, 1, 1], [0.9, 0.1, 0.9], with_texts=False)
    assert {one.text for one in (*shown.false_positives, *shown.false_negatives)} == {"secret"}
    assert {one.text for one in (*hidden.false_positives, *hidden.false_negatives)} == {""}
    assert [one.id for one in hidden.false_positives] == ["id0"]


def test_likely_label_errors_are_marked() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random(300) < 0.3).astype(np.float32)
    scores = np.clip(rng.normal(0.25, 0.2, 300) + 0.5 * targets, 0, 1).astype(np.float32)
    targets[:3], scores[:3] = 0, 1  # surely mislabelled
    found = _errors([f"text {i}" for i in range(300)], targets.tolist(), scores.tolist())
    suspected = {f"id{row}" for row in likely_label_errors(targets, scores).rows}
    assert {"id0", "id1", "id2"} <= {one.id for one in found.false_positives if one.likely_label_error} <= suspected
    shown = (*found.false_positives, *found.false_negatives)
    assert not all(one.likely_label_error for one in shown), "the control"


def test_long_texts_are_cut() -> None:
    whole, longer = (_errors(["x" * num], [0], [0.9]).false_positives[0].text for num in (400, 401))
    assert whole == "x" * 400
    assert longer == "x" * 399 + "…"
    found = _errors(["<b>" * 2_000_000], [0], [0.9]).false_positives[0]
    assert len(found.text) == 400


def _check_side(side: tuple[Example, ...], errors: Sequence[tuple[float, str]]) -> None:
    """Compare one side with errors as (rank, text), the worst first."""
    folded = list(dict.fromkeys(normalised(text) for _, text in errors))
    assert [normalised(one.text) for one in side] == folded[:NUM_SHOWN]
    assert [one.times for one in side] == [
        sum(normalised(text) == key for _, text in errors) for key in folded[:NUM_SHOWN]
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.sampled_from("abcABCdefghijklm")), max_size=60))
def test_any_comments_are_told_as_by_brute_force(rows: list[tuple[bool, int, str]]) -> None:
    found = _errors(
        [text for _, _, text in rows], [float(on) for on, _, _ in rows], [score / 8 for _, score, _ in rows]
    )
    false = sorted(((-score, text) for on, score, text in rows if not on and score >= 4), key=lambda one: one[0])
    missed = sorted(((score, text) for on, score, text in rows if on and score < 4), key=lambda one: one[0])
    _check_side(found.false_positives, false)
    _check_side(found.false_negatives, missed)
