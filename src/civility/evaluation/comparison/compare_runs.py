"""Compare: runs on the same comments become a table of differences, and whether they are more than noise.

The story: find what was named, get its scores, put runs of the same settings together, measure, judge, write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from civility.data.dataset import POSITIVE_FROM
from civility.data.reading import Columns
from civility.documents.comparison_result import Comparison
from civility.documents.note import Note
from civility.errors import UserError, did_you_mean
from civility.evaluation.comparison.compared_scores import (
    ScoredTarget,
    Target,
    find_targets,
    merged_notes,
    read_source,
    refuse_other_comments,
)
from civility.evaluation.comparison.run_facts import facts_of
from civility.evaluation.comparison.table import grouped, notes_on, notes_on_choices, rows_of
from civility.evaluation.comparison.verdicts import METRICS, JudgedMetric, judge, measure, rarer_of, resamples_for
from civility.metrics.small_samples import FEWEST
from civility.render.charts.comparison_picture import to_svg
from civility.render.markdown.comparison_markdown import to_markdown
from civility.storage.atomic_files import make_folder, write_file

_LEVEL = 0.95
OnScored = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ComparisonRequest:
    """What to compare, and how.

    Parameters
    ----------
    data : labelled files to score all on, classifier folders and hub names too; none: on the comments of their
        reports, of a run those that it held out
    columns : of these files
    baseline : what the others are compared with; empty: the first
    metrics : of `METRICS`; each brings verdicts of its own, and the more there are, the harder is each to reach
    seed : of the bootstrap

    Raises
    ------
    UserError : no such metric
    """

    data: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)
    baseline: str = ""
    metrics: tuple[str, ...] = METRICS[:1]
    seed: int = 0

    def __post_init__(self) -> None:
        for metric in self.metrics:
            if metric not in METRICS:
                raise UserError(
                    "evaluation.todo",
                    f"no metric {metric!r}{did_you_mean(metric, METRICS)}",
                    remedy=f"the metrics are {', '.join(METRICS)}",
                )


def compare(
    names: Sequence[str],
    question: ComparisonRequest = ComparisonRequest(),
    *,
    out: Path | None = None,
    on_scored: OnScored = lambda what, num_comments, total: None,
) -> Comparison:
    """Compare runs on the same comments, each with the first, by a paired bootstrap.

    The same comments are drawn for all, so that what all find hard cancels out. Runs whose settings differ only in
    their seed form one row; its verdicts hold for the settings if the baseline has several runs too, and else for
    these very classifiers. All verdicts hold together (Holm).

    Parameters
    ----------
    names : run directories, folders of runs named ``seed-…``, and the JSON files of reports
    question : how to compare
    out : a folder for JSON, Markdown and picture, or the JSON file, beside which the others go
    on_scored : told, after each batch, what is scored, the number of texts in the batch and in all

    Raises
    ------
    UserError : nothing to compare, a run that has not ended, or not the same comments
    """
    files = None if out is None else check_out(out)
    if question.baseline:
        names = [question.baseline, *(name for name in names if Path(name) != Path(question.baseline))]
    targets = find_targets(names)
    if len(targets) < 2:
        raise UserError(
            "evaluation.todo",
            "one run or report is nothing to compare",
            remedy="name two: civility compare runs/baseline runs/other",
        )
    described = [facts_of(target) for target in targets]
    sources, notes = _scored(targets, question, on_scored)
    facts = [each for each, _ in described]
    notes += notes_on_choices(facts, [source.is_chosen for source in sources])
    groups = grouped(facts, [settings for _, settings in described])
    members, scores = [group.members for group in groups], sources[0].scores
    rarer = rarer_of(scores.targets)
    measured = measure(
        scores.targets,
        [source.scores.scores for source in sources],
        [source.cuts for source in sources],
        question.metrics,
        num_resamples=resamples_for(members, len(question.metrics), rarer),
        seed=question.seed,
    )
    too_few = rarer < FEWEST
    judged = judge(measured, members, too_few, _LEVEL)
    rows = rows_of(groups, facts, measured, judged, question.metrics, scores.labels, too_few)
    not_measurable = tuple(label for label, few in zip(scores.labels, too_few, strict=True) if few)
    found = Comparison(
        files=question.data,
        digest=scores.digest,
        num_comments=len(scores.ids),
        num_positive=dict(zip(scores.labels, (scores.targets >= POSITIVE_FROM).sum(axis=0).tolist(), strict=True)),
        not_measurable=not_measurable,
        metrics=question.metrics,
        rows=rows,
        num_verdicts=_count_verdicts(judged),
        num_resamples=measured.resampled.shape[-1],
        seed=question.seed,
        level=_LEVEL,
        notes=(*notes, *notes_on(rows, not_measurable)),
    )
    if files is not None:
        write_comparison(found, files)
    return found


def _scored(
    targets: Sequence[Target], question: ComparisonRequest, on_scored: OnScored
) -> tuple[list[ScoredTarget], list[Note]]:
    """Return the scores of all, on the same comments, and what a person should know of these."""
    if question.data:
        from civility.evaluation.comparison.compared_scores import score_on  # needs torch

        sources, of_files = score_on(targets, question.data, question.columns, on_scored)
        refuse_other_comments(sources, "name the columns: --text-column and --id-column")
        return sources, of_files
    sources = [read_source(target) for target in targets]
    refuse_other_comments(
        sources, "give --data FILE, labelled comments that took part in none of the runs: all are scored on these"
    )
    notes = [(source.target.name, note) for source in sources for note in source.notes]
    return sources, merged_notes(notes, len(sources))


def _count_verdicts(judged: Sequence[Sequence[JudgedMetric]]) -> int:
    every = [one.difference.p_value for row in judged for metric in row for one in metric.every]
    return int(np.count_nonzero(~np.isnan(every)))


_NAME = "comparison"


@dataclass(frozen=True)
class ComparisonFiles:
    """Where the files are: ``NAME.json``, ``NAME.md`` and ``NAME.svg`` in one folder."""

    json: Path
    markdown: Path
    svg: Path


def check_out(out: Path) -> ComparisonFiles:
    """Return the files of an ``--out``: a folder, or the JSON file, beside which the others go.

    Raises
    ------
    UserError : something that is neither JSON nor a folder has this name
    """
    if out.suffix == ".json" and not out.is_dir():
        return ComparisonFiles(out, out.with_suffix(".md"), out.with_suffix(".svg"))
    if out.exists() and not out.is_dir():
        raise UserError(
            "evaluation.todo", f"--out {out}: not a folder", remedy="name a folder, or a file that ends in .json"
        )
    return ComparisonFiles(*(out / f"{_NAME}.{ending}" for ending in ("json", "md", "svg")))


def write_comparison(comparison: Comparison, files: ComparisonFiles) -> None:
    """Write the files; their folder is made if need be.

    Raises
    ------
    UserError : no permission, no space
    """
    make_folder(files.json.parent)
    written = {
        files.svg: to_svg(comparison),
        files.markdown: to_markdown(comparison, files.svg.name),
        files.json: comparison.to_json(),
    }
    for path, text in written.items():
        with write_file(path) as file:
            file.write(text)
