"""The linear model: TF-IDF and logistic regression, fitted in one go, with the run directory of any other run.

Nothing is kept on the way: a run that is interrupted starts again from the beginning.
"""

import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData
from civility.documents.linear_file import TermKind
from civility.engine.hardware import peak_memory
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.evaluation import Report
from civility.metrics.policy import parse_policies
from civility.processes import processes_of
from civility.recipe import Recipe
from civility.render.markdown.model_card import CardFacts
from civility.run import Begin, RunDirectory
from civility.run.log import LineLog
from civility.run.versions import LINEAR_LIBRARIES, describe_environment, library_versions
from civility.scoring.classifier import Classifier
from civility.scoring.linear_model import LinearModel, Terms
from civility.training import provenance
from civility.training.events import (
    LinearPlanned,
    Listener,
    RunChecked,
    RunFinished,
    ValidationScored,
    ValidationStarted,
)
from civility.training.finalize import fit_to_validation, report_of_run, write_result
from civility.training.finished_run import check_same_settings
from civility.training.preflight import Check, checks_of_the_comments, refuse_failed

_MOST_ITERATIONS = 1_000


def train_linear(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    *,
    command: Sequence[str],
    tracker: str,
    begin: Begin,
    listen: Listener,
) -> None:
    """Fit a linear model, and write it to a run directory with its report.

    Parameters
    ----------
    recipe : with the model "tf-idf"
    data, run, command, listen : as of `civility.training.train_run.train`
    tracker : must be empty, since a linear model logs no steps
    begin : "resume" starts from the beginning too

    Raises
    ------
    UserError : what the user can fix
    """
    started = time.monotonic()
    checks = check_linear(recipe, data, run, tracker=tracker, begin=begin, listen=listen, in_full=False)
    if begin == "restart" and (aside := run.put_aside()) is not None:
        listen(Warned(0, f"what was in {run.path} is in {aside} now"))
    run.create()
    with run.locked():
        if begin != "resume":
            run.check_free()  # again, now that no other process can begin there
        run.remove_leftovers()
        session = {**describe_environment(command, LINEAR_LIBRARIES), "device": "CPU"}
        run.write_first_files(recipe, provenance.environment(session, data, checks))
        report = _fit_and_write(recipe, data, run, listen)
    listen(RunFinished(run, report, 0, 0, False, time.monotonic() - started))


def check_linear(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    *,
    tracker: str,
    begin: Begin,
    listen: Listener,
    in_full: bool,
) -> list[Check]:
    """Emit the plan and the outcome of the checks; write nothing.

    Parameters
    ----------
    recipe, data, run, tracker, begin, listen : as of `train_linear`
    in_full : whether to show passed checks too

    Raises
    ------
    UserError : what the user can fix, including a failed check
    """
    run.check_place(begin)
    if begin == "resume":
        run.check_unfinished()
        if run.recipe_file.is_file():
            check_same_settings(run, recipe)
    parse_policies(recipe.evaluation.policy, data.training.labels)
    _refuse_options(recipe, tracker)
    check_both_classes(data.training)
    listen(_planned(recipe, data, run))
    checks = checks_of_the_comments(recipe.data.labels, data.training, data.validation)
    listen(RunChecked(tuple(checks), in_full=in_full))
    refuse_failed(checks)
    return checks


def _refuse_options(recipe: Recipe, tracker: str) -> None:
    """Raise a UserError for options that need steps, micro-batches or several processes."""
    why, option = "", ""
    if tracker:
        why, option = "has no steps to log", f"--tracker {tracker}"
    elif recipe.training.fit:
        why, option = "has no micro-batches to fit to the memory", "--fit"
    elif processes_of(os.environ).num > 1:
        why, option = "is fitted by one process on a CPU", "torchrun or accelerate launch"
    if why:
        raise UserError("training.linear-option", f"a linear model {why}", where=option, remedy="leave it out")


def _planned(recipe: Recipe, data: PreparedData, run: RunDirectory) -> LinearPlanned:
    settings, notes = recipe.linear, list(data.notes)
    if recipe.without_effect:
        notes.append(
            f"a linear model ignores these settings: {', '.join(recipe.without_effect)}; "
            "it reads those of [data], [linear] and [evaluation]"
        )
    return LinearPlanned(
        len(data.training),
        len(data.validation),
        data.training.labels,
        tuple(notes),
        data.added,
        f"logistic regression over TF-IDF · 1 to {settings.word_ngrams} words · 2 to {settings.character_ngrams} "
        f"characters · up to {settings.max_features:,} terms of each · C {settings.c:g}",
        run.path,
    )


