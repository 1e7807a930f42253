"""Comparison: every number of a comparison, as its JSON has it. Table, Markdown and picture are drawn from it alone."""

from typing import Literal

from pydantic import Field

from civility.documents.document import Number, Part
from civility.plain_text import as_json

SCHEMA = 3
Setting = str | int | float | bool
Holds = Literal["settings", "classifiers"]
"""What a verdict is of: settings, whatever the seed; or the very classifiers, since one of the two has a single run."""


class Difference(Part):
    """How much better a row is than the baseline.

    Parameters
    ----------
    value : the row's mean less the baseline's; the higher, the better
    low, high : ends of the 95 % interval, of this difference alone
    p_value : two-sided, after the correction for all verdicts of the comparison; None where none is given
    verdict : by the p value
    holds_for : what it is of
    error_of_comments, error_of_seeds : the standard errors of both sources of noise; of seeds None if unknown
    """

    value: Number
    low: Number
    high: Number
    p_value: Number
    verdict: Literal["better", "worse", "no difference shown", "not measurable"]
    holds_for: Holds
    error_of_comments: Number
    error_of_seeds: Number


class Numbers(Part):
    """One number of a row: of each run, their mean, their standard deviation, and the difference (None: baseline)."""

    values: tuple[Number, ...]
    mean: Number
    spread: Number
    difference: Difference | None


class Metric(Part):
    """A metric of a row, by label and as the mean over those labels where it is defined for all runs compared.

    ``macro_measurable`` is the mean without the labels that have too few comments; None where there are no such labels,
    or no others.
    """

    labels: dict[str, Numbers]
    macro: Numbers
    macro_measurable: Numbers | None = None


class RunFacts(Part):
    """A run, or a report or classifier by itself, of which little but its name is known.

    Parameters
    ----------
    name : as it was named
    seed : None where unknown, as all that follows
    best_epoch, num_epochs : the epoch whose weights were kept, and how many were trained
    seconds : of all epochs with their validation, by the run's log; what a kill undid is not in it
    was_interrupted : so that it took longer than ``seconds``
    peak_memory : bytes, of the first process: on a GPU what was allocated there, else all of its main memory
    device : as the run named it
    training_digest : of the comments that it was trained on
    """

    name: str
    seed: int | None = None
    best_epoch: int | None = None
    num_epochs: int | None = None
    seconds: Number = None
    was_interrupted: bool = False
    peak_memory: int | None = None
    device: str = ""
    training_digest: str = ""


class Row(Part):
    """Runs of the same settings, that differ in their seed.

    Parameters
    ----------
    name : short, and like no other row's
    runs : one or more
    settings : those by which the rows differ; empty where no recipe is known
    metrics : by name
    """

    name: str
    runs: tuple[RunFacts, ...]
    settings: dict[str, Setting]
    metrics: dict[str, Metric]


class Comparison(Part):
    """Rows held against the first of them, on the same comments.

    Parameters
    ----------
    files : that all were scored on; empty: on the comments of their own reports
    digest, num_comments : of the comments
    num_positive : by label
    not_measurable : labels with too few positive or negative comments for a verdict on them, or on a mean over them
    metrics : those compared, in order
    rows : the baseline first
    num_verdicts : that were corrected for together
    num_resamples, seed, level : of bootstrap and intervals
    notes : what a person should know, a sentence each
    """

    schema_number: int = Field(default=SCHEMA, alias="schema")
    files: tuple[str, ...]
    digest: str
    num_comments: int
    num_positive: dict[str, int]
    not_measurable: tuple[str, ...] = ()
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    num_verdicts: int
    num_resamples: int
    seed: int
    level: float
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Return the small table that a notebook shows."""
        from civility.render.html.notebook import comparison_table

        return comparison_table(self)

    def to_json(self) -> str:
        """Return the document; what is undefined is null."""
        content = self.model_dump(mode="json", by_alias=True)
        return as_json(content, indent=1) + "\n"
