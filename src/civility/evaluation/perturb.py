"""Perturbations: what people do to evade a filter, as functions of a text, a strength and a seed.

The places of a text that change, and how, are drawn from a hash of the text and the seed: the same on every machine
and in any order of calls. A place that changes at one strength changes the same way at every greater one; at 0 nothing
changes. Invariances are changes that no reader notices and that should not move a score.

Any string is accepted, in time linear in its length.
"""

import hashlib
import itertools
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Bools, Float32s, Scores, Targets
from civility.data.dataset import Dataset, has_long_run_of_marks
from civility.documents.behaviour_report import (
    InvarianceReport,
    PerturbationReport,
    PerturbedLabel,
    RobustnessReport,
)
from civility.documents.label_report import Estimate
from civility.errors import UserError, did_you_mean
from civility.evaluation.label_measures import estimate
from civility.evaluation.scored_comments import Scored
from civility.metrics.ranking import roc_auc
from civility.metrics.resampling import Means, resample, strata_of
from civility.metrics.threshold_search import Counts

Apply = Callable[[str, float, int], str]

_LEET = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "l": "1", "o": "0", "s": "5$", "t": "7", "z": "2"}
# Latin letters and the Cyrillic ones that look the same: Unicode's confusables.txt (UTS 39).
_HOMOGLYPHS = str.maketrans(
    "aceijopsxyABCEHIJKMOPSTXY",
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425\u04ae",
)
# Zero width space and non-joiner, word joiner, soft hyphen.
_ZERO_WIDTH = "\u200b\u200c\u2060\u00ad"
# Acute, diaeresis, dot below, macron below, long stroke overlay, x below.
_MARKS = "\u0301\u0308\u0323\u0331\u0336\u0353"
_EMOJI = "\U0001f642\U0001f600\U0001f602\U0001f33b\u2728\U0001f389\U0001f408\U0001f308"
# Of an English keyboard: the keys to the left and right.
_NEIGHBOURS = {
    key: row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for place, key in enumerate(row)
}
HARMLESS = (
    "Have a nice day.",
    "The weather is lovely here.",
    "Thank you for reading.",
    "I had soup for lunch.",
    "The library opens at nine.",
    "My sister plays the violin.",
    "We went for a walk by the river.",
    "The train was on time this morning.",
    "I am learning to bake bread.",
    "The garden is full of flowers.",
    "Our team meets on Tuesday.",
    "The film was longer than I expected.",
)

_LETTER = r"[^\W\d_]"


@dataclass(frozen=True)
class Perturbation:
    """A change that hides a text from a classifier more than from a reader.

    Parameters
    ----------
    name : unique among ``PERTURBATIONS``
    apply : (text, strength, seed) -> text. Strength, in [0, 1], is the share of the places that can change, of
        ``harmless_text`` the amount. A ValueError if it is not in [0, 1].
    """

    name: str
    apply: Apply


@dataclass(frozen=True)
class Invariance:
    """A change that should move no score.

    Parameters
    ----------
    name : unique among ``INVARIANCES``
    apply : text -> text, the same where there is nothing to change
    """

    name: str
    apply: Callable[[str], str]


def _draws(name: str, text: str, strength: float, seed: int) -> Callable[[], float]:
    """Return a source of numbers in [0, 1) that belongs to this perturbation, text and seed."""
    if not 0 <= strength <= 1:
        raise ValueError(f"the strength of {name} is {strength}, expected a number from 0 to 1")
    digest = hashlib.blake2b(f"{name}\0{seed}\0".encode(), digest_size=16)
    digest.update(text.encode(errors="surrogatepass"))
    # Of Random, only random() promises its sequence to later Pythons.
    return Random(int.from_bytes(digest.digest(), "big")).random


def _at_places(name: str, pattern: str, change: Callable[[str, float], str]) -> Perturbation:
    """Return a perturbation: what the pattern matches, and a number in [0, 1) to choose by, give what stands there."""
    places = re.compile(pattern)

    def apply(text: str, strength: float, seed: int) -> str:
        draw = _draws(name, text, strength, seed)

        def at_place(match: re.Match[str]) -> str:
            # Both are drawn at every place, so that a place's fate does not hang on the strength.
            chance, choice = draw(), draw()
            return change(match[0], choice) if chance < strength else match[0]

        return places.sub(at_place, text)

    return Perturbation(name, apply)


def _one_of(choices: str, choice: float) -> str:
    return choices[int(choice * len(choices))]


def _repeat(word: str, choice: float) -> str:
    """Stretch the last vowel, or the last letter of a word without one."""
    vowels = [place for place, letter in enumerate(word) if letter in "aeiouAEIOU"]
    place = vowels[-1] if vowels else len(word) - 1
    return word[:place] + word[place] * (3 + int(choice * 3)) + word[place + 1 :]


