"""What a classifier is asked beside the comments: identity templates, behaviour suites, perturbed texts.

Reads and scores; what is measured of it is in `civility.evaluation`.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import Ints
from civility.data.dataset import POSITIVE_FROM
from civility.documents.report import BiasReport, RobustnessReport, SuiteReport
from civility.evaluation import Scored
from civility.evaluation.group_bias import Grouped, bias_of
from civility.evaluation.probes.perturb import INVARIANCES, PERTURBATIONS
from civility.evaluation.probes.suites import Suite, read_suite
from civility.evaluation.probes.templates import Templates, read_templates
from civility.evaluation.robustness import invariance, perturbed
from civility.evaluation.suite_results import suite_report
from civility.scoring.classifier import Classifier

STRENGTHS = (0.2, 0.6)
SAMPLE = 1_000
OnScored = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Probes:
    """What to ask beside the comments.

    Parameters
    ----------
    templates : files of identity templates
    suites : behaviour suites: files, or ``civility:suite``
    suite_label : the label that cases without one are judged by; empty: any label
    robustness : whether to perturb texts
    sample : about how many comments are perturbed
    seed : of the sample and of the perturbations
    """

    templates: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    suite_label: str = ""
    robustness: bool = False
    sample: int = SAMPLE
    seed: int = 0

    def read(self) -> "ReadProbes":
        """Read the files; UserError for whatever is wrong with one."""
        return ReadProbes(
            tuple(read_templates(file) for file in self.templates),
            tuple(read_suite(file, self.suite_label) for file in self.suites),
            self,
        )


@dataclass(frozen=True)
class ReadProbes:
    """Probes whose files have been read."""

    templates: tuple[Templates, ...]
    suites: tuple[Suite, ...]
    asked: Probes


def probe(
    classifier: Classifier, scored: Scored, probes: ReadProbes, label: str, on_scored: OnScored
) -> dict[str, Any]:
    """Ask a classifier, and return the parts of the report by their names.

    Parameters
    ----------
    classifier : what is asked
    scored : the comments, for the sample that is perturbed
    probes : what to ask
    label : whose bias the templates show
    on_scored : told of each batch
    """
    parts: dict[str, Any] = {
        "templates": {one.name: _ask_templates(classifier, one, label, on_scored) for one in probes.templates},
        "suites": {one.name: _ask_suite(classifier, one, on_scored) for one in probes.suites},
    }
    if probes.asked.robustness:
        parts["robustness"] = _ask_perturbed(classifier, scored, probes.asked, on_scored)
    return parts


def _score(classifier: Classifier, texts: Sequence[str], what: str, on_scored: OnScored) -> npt.NDArray[np.float32]:
    return classifier.score(texts, on_scored=lambda number: on_scored(what, number, len(texts)))


def _ask_templates(classifier: Classifier, templates: Templates, label: str, on_scored: OnScored) -> BiasReport:
    scores = _score(classifier, templates.texts, f"templates {templates.name}", on_scored)
    column = classifier.labels.index(label)
    flagged = classifier.decide(scores)[:, column]
    groups = templates.groups.astype(np.float32)
    grouped = Grouped(templates.targets, scores[:, column], flagged, groups, templates.group_names)
    return bias_of(grouped, templates.name, label)


def _ask_suite(classifier: Classifier, suite: Suite, on_scored: OnScored) -> SuiteReport:
    scores = _score(classifier, [case.text for case in suite.cases], f"suite {suite.name}", on_scored)
    return suite_report(suite, scores, classifier.decide(scores), classifier.labels)


def _ask_perturbed(classifier: Classifier, scored: Scored, asked: Probes, on_scored: OnScored) -> RobustnessReport:
    rows = sample_rows(scored, asked.sample, asked.seed)
    before = scored.select(rows)
    texts = before.dataset.texts
    found = []
    for perturbation in PERTURBATIONS:
        for strength in STRENGTHS:
            changed = [perturbation.apply(text, strength, asked.seed) for text in texts]
            scores = _score(classifier, changed, f"robustness: {perturbation.name} {strength:g}", on_scored)
            share = float(np.mean([new != old for new, old in zip(changed, texts, strict=True)])) if texts else 0.0
            found.append(
                perturbed(
                    before,
                    scores,
                    name=perturbation.name,
                    what=perturbation.what,
                    strength=strength,
                    share_changed=share,
                    seed=asked.seed,
                )
            )
    unmoved = []
    for one in INVARIANCES:
        changed = [one.apply(text) for text in texts]
        differs = np.array([new != old for new, old in zip(changed, texts, strict=True)], dtype=np.bool_)
        scores = _score(classifier, list(itertools.compress(changed, differs)), f"robustness: {one.name}", on_scored)
        unmoved.append(invariance(before, scores, differs, one.name))
    return RobustnessReport(
        num_comments=len(rows), seed=asked.seed, perturbations=tuple(found), invariances=tuple(unmoved)
    )


def sample_rows(scored: Scored, number: int, seed: int) -> Ints:
    """Return about ``number`` comments, ascending: half of them positive, as many of each label as there are.

    Rare labels come first, so that they are not lost among the frequent ones.
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
