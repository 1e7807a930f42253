"""Compare runs on the same comments: differences from a baseline, and whether they are more than noise."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from civility.data.dataset import count_targets
from civility.data.reading import Columns
from civility.documents.comparison_result import (
    ComparedRow,
    Comparison,
    DifferenceVerdict,
    Metric,
    Numbers,
    RowDifference,
    RunFacts,
    Setting,
)
from civility.documents.note import Note, NoteCode
from civility.errors import UserError, did_you_mean
from civility.evaluation.compared_scores import (
    ScoredTarget,
    Target,
    facts_of,
    find_targets,
    merged_notes,
    missing_runs,
    read_source,
    refuse_other_comments,
    score_on,
)
from civility.evaluation.verdicts import (
    METRICS,
    Judged,
    JudgedMetric,
    Measured,
    judge,
    measure,
    rarer_of,
    resamples_for,
)
from civility.metrics.paired_test import Outcome, Pool
from civility.metrics.small_samples import FEWEST
from civility.recipe.settings import LINEAR_MODEL
from civility.render.charts.comparison_picture import to_svg
from civility.render.markdown.comparison_markdown import to_markdown
from civility.run.repeats_folder import is_seed_folder
from civility.storage.atomic_files import make_folder, write_file

_LEVEL = 0.95
OnScored = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ComparisonRequest:
    """What to compare, and how; a UserError for a metric that does not exist.

    Parameters
    ----------
    data : labelled files, with these columns, to score all on; none: the comments of their reports
    baseline : what the others are compared with; empty: the first
    metrics : of `METRICS`; each adds verdicts, and more verdicts make each harder to reach
    seed : of the bootstrap
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
        _write(found, files)
    return found


def _scored(
    targets: Sequence[Target], request: ComparisonRequest, on_scored: OnScored
) -> tuple[list[ScoredTarget], list[Note]]:
    """Return the scores of all on the same comments, and notes on these."""
    if request.data:
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


@dataclass(frozen=True)
class ComparisonFiles:
    """Where the files are: ``NAME.json``, ``NAME.md`` and ``NAME.svg`` in one folder."""

    json: Path
    markdown: Path
    svg: Path


def check_out(out: Path) -> ComparisonFiles:
    """Return the files of an ``--out``: in a folder, or beside a JSON file; a UserError if it is another file."""
    if out.suffix == ".json" and not out.is_dir():
        return ComparisonFiles(out, out.with_suffix(".md"), out.with_suffix(".svg"))
    if out.exists() and not out.is_dir():
        remedy = "name a folder, or a file that ends in .json"
        raise UserError("evaluation.bad-out", "not a folder", where=f"--out {out}", remedy=remedy)
    return ComparisonFiles(*(out / f"comparison.{ending}" for ending in ("json", "md", "svg")))


def _write(comparison: Comparison, files: ComparisonFiles) -> None:
    make_folder(files.json.parent)
    written = {
        files.svg: to_svg(comparison),
        files.markdown: to_markdown(comparison, files.svg.name),
        files.json: comparison.to_json(),
    }
    for path, text in written.items():
        with write_file(path) as file:
            file.write(text)


_VERDICTS: dict[Outcome, DifferenceVerdict] = {
    Outcome.BETTER: "better",
    Outcome.WORSE: "worse",
    Outcome.NOT_SHOWN: "not_shown",
    Outcome.NOT_MEASURABLE: "not_measurable",
}


@dataclass
class Group:
    """The runs of a row: their positions among all runs, common settings, and seeds."""

    members: list[int]
    settings: Mapping[str, Setting]
    seeds: set[int]


def grouped(facts: Sequence[RunFacts], settings: Sequence[Mapping[str, Setting]]) -> list[Group]:
    """Return the rows, in the order of their first runs.

    A second run with the same settings and seed gets a row of its own: pooled with the first, it would lower the
    standard deviation over seeds. So does a report or classifier without a run.
    """
    groups: list[Group] = []
    for place, (run, own) in enumerate(zip(facts, settings, strict=True)):
        seeds = set() if run.seed is None else {run.seed}
        fitting = (one for one in groups if seeds and one.seeds and not seeds & one.seeds and one.settings == own)
        group = next(fitting, None)
        if group is None:
            groups.append(Group([place], own, seeds))
        else:
            group.members.append(place)
            group.seeds |= seeds
    return groups


def different_settings(groups: Sequence[Group]) -> list[dict[str, Setting]]:
    """Return, for each row, the settings in which rows differ, in the order of the recipe; empty if unknown."""
    known = [group.settings for group in groups if group.settings]
    keys = list(dict.fromkeys(key for settings in known for key in settings))
    differing = [key for key in keys if len({str(settings[key]) for settings in known if key in settings}) > 1]
    return [{key: group.settings[key] for key in differing if key in group.settings} for group in groups]


def row_names(groups: Sequence[Group], facts: Sequence[RunFacts]) -> list[str]:
    """Return a short name for each row: of its run or its folder of seeds, without a common beginning."""
    names = [_name([facts[place].name for place in group.members]) for group in groups]
    parents = [str(Path(name).parent) for name in names]
    if len(names) > 1 and len({Path(name).is_absolute() for name in names}) == 1:
        common = os.path.commonpath(parents)
        shorter = [str(Path(name).relative_to(common)) if common else name for name in names]
        names = shorter if len(set(shorter)) == len(set(names)) else names
    return [name if names.count(name) == 1 else f"{name} ({place + 1})" for place, name in enumerate(names)]