def _mistype(word: str, choice: float) -> str:
    """Hit a neighbouring key, swap two letters or drop one; never the first, and never down to nothing."""
    kind, rest = divmod(choice * 3, 1)
    place = 1 + int(rest * (len(word) - 2))
    letter, following = word[place], word[place + 1]
    if kind == 0 and letter.lower() in _NEIGHBOURS:
        key = _one_of(_NEIGHBOURS[letter.lower()], rest)
        return word[:place] + (key.upper() if letter.isupper() else key) + word[place + 1 :]
    if kind < 2 and letter != following:
        return word[:place] + following + letter + word[place + 2 :]
    return word[:place] + word[place + 1 :]


def _alternate(word: str, choice: float) -> str:
    upper_first = choice < 0.5
    cased = (letter.upper() if (place % 2 == 0) == upper_first else letter.lower() for place, letter in enumerate(word))
    # Some letters become two, as the German sharp s: they are left.
    return "".join(new if len(new) == 1 else old for old, new in zip(word, cased, strict=True))


def _add_harmless(text: str, strength: float, seed: int) -> str:
    draw = _draws("harmless_text", text, strength, seed)
    drawn = sorted((draw(), draw() < 0.5, sentence) for sentence in HARMLESS)
    taken = drawn[: math.ceil(strength * len(HARMLESS))]
    front = [sentence for _, in_front, sentence in taken if in_front]
    back = [sentence for _, in_front, sentence in taken if not in_front]
    # The first that is taken stands next to the text: each strength holds what a smaller one gives.
    return " ".join((*reversed(front), text, *back))


PERTURBATIONS: tuple[Perturbation, ...] = (
    _at_places("leetspeak", "[abegilostzABEGILOSTZ]", lambda letter, choice: _one_of(_LEET[letter.lower()], choice)),
    _at_places("homoglyphs", "[aceijopsxyABCEHIJKMOPSTXY]", lambda letter, _: letter.translate(_HOMOGLYPHS)),
    _at_places("zero_width", f"(?<={_LETTER})(?={_LETTER})", lambda _, choice: _one_of(_ZERO_WIDTH, choice)),
    _at_places("combining", _LETTER, lambda letter, choice: letter + _one_of(_MARKS, choice)),
    _at_places("spacing", f"{_LETTER}{{2,}}", lambda word, _: " ".join(word)),
    _at_places("repeats", f"{_LETTER}{{2,}}", _repeat),
    _at_places("typos", f"{_LETTER}{{3,}}", _mistype),
    _at_places("case", f"{_LETTER}{{2,}}", _alternate),
    Perturbation("harmless_text", _add_harmless),
    _at_places("emoji", r"(?<=\S)(?=\s|\Z)", lambda _, choice: f" {_one_of(_EMOJI, choice)}"),
)


