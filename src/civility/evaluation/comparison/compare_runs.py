"""Compare runs on the same comments: differences from a baseline, and whether they are more than noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from civility.data.dataset import count_targets
from civility.data.reading import Columns
from civility.documents.comparison_result import Comparison
from civility.documents.note import Note
from civility.errors import UserError, did_you_mean
from civility.evaluation.comparison.compared_scores import (
    ScoredTarget,
    Target,
    find_targets,
    merged_notes,
    missing_runs,
    read_source,
    refuse_other_comments,
)
from civility.evaluation.comparison.run_facts import facts_of
from civility.evaluation.comparison.table import grouped, notes_on, notes_on_choices, rows_of
from civility.evaluation.comparison.verdicts import METRICS, JudgedMetric, judge, measure, rarer_of, resamples_for
from civility.metrics.small_samples import FEWEST
from civility.recipe.fields import LINEAR_MODEL
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
    data : labelled files to score all on; none: the comments of their reports
    columns : of these files
    baseline : what the others are compared with; empty: the first
    metrics : of `METRICS`; each adds verdicts, and more verdicts make each harder to reach
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
                found = f"no metric {metric!r}{did_you_mean(metric, METRICS)}"
                raise UserError("evaluation.no-such-metric", found, remedy=f"the metrics are {', '.join(METRICS)}")


def compare(
    names: Sequence[str],
    request: ComparisonRequest = ComparisonRequest(),
    *,
    out: Path | None = None,
    on_scored: OnScored = lambda what, num_comments, total: None,
) -> Comparison:
    """Compare runs on the same comments, each with the first, by a paired bootstrap.

    The same comments are drawn for all, so that hard comments cancel out. Runs whose settings differ only in their
    seed form one row; its verdicts hold for the settings if the baseline has several runs too, else for these very
    classifiers. All verdicts are corrected together (Holm).

    Parameters
    ----------
    names : run directories, folders of runs named ``seed-…``, and the JSON files of reports
    request : what to compare, and how
    out : a folder for JSON, Markdown and picture, or the JSON file, beside which the others go
    on_scored : called after each batch with what is scored, the batch size and the total

    Raises
    ------
    UserError : nothing to compare, an unfinished run, or other comments
    """
    files = None if out is None else check_out(out)
    if request.baseline:
        names = [request.baseline, *(name for name in names if Path(name) != Path(request.baseline))]
    targets = find_targets(names)
    if len(targets) < 2:
        raise UserError(
            "evaluation.not-comparable",
            "a single run or report has nothing to be compared with",
            remedy="name two: civility compare runs/baseline runs/other",
        )
    described = [facts_of(target) for target in targets]
    sources, notes = _scored(targets, request, on_scored)
    facts = [each for each, _ in described]
    notes += notes_on_choices(facts, [source.is_chosen for source in sources])
    groups = grouped(facts, [settings for _, settings in described])
    members, scores = [group.members for group in groups], sources[0].scores
    rarer = rarer_of(scores.targets)
    measured = measure(
        scores.targets,
        [source.scores.scores for source in sources],
        [source.cuts for source in sources],
        request.metrics,
        num_resamples=resamples_for(members, len(request.metrics), rarer),
        seed=request.seed,
    )
    too_few = rarer < FEWEST
    judged = judge(measured, members, too_few, _LEVEL)
    rows = rows_of(groups, facts, measured, judged, request.metrics, scores.labels, too_few)
    linear = {
        row.name for row, group in zip(rows, groups, strict=True) if group.settings.get("model.name") == LINEAR_MODEL
    }
    not_measurable = tuple(label for label, few in zip(scores.labels, too_few, strict=True) if few)
    found = Comparison(
        files=request.data,
        digest=scores.digest,
        num_comments=len(scores.ids),
        num_positive=dict(zip(scores.labels, count_targets(scores.targets)[0].tolist(), strict=True)),
        not_measurable=not_measurable,
        metrics=request.metrics,
        rows=rows,
        num_verdicts=_count_verdicts(judged),
        num_resamples=measured.resampled.shape[-1],
        seed=request.seed,
        level=_LEVEL,
        notes=(*missing_runs(names), *notes, *notes_on(rows, not_measurable, linear)),
    )
    if files is not None:
        write_comparison(found, files)
    return found


def _scored(
    targets: Sequence[Target], request: ComparisonRequest, on_scored: OnScored
) -> tuple[list[ScoredTarget], list[Note]]:
    """Return the scores of all on the same comments, and notes on these."""
    if request.data:
        from civility.evaluation.comparison.compared_scores import score_on  # needs torch

        sources, of_files = score_on(targets, request.data, request.columns, on_scored)
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
    """Return the files of an ``--out``: in a folder, or beside a JSON file.

    Raises
    ------
    UserError : a file of another kind has this name
    """
    if out.suffix == ".json" and not out.is_dir():
        return ComparisonFiles(out, out.with_suffix(".md"), out.with_suffix(".svg"))
    if out.exists() and not out.is_dir():
        remedy = "name a folder, or a file that ends in .json"
        raise UserError("evaluation.bad-out", "not a folder", where=f"--out {out}", remedy=remedy)
    return ComparisonFiles(*(out / f"{_NAME}.{ending}" for ending in ("json", "md", "svg")))


def write_comparison(comparison: Comparison, files: ComparisonFiles) -> None:
    """Write the files; their folder is created if it does not exist.

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
