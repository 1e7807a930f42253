"""What a classifier is tested on beyond the comments: identity templates, behaviour suites, perturbed texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from civility.arrays import Float32s
from civility.documents.behaviour_report import BiasReport, SuiteReport
from civility.evaluation.group_bias import Grouped, bias_of
from civility.evaluation.probes.suites import Suite, read_suite, suite_report
from civility.evaluation.probes.templates import Templates, read_templates
from civility.evaluation.robustness import measure_robustness
from civility.evaluation.scored_comments import Scored
from civility.scoring.classifier import Classifier

SAMPLE = 1_000
OnScored = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Probes:
    """What to test beyond the comments.

    Parameters
    ----------
    templates : files of identity templates
    suites : behaviour suites: files, or ``civility:suite``
    suite_label : the label that judges cases that name none; empty: any label
    robustness : whether to perturb texts
    sample : about how many comments to perturb
    seed : of the sample and of the perturbations
    """

    templates: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    suite_label: str = ""
    robustness: bool = False
    sample: int = SAMPLE
    seed: int = 0

    def read(self) -> "ReadProbes":
        """Read the files; UserError if one of them is wrong."""
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
    """Run the probes, and return the parts of the report by their names.

    Parameters
    ----------
    classifier : what is tested
    scored : the comments, to draw the sample to perturb from
    probes : what to test
    label : the label whose bias the templates measure
    on_scored : called after each batch with what is scored, the batch size and the total
    """

    def score(texts: Sequence[str], what: str) -> Float32s:
        return classifier.score(texts, on_scored=lambda number: on_scored(what, number, len(texts)))

    def of_templates(templates: Templates) -> BiasReport:
        scores = score(templates.texts, f"templates {templates.name}")
        column = classifier.labels.index(label)
        flagged = classifier.decide(scores)[:, column]
        groups = templates.groups.astype(np.float32)
        grouped = Grouped(templates.targets, scores[:, column], flagged, groups, templates.group_names)
        return bias_of(grouped, templates.name, label)

    def of_suite(suite: Suite) -> SuiteReport:
        scores = score([case.text for case in suite.cases], f"suite {suite.name}")
        return suite_report(suite, scores, classifier.decide(scores), classifier.labels)

    parts: dict[str, Any] = {
        "templates": {one.name: of_templates(one) for one in probes.templates},
        "suites": {one.name: of_suite(one) for one in probes.suites},
    }
    if probes.asked.robustness:
        asked = probes.asked
        parts["robustness"] = measure_robustness(scored, score, sample=asked.sample, seed=asked.seed)
    return parts
