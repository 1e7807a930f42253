"""Comparison: every number of a comparison. Table, Markdown and picture are drawn from it alone."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from civility.documents.document import Document, Number, Part
from civility.documents.note import Note
from civility.documents.run_environment import RecordedDevice

Setting = str | int | float | bool
Holds = Literal["settings", "classifiers"]
"""What a verdict is about: settings, whatever the seed, or these very classifiers, as one side has a single run."""
DifferenceVerdict = Literal["better", "worse", "not_shown", "not_measurable"]


class RowDifference(Part):
    """How much better a row is than the baseline."""

    value: Number = Field(description="mean of the row less that of the baseline, -1 to 1; higher is better")
    low: Number = Field(description="lower end of the interval of this difference alone")
    high: Number = Field(description="upper end of the interval of this difference alone")
    p_value: Number = Field(description="two-sided, corrected for all verdicts (Holm), 0 to 1; null without a verdict")
    verdict: DifferenceVerdict = Field(description="by the p value")
    holds_for: Holds = Field(description="what the verdict is about")
    error_of_comments: Number = Field(description="standard error from the choice of comments, 0 or more")
    error_of_seeds: Number = Field(description="standard error from the seeds, 0 or more; null if unknown")


class Numbers(Part):
    """One number of a row."""

    values: tuple[Number, ...] = Field(description="of each run, 0 to 1; higher is better")
    mean: Number = Field(description="mean over the runs, 0 to 1")
    spread: Number = Field(description="standard deviation over the runs, 0 or more; null for a single run")
    difference: RowDifference | None = Field(description="null for the baseline")


class Metric(Part):
    """One metric of a row."""

    labels: dict[str, Numbers] = Field(description="by label")
    macro: Numbers = Field(description="mean over the labels for which the metric is defined for all runs")
    macro_measurable: Numbers | None = Field(
        default=None, description="mean without the labels that have too few comments; null if it is the same or empty"
    )


class RunFacts(Part):
    """A run; for a report or classifier that belongs to no run only the name is known."""

    name: str = Field(description="name, as given")
    seed: int | None = Field(default=None, description="seed of the run")
    best_epoch: int | None = Field(default=None, description="epoch whose weights were kept, from 1")
    num_epochs: int | None = Field(default=None, description="epochs trained")
    seconds: Number = Field(
        default=None, description="seconds of all epochs with their validation, without work that an interruption lost"
    )
    was_interrupted: bool = Field(default=False, description="it was resumed, so it took longer than 'seconds'")
    peak_memory: int | None = Field(
        default=None, description="peak bytes of the first process: allocated on the GPU, else of main memory"
    )
    device: RecordedDevice | None = Field(default=None, description="device; null if unknown")
    training_digest: str = Field(default="", description="SHA-256 of the training comments")


class ComparedRow(Part):
    """Runs of the same settings with different seeds."""

    name: str = Field(description="short name, unique among the rows")
    runs: tuple[RunFacts, ...] = Field(description="one or more")
    settings: dict[str, Setting] = Field(description="settings in which rows differ; empty if no recipe is known")
    metrics: dict[str, Metric] = Field(description="by metric")


class Comparison(Document):
    """Rows compared with the first of them, the baseline, on the same comments."""

    WHAT: ClassVar[str] = "comparison"
    SCHEMA: ClassVar[int] = 5
    REMEDY: ClassVar[str] = "compare again"

    files: tuple[str, ...] = Field(description="files that all were scored on; empty: the comments of their reports")
    digest: str = Field(description="SHA-256 of the comments")
    num_comments: int = Field(description="comments, 1 or more")
    num_positive: dict[str, int] = Field(description="by label: positive comments")
    not_measurable: tuple[str, ...] = Field(
        default=(), description="labels with fewer than 10 positive or negative comments, which get no verdict"
    )
    metrics: tuple[str, ...] = Field(description="metrics compared, in order")
    rows: tuple[ComparedRow, ...] = Field(description="the baseline first")
    num_verdicts: int = Field(description="verdicts that were corrected together")
    num_resamples: int = Field(description="resamples of the paired bootstrap")
    seed: int = Field(description="seed of the bootstrap")
    level: float = Field(description="level of intervals and verdicts, 0 to 1")
    notes: tuple[Note, ...] = Field(description="what a reader should know")

    def _repr_html_(self) -> str:
        """Return the small table that a notebook shows."""
        from civility.render.html.notebook import comparison_table

        return comparison_table(self)

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Read schemas 3 and 4: both have the device in words, and schema 3 the verdicts."""
        if schema < 3:
            raise ValueError(f"schema {schema} is too old")
        codes = {"no difference shown": "not_shown", "not measurable": "not_measurable"}
        rows = []
        for row in content["rows"]:
            metrics = {}
            for name, metric in row["metrics"].items():
                labels = {label: _with_codes(numbers, codes) for label, numbers in metric["labels"].items()}
                macros = {
                    key: _with_codes(metric[key], codes)
                    for key in ("macro", "macro_measurable")
                    if metric.get(key) is not None
                }
                metrics[name] = {"labels": labels, **macros}
            runs = [{**run, "device": RecordedDevice.of_words(run.get("device", ""))} for run in row["runs"]]
            rows.append({**row, "runs": runs, "metrics": metrics})
        return {**content, "rows": rows}


def _with_codes(numbers: dict[str, Any], codes: dict[str, str]) -> dict[str, Any]:
    difference = numbers["difference"]
    if difference is None:
        return numbers
    verdict = codes.get(difference["verdict"], difference["verdict"])
    return {**numbers, "difference": {**difference, "verdict": verdict}}