def _name(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    parents = {str(Path(name).parent) for name in names}
    if len(parents) == 1 and all(is_seed_folder(Path(name)) for name in names):
        return parents.pop()
    return f"{names[0]} and {len(names) - 1} more"


def rows_of(
    groups: Sequence[Group],
    facts: Sequence[RunFacts],
    measured: Measured,
    judged: Sequence[Sequence[JudgedMetric]],
    metrics: Sequence[str],
    labels: Sequence[str],
    too_few: npt.NDArray[np.bool_],
) -> tuple[ComparedRow, ...]:
    """Return a row for each group, the baseline first.

    Facts and measurements are of all M runs, verdicts of each group except the first, by metric. ``too_few`` (L,) are
    the labels that are not measurable.
    """
    rows = []
    named = zip(groups, row_names(groups, facts), different_settings(groups), strict=True)
    for place, (group, name, settings) in enumerate(named):
        found = {}
        for i, metric in enumerate(metrics):
            against = judged[place - 1][i] if place else None
            pools = [measured.pool(group.members, i, label) for label in range(len(labels))]
            of_labels = map(_numbers, pools, against.labels if against else [None] * len(labels))
            macro = _numbers(measured.macro(group.members, i), against.macro if against else None)
            measurable = None
            if (too_few & measured.defined(i)).any() and (~too_few & measured.defined(i)).any():
                own = measured.macro(group.members, i, ~too_few)
                measurable = _numbers(own, against.measurable if against else None)
            of_label = dict(zip(labels, of_labels, strict=True))
            found[metric] = Metric(labels=of_label, macro=macro, macro_measurable=measurable)
        runs = tuple(facts[member] for member in group.members)
        rows.append(ComparedRow(name=name, runs=runs, settings=settings, metrics=found))
    return tuple(rows)


def _numbers(pool: Pool, against: Judged | None) -> Numbers:
    difference = None
    if against is not None:
        each = against.difference
        difference = RowDifference(
            value=each.value,
            low=each.low,
            high=each.high,
            p_value=each.p_value,
            verdict=_VERDICTS[each.verdict],
            holds_for="settings" if against.of_settings else "classifiers",
            error_of_comments=against.noise.comments,
            error_of_seeds=against.noise.seeds,
        )
    return Numbers(
        values=tuple(map(float, pool.values)), mean=pool.mean, spread=pool.standard_deviation, difference=difference
    )


def notes_on(rows: Sequence[ComparedRow], too_few: Sequence[str], linear: Collection[str] = ()) -> list[Note]:
    """Return what a reader should know before believing the table.

    Labels with too few comments have no verdict; ``linear`` are the names of the rows of linear models.
    """
    notes = _on_few_comments(rows, too_few) if too_few else []
    if len(rows) == 1:
        notes.append(Note(code="one_row"))
    else:
        notes += _on_few_runs(rows)
    for row in rows:
        if len({run.training_digest for run in row.runs}) > 1:
            notes.append(Note(code="different_training", names=(row.name,)))
        elif len(row.runs) > 1 and row.name in linear:
            notes.append(Note(code="no_seed", names=(row.name,)))
    return notes


def _on_few_comments(rows: Sequence[ComparedRow], too_few: Sequence[str]) -> list[Note]:
    """Return what is not measurable, by metric if these differ: a metric undefined for a label leaves it out."""
    kinds: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for metric in rows[0].metrics:
        lacking = {label for label in too_few if any(row.metrics[metric].labels[label].mean is None for row in rows)}
        parts = (tuple(one for one in too_few if one not in lacking), tuple(one for one in too_few if one in lacking))
        kinds.setdefault(parts, []).append(metric)
    notes = []
    for (measured, undefined), metrics in kinds.items():
        first = rows[0].metrics[metrics[0]]
        if measured:
            code: NoteCode = "not_measurable_in_macro" if first.macro_measurable else "not_measurable"
            notes.append(Note(code=code, labels=measured, metrics=tuple(metrics) if len(kinds) > 1 else ()))
        if undefined:
            code = "undefined_macro" if first.macro.mean is None else "undefined"
            notes.append(Note(code=code, labels=undefined, metrics=tuple(metrics)))
    return notes


def _on_few_runs(rows: Sequence[ComparedRow]) -> list[Note]:
    names = {num: tuple(row.name for row in rows if len(row.runs) == num) for num in (1, 2)}
    notes = []
    if names[1]:
        code: NoteCode = "single_runs" if len(rows[0].runs) == 1 else "single_runs_of_others"
        notes.append(Note(code=code, names=names[1]))
    if names[2] and len(rows[0].runs) > 1:
        notes.append(Note(code="two_runs", names=names[2]))
    return notes


def notes_on_choices(facts: Sequence[RunFacts], is_chosen: Sequence[bool]) -> list[Note]:
    """Return a note if some of M runs, or their members, were chosen on the very comments from more than others."""
    tried = [(run.num_epochs or 0) if chosen else 1 for run, chosen in zip(facts, is_chosen, strict=True)]
    if len(set(tried)) < 2:
        return []
    chosen_here = [(run.name, num) for run, num in zip(facts, tried, strict=True) if num != 1]
    names, epochs = zip(*chosen_here, strict=True)
    return [Note(code="chosen_here", names=names, epochs=epochs)]
