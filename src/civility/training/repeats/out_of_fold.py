"""Out-of-fold scores: every comment is scored by the run that was not trained on it. A table of them, and a report.

The scores are read from the reports of the runs; no model is loaded. Scores of labels whose calibration was fitted on
the fold itself are those of calibrations that were fitted on other comments.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from civility.arrays import Ints, Scores
from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData
from civility.documents.report import ClassifierFacts
from civility.errors import UserError
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.labelled_comments import thresholds_for
from civility.evaluation.report_files import read_scores_of, write_report
from civility.metrics.policy import parse_policies
from civility.recipe import Recipe
from civility.run import ReportFiles, RunDirectory
from civility.run.repeats_folder import RepeatsFolder
from civility.storage.atomic_files import write_file
from civility.storage.parsing import read_text

_REMEDY = "train that run again"


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """All comments in the order of their files, each scored by the run of its fold.

    Parameters
    ----------
    dataset : N comments
    scores : (N, L)
    fold : (N,) from 1
    """

    dataset: Dataset
    scores: Scores
    fold: Ints


def gather_out_of_fold(runs: Sequence[RunDirectory], data: Sequence[PreparedData]) -> OutOfFold:
    """Return the scores that finished runs give to the folds on which they were validated.

    Parameters
    ----------
    runs, data : of each fold, in their order

    Raises
    ------
    UserError : a run has no scores, or scores of other comments
    """
    parts, places = [], []
    for run, own in zip(runs, data, strict=True):
        files = run.own_report
        scores = read_scores_of(files.scores, read_text(files.json, _REMEDY))
        is_own = scores.digest == own.validation.comments_digest and scores.ids == own.validation.ids
        if not is_own or not np.array_equal(scores.targets, own.validation.targets, equal_nan=True):
            raise UserError(
                "training.other-scores",
                f"has scores of other comments than {run.path.name}",
                where=files.scores,
                remedy=_REMEDY,
            )
        assert own.held_out is not None
        parts.append(scores.honest_scores)
        places.append(own.held_out)
    order = np.argsort(np.concatenate(places), kind="stable")
    dataset = functools.reduce(Dataset.joined, (own.validation for own in data)).select(order)
    fold = np.repeat(np.arange(1, len(places) + 1), [len(place) for place in places])
    return OutOfFold(dataset, np.concatenate(parts)[order], fold[order].astype(np.int64))


def write_out_of_fold(found: OutOfFold, folder: RepeatsFolder) -> None:
    """Write ids, targets, scores and folds as Parquet, with the columns of a report's scores and ``fold``.

    Raises
    ------
    UserError : no permission, no space
    """
    dataset = found.dataset
    columns = {"id": pa.array(dataset.ids, pa.string())}
    columns |= {f"target:{label}": pa.array(dataset.targets[:, i]) for i, label in enumerate(dataset.labels)}
    columns |= {f"score:{label}": pa.array(found.scores[:, i]) for i, label in enumerate(dataset.labels)}
    columns["fold"] = pa.array(found.fold)
    with write_file(folder.out_of_fold, "wb") as file:
        pq.write_table(pa.table(columns), file)


def report_out_of_fold(
    found: OutOfFold, recipe: Recipe, run: RunDirectory, data: PreparedData, folder: RepeatsFolder
) -> tuple[Report, ReportFiles]:
    """Measure the scores of all comments and write the report; thresholds are chosen on all of them together.

    Parameters
    ----------
    found : the scores
    recipe : of any run
    run, data : of the first fold, for what the runs have in common
    folder : where to write

    Raises
    ------
    UserError : no permission, no space
    """
    num_folds = recipe.data.folds
    policies = parse_policies(recipe.evaluation.policy, data.training.labels)
    choices = thresholds_for(found.dataset, found.scores, policies)
    chosen = {label for label, choice in choices.items() if choice.from_data}
    scored = Scored(
        found.dataset,
        found.scores,
        {label: choice.threshold for label, choice in choices.items()},
        {label: choice.review_threshold for label, choice in choices.items() if choice.review_threshold is not None},
        {label: str(choice.policy) for label, choice in choices.items()},
        set(policies) - chosen,
    )
    own = Report.read(run.own_report.json, _REMEDY)
    subject = Subject(
        folder.report.name,
        data.files,
        ClassifierFacts(name=f"{own.classifier.name}, {num_folds} folds", max_length=own.classifier.max_length),
        ("thresholds",) if recipe.is_linear else ("epoch", "thresholds"),
        (f"every comment is scored by one of {num_folds} runs that was not trained on it", *data.notes),
    )
    report = report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
    return report, write_report(report, scored, folder.path)
