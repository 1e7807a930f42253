"""The linear model: TF-IDF and logistic regression, fitted in one go, with the run directory of any other run.

Nothing is kept on the way: a run that is interrupted starts again from the beginning.
"""

import os
import time
import warnings

import numpy as np
import numpy.typing as npt

from civility.data.dataset import Dataset
from civility.documents.classifier_file import TermKind
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.metrics.policy import parse_policies
from civility.processes import processes_of
from civility.recipe.settings import LinearSettings
from civility.run.place import check_place, check_unfinished
from civility.scoring.classifier import Classifier
from civility.scoring.linear_model import LinearModel, Terms
from civility.training import events
from civility.training.build import Job
from civility.training.finalize import write_result
from civility.training.open_run import environment_of_linear, log_fit, take_directory
from civility.training.preflight import Check, refuse_failed
from civility.training.preflight.data_checks import checks_of_the_comments
from civility.training.resume import check_same_settings

_MOST_ITERATIONS = 1_000


def train_linear(job: Job) -> None:
    """Fit a linear model, and write it to a run directory with its report; UserError for what the user can fix."""
    started, run, data = time.monotonic(), job.run, job.data
    checks = check_linear(job, in_full=False)
    with take_directory(run, job.begin, lambda text: job.emit(Warned(0, text))):
        run.remove_leftovers()
        run.write_first_files(job.recipe, environment_of_linear(job, checks))
        fit_started = time.monotonic()
        model, not_converged = fit_linear(data.training, job.recipe.linear)
        if not_converged:
            labels = ", ".join(not_converged)
            job.emit(Warned(0, f"the fit of {labels} has not converged: a smaller linear.c would"))
        classifier, texts = Classifier(model), data.validation.texts
        job.emit(events.ValidationStarted(1, len(texts)))
        logits = classifier.logits(texts, on_scored=lambda number: job.emit(events.ValidationScored(number)))
        log_fit(run, time.monotonic() - fit_started)
        report = write_result(run, job.recipe, data, classifier, logits)
    job.emit(events.RunFinished(run, report, 0, 0, False, time.monotonic() - started))


def check_linear(job: Job, *, in_full: bool) -> list[Check]:
    """Emit the plan and the outcome of the checks, passed ones too if ``in_full``; write nothing.

    Raises
    ------
    UserError : what the user can fix, including a failed check
    """
    recipe, data, run = job.recipe, job.data, job.run
    check_place(run, job.begin)
    if job.begin == "resume":
        check_unfinished(run)
        if run.recipe_file.is_file():
            check_same_settings(run, recipe)
    parse_policies(recipe.evaluation.policy, data.training.labels)
    _refuse_options(job)
    check_both_classes(data.training)
    job.emit(_planned(job))
    checks = checks_of_the_comments(recipe.data.labels, data.training, data.validation)
    job.emit(events.RunChecked(tuple(checks), in_full=in_full))
    refuse_failed(checks)
    return checks


def _refuse_options(job: Job) -> None:
    """Raise a UserError for options that need steps, micro-batches or several processes."""
    why, option = "", ""
    if job.tracker:
        why, option = "has no steps to log", f"--tracker {job.tracker}"
    elif job.recipe.training.fit:
        why, option = "has no micro-batches to fit to the memory", "--fit"
    elif processes_of(os.environ).num > 1:
        why, option = "is fitted by one process on a CPU", "torchrun or accelerate launch"
    if why:
        raise UserError("training.linear-option", f"a linear model {why}", where=option, remedy="leave it out")


def _planned(job: Job) -> events.LinearPlanned:
    recipe, data = job.recipe, job.data
    settings, notes = recipe.linear, list(data.notes)
    if recipe.without_effect:
        notes.append(
            f"a linear model ignores these settings: {', '.join(recipe.without_effect)}; "
            "it reads those of [data], [linear] and [evaluation]"
        )
    return events.LinearPlanned(
        len(data.training),
        len(data.validation),
        data.training.labels,
        tuple(notes),
        data.added,
        f"logistic regression over TF-IDF · 1 to {settings.word_ngrams} words · 2 to {settings.character_ngrams} "
        f"characters · up to {settings.max_features:,} terms of each · C {settings.c:g}",
        job.run.path,
    )


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


def fit_linear(training: Dataset, settings: LinearSettings) -> tuple[LinearModel, list[str]]:
    """Fit one logistic regression for each label on TF-IDF of words and of characters.

    Return the model, and the labels whose fit has not converged. Every label needs a positive and a negative comment.

    Comments whose target is unknown are left out for this label. A soft target t counts as a positive comment of
    weight t and a negative one of weight 1 - t, whose loss is the cross-entropy with t.

    References
    ----------
    Wang and Manning 2012, Baselines and Bigrams (linear models on n-grams as strong baselines); Lin, Weng and Keerthi
    2008, Trust Region Newton Method for Logistic Regression (the solver, liblinear, deterministic).
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    common = {"max_features": settings.max_features, "sublinear_tf": True, "dtype": np.float64}
    forms: dict[TermKind, TfidfVectorizer] = {
        "word": TfidfVectorizer(ngram_range=(1, settings.word_ngrams), **common),
        "character": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, settings.character_ngrams), **common),
    }
    longest = {"word": settings.word_ngrams, "character": settings.character_ngrams}
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
        weights[:, column], bias[column], converged = _fit_label(features, training.targets[:, column], settings.c)
        if not converged:
            not_converged.append(label)
    return LinearModel(training.labels, tuple(terms), weights, bias), not_converged


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
