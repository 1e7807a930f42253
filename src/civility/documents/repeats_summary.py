"""RepeatsSummary: each metric over repeats of a run, as ``summary.json`` has it."""

import statistics
from collections.abc import Iterable
from typing import ClassVar, Self

from pydantic import Field

from civility.documents.document import ExactDocument, Number, Part


class Variation(Part):
    """A number over several runs."""

    values: tuple[Number, ...] = Field(description="of each run, in their order; null where undefined")
    mean: Number = Field(description="of the values that are defined")
    sd: Number = Field(description="standard deviation of these, with n - 1; null for fewer than two")

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Self:
        """Return the mean and standard deviation of the values that are defined."""
        kept = tuple(values)
        known = [value for value in kept if value is not None]
        mean = statistics.fmean(known) if known else None
        return cls(values=kept, mean=mean, sd=statistics.stdev(known) if len(known) > 1 else None)


class RepeatsSummary(ExactDocument):
    """Repeats of one run: with other seeds, or on the folds of its data."""

    WHAT: ClassVar[str] = "summary of repeats"
    SCHEMA: ClassVar[int] = 1
    REMEDY: ClassVar[str] = "repeat the command with --resume, which writes it again"

    runs: tuple[str, ...] = Field(description="names of their folders, in their order")
    metrics: dict[str, dict[str, Variation]] = Field(description='by metric, then by label, "macro" first')
