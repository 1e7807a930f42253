"""Fitting a linear model: a logistic regression for each label on TF-IDF of words and characters, with scikit-learn."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.data.dataset import Dataset
from civility.documents.linear_file import TermKind
from civility.errors import UserError
from civility.scoring.linear_model import LinearModel, Terms

_ROUNDS = 1_000


@dataclass(frozen=True)
class LinearPlan:
    """The settings of a fit.

    Parameters
    ----------
    word_ngrams, character_ngrams : most words, and characters, of a term
    max_features : most frequent terms that are kept, of words and of characters each
    c : inverse strength of the L2 penalty
    """

    word_ngrams: int = 2
    character_ngrams: int = 5
    max_features: int = 50_000
    c: float = 1.0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model, and the labels whose fit did not converge."""

    model: LinearModel
    unsettled: tuple[str, ...]


def check_both_classes(training: Dataset) -> None:
    """Raise a UserError for a label without a negative comment: a logistic regression needs both classes."""
    for label, targets in zip(training.labels, training.targets.T, strict=True):
        known = targets[~np.isnan(targets)]
        if not (known < 1).any():
            raise UserError(
                "engine.nothing-to-train",
                f"{label} has no negative comment in training (0 of {len(known):,} known): a linear "
                "model cannot learn it",
                remedy="add comments that lack it, or leave the label out (data.labels)",
            )


def fit_linear(training: Dataset, plan: LinearPlan) -> Fitted:
    """Fit a logistic regression for each label on TF-IDF of words and of characters.

    Comments with an unknown target are left out for that label. A soft target t counts as a positive comment of weight
    t and a negative one of weight 1 - t, which gives the cross-entropy with t.

    Parameters
    ----------
    training : comments, with at least one positive and one negative for every label
    plan : the settings

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
            raise UserError(
                "engine.nothing-to-train",
                f"the training comments have no {form} to count: {error}",
                remedy="give other comments",
            ) from error
        names = tuple(str(name) for name in vectorizer.get_feature_names_out())
        terms.append(Terms(form, longest[form], names, np.asarray(vectorizer.idf_, dtype=np.float64)))
    features = hstack(matrices).tocsr()
    num_labels = len(training.labels)
    weights, bias, unsettled = np.zeros((features.shape[1], num_labels)), np.zeros(num_labels), []
    for column, label in enumerate(training.labels):
        weights[:, column], bias[column], settled = _fit_label(features, training.targets[:, column], plan.c)
        if not settled:
            unsettled.append(label)
    return Fitted(LinearModel(training.labels, tuple(terms), weights, bias), tuple(unsettled))


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
    model = LogisticRegression(C=c, solver="liblinear", max_iter=_ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported by the caller, with the label's name
        model.fit(matrix, classes, sample_weight=shares)
    return model.coef_[0], float(model.intercept_[0]), int(model.n_iter_.max()) < _ROUNDS