def _fit_and_write(recipe: Recipe, data: PreparedData, run: RunDirectory, listen: Listener) -> Report:
    """Fit, score the validation comments, and write the result."""
    started = time.monotonic()
    fitted = fit_linear(data.training, LinearPlan(**recipe.linear.model_dump()))
    if fitted.not_converged:
        labels = ", ".join(fitted.not_converged)
        listen(Warned(0, f"the fit of {labels} has not converged: a smaller linear.c would"))
    classifier = Classifier(fitted.model)
    texts = data.validation.texts
    listen(ValidationStarted(1, len(texts)))
    logits = classifier.logits(texts, on_scored=lambda number: listen(ValidationScored(number)))
    _log(run, time.monotonic() - started)
    scored = fit_to_validation(classifier, data, logits, recipe)
    report = report_of_run(classifier, scored, data, recipe, ())
    card = CardFacts(
        **provenance.card_of_data(recipe, data, run),
        base_model="",
        max_length=0,
        best_epoch=0,
        epochs_run=0,
        versions=library_versions(LINEAR_LIBRARIES),
        kind="linear",
    )
    write_result(run, classifier, scored, report, card)
    return report


def _log(run: RunDirectory, seconds: float) -> None:
    """Log the wall time of fit and validation, and the peak memory, as for the epochs of an encoder."""
    log, peak = LineLog(run.timing), peak_memory("cpu")
    log.truncate(0)
    log.write({"kind": "fit", "step": 0, "seconds": round(seconds, 4)})
    if peak is not None:
        log.write({"kind": "memory", "step": 0, "peak": peak})
    log.flush()


@dataclass(frozen=True)
class LinearPlan:
    """How to fit.

    Parameters
    ----------
    word_ngrams, character_ngrams : words and characters of the longest terms
    max_features : most frequent terms kept, of words and of characters each
    c : inverse strength of the L2 penalty
    """

    word_ngrams: int = 2
    character_ngrams: int = 5
    max_features: int = 50_000
    c: float = 1.0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model, and the labels whose fit has not converged."""

    model: LinearModel
    not_converged: tuple[str, ...]


def check_both_classes(training: Dataset) -> None:
    """Raise a UserError for a label without a negative comment, which logistic regression cannot fit."""
    for label, targets in zip(training.labels, training.targets.T, strict=True):
        known = targets[~np.isnan(targets)]
        if not (known < 1).any():
            raise UserError(
                "training.one-class",
                f"none of the {len(known):,} training comments with a known target is negative",
                where=label,
                remedy="add comments without the label, or leave the label out (data.labels)",
            )


def fit_linear(training: Dataset, plan: LinearPlan) -> Fitted:
    """Fit one logistic regression for each label on TF-IDF of words and of characters.

    Comments whose target is unknown are left out for this label. A soft target t counts as a positive comment of
    weight t and a negative one of weight 1 - t, whose loss is the cross-entropy with t.

    Parameters
    ----------
    training : every label with a positive and a negative comment
    plan : how to fit

    References
    ----------
    Wang and Manning 2012, Baselines and Bigrams (linear models on n-grams as strong baselines); Lin, Weng and Keerthi
    2008, Trust Region Newton Method for Logistic Regression (the solver, liblinear, deterministic).
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    common = {"max_features": plan.max_features, "sublinear_tf": True, "dtype": np.float64}
    forms: dict[TermKind, TfidfVectorizer] = {
        "word": TfidfVectorizer(ngram_range=(1, plan.word_ngrams), **common),
        "character": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, plan.character_ngrams), **common),
    }
    longest = {"word": plan.word_ngrams, "character": plan.character_ngrams}
    matrices, terms = [], []
    for form, vectorizer in forms.items():
        try:
            matrices.append(vectorizer.fit_transform(training.texts))
        except ValueError as error:  # "empty vocabulary"
            found = f"the training comments contain no {form} to count: {error}"
            raise UserError("training.no-terms", found, remedy="give other comments") from error
        names = tuple(str(name) for name in vectorizer.get_feature_names_out())
        terms.append(Terms(form, longest[form], names, np.asarray(vectorizer.idf_, dtype=np.float64)))
    features = hstack(matrices).tocsr()
    num_labels = len(training.labels)
    weights, bias, not_converged = np.zeros((features.shape[1], num_labels)), np.zeros(num_labels), []
    for column, label in enumerate(training.labels):
        weights[:, column], bias[column], converged = _fit_label(features, training.targets[:, column], plan.c)
        if not converged:
            not_converged.append(label)
    return Fitted(LinearModel(training.labels, tuple(terms), weights, bias), tuple(not_converged))


def _fit_label(
    features: "object", targets: npt.NDArray[np.float32], c: float
) -> tuple[npt.NDArray[np.float64], float, bool]:
    """Return weights (F,), bias, and whether the fit has converged."""
    from scipy.sparse import vstack
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = [np.flatnonzero(targets > 0), np.flatnonzero(targets < 1)]  # NaN is neither; a soft target is both
    matrix = vstack([features[row] for row in rows]).tocsr()  # type: ignore[index]
    classes = np.repeat([1, 0], [len(row) for row in rows])
    shares = np.concatenate([targets[rows[0]], 1 - targets[rows[1]]]).astype(np.float64)
    model = LogisticRegression(C=c, solver="liblinear", max_iter=_MOST_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the caller warns, with the label's name
        model.fit(matrix, classes, sample_weight=shares)
    return model.coef_[0], float(model.intercept_[0]), int(model.n_iter_.max()) < _MOST_ITERATIONS