def _normaliser(form: Literal["NFC", "NFD", "NFKC"]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        if text.isascii() or has_long_run_of_marks(text):
            return text
        return unicodedata.normalize(form, text)

    return apply


INVARIANCES: tuple[Invariance, ...] = (
    Invariance("trailing_space", lambda text: f"{text} "),
    Invariance("leading_line_break", lambda text: f"\n{text}"),
    Invariance("trailing_line_break", lambda text: f"{text}\n"),
    Invariance("nfc", _normaliser("NFC")),
    Invariance("nfd", _normaliser("NFD")),
    Invariance("nfkc", _normaliser("NFKC")),
    Invariance("crlf", lambda text: re.sub(r"\r?\n", "\r\n", text)),
)


_STRENGTHS = (0.1, 0.5)
"""The strength of a copy is drawn from this range: from single slips to every second place."""


def _check_names(names: Sequence[str]) -> None:
    known = [one.name for one in PERTURBATIONS]
    for name in names:
        if name not in known:
            found, remedy = f"no perturbation {name!r}{did_you_mean(name, known)}", f"there are: {', '.join(known)}"
        elif names.count(name) > 1:
            found, remedy = f"{name} is named twice", "name each perturbation once"
        else:
            continue
        raise UserError("evaluation.bad-augmentation", found, where="data.augmentation", remedy=remedy)


def changed_copies(dataset: Dataset, names: Sequence[str], share: float, seed: int) -> Dataset:
    """Return copies of some of the comments, each changed by one perturbation, with the same targets.

    A share of the comments, in (0, 1], perturbations and strengths are drawn from the seed; a comment that has nothing
    to change gives no copy. Raises a UserError for an unknown perturbation, or one that is named twice.
    """
    _check_names(names)
    chosen = [one for one in PERTURBATIONS if one.name in names]
    rng = np.random.default_rng([seed, len(dataset)])
    drawn = np.sort(rng.permutation(len(dataset))[: round(share * len(dataset))])
    kinds, strengths = rng.integers(len(chosen), size=len(drawn)), rng.uniform(*_STRENGTHS, size=len(drawn))
    rows, texts, ids = [], [], []
    for row, kind, strength in zip(drawn.tolist(), kinds.tolist(), strengths.tolist(), strict=True):
        text = chosen[kind].apply(dataset.texts[row], strength, seed)
        if text != dataset.texts[row]:
            rows.append(row)
            texts.append(text)
            ids.append(f"{dataset.ids[row]}:{chosen[kind].name}")
    return replace(dataset.select(rows), texts=tuple(texts), ids=tuple(ids))


STRENGTHS = (0.2, 0.6)


def measure_robustness(
    scored: Scored,
    score: Callable[[Sequence[str], str], Float32s],
    *,
    sample: int,
    seed: int,
) -> RobustnessReport:
    """Score about ``sample`` of the comments perturbed in every way, and compare.

    ``score`` returns the scores, (M, L), of M texts; its second argument says what is being scored.
    """
    rows = sample_rows(scored, sample, seed)
    before = scored.select(rows)
    texts = before.dataset.texts
    perturbations = []
    for perturbation, strength in itertools.product(PERTURBATIONS, STRENGTHS):
        changed = [perturbation.apply(text, strength, seed) for text in texts]
        share = float(np.mean([new != old for new, old in zip(changed, texts, strict=True)])) if texts else 0.0
        scores = score(changed, f"robustness: {perturbation.name} {strength:g}")
        found = perturbed(before, scores, name=perturbation.name, strength=strength, share_changed=share, seed=seed)
        perturbations.append(found)
    invariances = []
    for change in INVARIANCES:
        changed = [change.apply(text) for text in texts]
        differs = np.array([new != old for new, old in zip(changed, texts, strict=True)], dtype=np.bool_)
        scores = score(list(itertools.compress(changed, differs)), f"robustness: {change.name}")
        invariances.append(invariance(before, scores, differs, change.name))
    return RobustnessReport(
        num_comments=len(rows), seed=seed, perturbations=tuple(perturbations), invariances=tuple(invariances)
    )


def perturbed(
    before: Scored, scores: Scores, *, name: str, strength: float, share_changed: float, seed: int
) -> PerturbationReport:
    """Compare a classifier's numbers on N original texts and on the perturbed ones, with scores (N, L)."""
    targets = before.dataset.targets
    after = before.decide(scores)
    return PerturbationReport(
        name=name,
        strength=strength,
        share_changed=share_changed,
        macro_recall_change=_change(targets, before.flagged, after, seed),
        labels={
            label: PerturbedLabel(
                recall_before=Counts.of(targets[:, column], before.flagged[:, column]).recall,
                recall_after=Counts.of(targets[:, column], after[:, column]).recall,
                roc_auc_before=roc_auc(targets[:, column], before.scores[:, column]),
                roc_auc_after=roc_auc(targets[:, column], scores[:, column]),
            )
            for column, label in enumerate(before.dataset.labels)
        },
    )


def invariance(before: Scored, scores: Scores, changed: Bools, name: str) -> InvarianceReport:
    """Return how far scores and decisions moved under a change that should not matter.

    It altered the M texts for which ``changed`` (N,) is true; they have the scores (M, L).
    """
    own, flagged = before.scores[changed], before.flagged[changed]
    moved = np.abs(scores.astype(np.float64) - own)
    return InvarianceReport(
        name=name,
        share_changed=float(changed.mean()) if len(changed) else 0.0,
        largest_difference=float(moved.max(initial=0.0)),
        share_of_decisions_changed=float((before.decide(scores) != flagged).mean()) if moved.size else 0.0,
    )


def _change(targets: Targets, before: Bools, after: Bools, seed: int) -> Estimate:
    """Return the change of recall, averaged over labels; the bootstrap is paired, as it resamples comments."""
    positive = targets >= POSITIVE_FROM
    present = positive.any(axis=0)
    if not present.any():
        return Estimate(value=None)
    moved = np.where(positive, after.astype(np.float64) - before, np.nan)[:, present]
    means = Means(tuple(str(column) for column in range(moved.shape[1])), moved)
    resampled = resample({"moved": means}, strata_of(targets), seed=seed)["moved"]
    return estimate(float(np.nanmean(moved, axis=0).mean()), resampled.mean(axis=0))


def sample_rows(scored: Scored, number: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the rows of about ``number`` comments, ascending: half of them positive, evenly from each label.

    Rare labels are drawn first, so that frequent ones do not crowd them out.
    """
    rng = np.random.default_rng(seed)
    positive = scored.dataset.targets >= POSITIVE_FROM
    order = np.argsort(positive.sum(axis=0), kind="stable")
    each = max(1, number // (2 * max(1, positive.shape[1])))
    taken = np.zeros(len(positive), dtype=np.bool_)
    for column in order:
        members = np.flatnonzero(positive[:, column] & ~taken)
        missing = max(0, each - int((positive[:, column] & taken).sum()))
        taken[rng.permutation(members)[:missing]] = True
    rest = np.flatnonzero(~positive.any(axis=1))
    taken[rng.permutation(rest)[: max(0, number - int(taken.sum()))]] = True
    return np.flatnonzero(taken)
