"""The end of a run: the best epoch's classifier calibrated, its thresholds chosen, and both measured.

Knows the recipe and the validation comments; writes nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from civility.arrays import Logits
from civility.data.prepare import PreparedData
from civility.documents.report import ClassifierFacts
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.curves import training_curves
from civility.evaluation.labelled_comments import Labelled, fit_on, optimistic
from civility.metrics.policy import parse_policies
from civility.models.model_source import public_name
from civility.recipe import Recipe
from civility.run import OWN_REPORT
from civility.scoring.classifier import Classifier


def fit_to_validation(classifier: Classifier, data: PreparedData, logits: Logits, recipe: Recipe) -> Scored:
    """Calibrate a classifier on the validation comments, choose its thresholds there, and return what it says of them.

    Parameters
    ----------
    classifier : of the best epoch; is changed
    data : the comments
    logits : (N, L) of the validation comments
    recipe : how to calibrate, and by which policies to choose thresholds
    """
    dataset = data.validation
    if classifier.kind == "encoder":
        classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": dataset.comments_digest})
    policies = parse_policies(recipe.evaluation.policy, dataset.labels)
    return fit_on(classifier, dataset, logits, policies, recipe.evaluation.calibration)


def report_of_run(
    classifier: Classifier, scored: Scored, data: PreparedData, recipe: Recipe, log: Iterable[Mapping[str, Any]]
) -> Report:
    """Return the report of a run on its validation comments.

    Parameters
    ----------
    classifier : with its calibration and thresholds
    scored : the validation comments
    data : where they came from
    recipe : of the run
    log : the lines of metrics.jsonl
    """
    notes = (*data.notes, *(f"training has {added}" for added in data.added))
    own = Labelled(data.validation, data.validation_files, notes, None, is_own=True)
    facts = ClassifierFacts(
        name="TF-IDF and logistic regression" if recipe.is_linear else f"{public_name(recipe.model.name)}, fine-tuned",
        max_length=classifier.max_length,
    )
    subject = Subject(OWN_REPORT, own.files, facts, optimistic(classifier, own), own.notes, training_curves(log))
    return report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
