"""SweepResult: every number of a sweep. Table, page and Markdown are drawn from it alone."""

import math
import re
from statistics import NormalDist
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator

from civility.documents.document import Document, Number, Part

MOST_TOP = 5
"""Trials that are compared with the best."""
FEWEST_FOR_IMPORTANCE = 8
"""Finished trials that the importance of settings needs."""

# Words of older schemas, frozen: render/sentences may change, this must not.
_NOT_MEASURED = " is not measured of a model that is fitted without epochs"
WhyNoImportance = Literal["not_measured", "few_trials", "equal_scores"]
State = Literal["finished", "pruned", "failed", "unfinished"]


class TrialEnd(Part):
    """Why a trial was pruned or failed. `civility.render.sentences.sweep_sentences` turns it into a sentence."""

    code: Literal["pruned", "error", "out_of_memory", "damaged_log", "not_measured"] = Field(
        description="'pruned': its best was worse than half of the others'; 'error': it raised one"
    )
    text: str = Field(
        default="", description="message of the error, as it stands, path of the log, or metric that is not measured"
    )
    error_code: str = Field(default="", description="code of the error; empty if unknown")
    epoch: int = Field(default=0, description="epoch after which it was pruned, from 1; 0: not pruned")

    @classmethod
    def of_words(cls, words: str) -> Self | None:
        """Return the end from the sentence that older schemas and studies had; None if it is empty."""
        if not words:
            return None
        # Words of older schemas, frozen: render/sentences may change, this must not.
        if words == "the memory is too small for it":
            return cls(code="out_of_memory")
        pruned = re.match(r"after epoch (\d+) of \d+ its best was worse", words)
        if pruned is not None:
            return cls(code="pruned", epoch=int(pruned[1]))
        for code, ending in (("damaged_log", " is damaged"), ("not_measured", _NOT_MEASURED)):
            if words.endswith(ending):
                return cls.model_validate({"code": code, "text": words.removesuffix(ending)})
        return cls(code="error", text=words)


class TrialLine(Part):
    """One trial."""

    number: int = Field(description="from 0")
    state: State = Field(description="'unfinished' trials are running or were interrupted")
    settings: dict[str, Any] = Field(description="settings that vary, by 'section.key'")
    scores: dict[int, float] = Field(default={}, description="by epoch: the metric on the validation comments")
    epochs: int = Field(default=0, description="epochs planned")
    step: int = Field(default=0, description="optimizer steps done, as last reported; 0 if unknown")
    steps: int = Field(default=0, description="optimizer steps planned; 0 if unknown")
    best: Number = Field(default=None, description="best of the scores; null before the first")
    best_epoch: int = Field(default=0, description="its epoch, from 1; 0 before the first")
    low: Number = Field(default=None, description="lower end of the best score's 95 % interval; finished trials only")
    high: Number = Field(default=None, description="upper end of the best score's 95 % interval")
    seconds: Number = Field(default=None, description="seconds of training and validation, as far as known")
    seconds_left: Number = Field(default=None, description="seconds left, as last reported by a running trial")
    why: TrialEnd | None = Field(default=None, description="why it was pruned or failed; null if it was not")

    @field_validator("why", mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        return TrialEnd.of_words(value) if isinstance(value, str) else value


class SweepResult(Document):
    """A sweep as it stands."""

    WHAT: ClassVar[str] = "sweep result"
    SCHEMA: ClassVar[int] = 3
    REMEDY: ClassVar[str] = "run the sweep again"

    name: str = Field(description="name of the sweep's folder")
    recipe: dict[str, Any] = Field(description="settings that all trials share, by 'section.key'")
    metric: str = Field(description="macro_roc_auc, macro_average_precision or loss")
    search: dict[str, Any] = Field(description="how the space was searched")
    space: dict[str, Any] = Field(description="the space of settings")
    num_planned: int = Field(description="trials planned")
    trials: tuple[TrialLine, ...] = Field(description="in the order of their numbers")
    importance: dict[str, float] = Field(
        default={}, description="by setting: its share in what sets the better trials apart, 0 to 1; the sum is 1"
    )
    why_no_importance: WhyNoImportance | None = Field(
        default=None, description="why importance is missing: too few finished trials, or all score the same"
    )
    num_training: int = Field(default=0, description="training comments")
    num_validation: int = Field(default=0, description="validation comments")

    @classmethod
    def from_content(cls, content: dict[str, Any], source: object, remedy: str = "") -> Self:
        """As `Document.from_content`; schema 1 called its number ``schema_version``."""
        content = dict(content)
        version = content.pop("schema_version", None)
        return super().from_content({"schema": version, **content} if version else content, source, remedy)

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Read schemas 1 and 2: both have sentences in ``why`` (see `TrialLine`), schema 1 in ``why_no_importance``."""
        if schema > 1:
            return content
        # Words of older schemas, frozen: render/sentences may change, this must not.
        words = {"importance needs": "few_trials", "all finished trials": "equal_scores"}
        reason = content.get("why_no_importance", "")
        code = next((code for beginning, code in words.items() if reason.startswith(beginning)), None)
        return {**content, "why_no_importance": code or (None if content.get("importance") else "not_measured")}

    @property
    def rises(self) -> bool:
        """Whether a higher score is a better one."""
        return self.metric != "loss"

    @property
    def ranked(self) -> tuple[TrialLine, ...]:
        """The finished trials, the best first; of equal ones the earlier."""
        finished = [one for one in self.trials if one.state == "finished" and one.best is not None]
        sign = -1 if self.rises else 1
        return tuple(sorted(finished, key=lambda one: (sign * (one.best or 0.0), one.number)))

    def num(self, state: State) -> int:
        """Return the number of trials in a state."""
        return sum(one.state == state for one in self.trials)

    @property
    def num_tried(self) -> int:
        """The trials that the best was chosen from; a pruned one could have been the best."""
        return len(self.ranked) + self.num("pruned")

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds left: the mean of the trials that ended, divided among the workers that are running."""
        ended = [one.seconds for one in self.trials if one.state in ("finished", "pruned") and one.seconds]
        if not ended:
            return None
        running = self.num("unfinished")
        waiting = self.num_planned - len(self.trials)
        under_way = sum(one.seconds_left or 0.0 for one in self.trials if one.state == "unfinished")
        return (waiting * sum(ended) / len(ended) + under_way) / max(1, running)

    @property
    def standard_error(self) -> float | None:
        """Standard error of the best trial's score, from its 95 % interval; None without one."""
        best = self.ranked[0] if self.ranked else None
        if best is None or best.low is None or best.high is None:
            return None
        return (best.high - best.low) / (2 * NormalDist().inv_cdf(0.975))

    @property
    def luck(self) -> float | None:
        """Return how far the choice of comments alone would put the best of equally good trials ahead, at most.

        The standard error times the expected maximum of n standard normal numbers (Blom 1958: the normal quantile of
        (n - 0.375) / (n + 0.25)). This assumes independent errors; trials on the same comments are correlated. It does
        not cover seeds, whose variance a single run per trial cannot show.
        """
        error, num = self.standard_error, self.num_tried
        if error is None or num < 2:
            return None
        return error * NormalDist().inv_cdf((num - 0.375) / (num + 0.25))

    @property
    def rivals(self) -> tuple[TrialLine, ...]:
        """The trials other than the best that lie inside its interval."""
        if not self.ranked or self.ranked[0].low is None or self.ranked[0].high is None:
            return ()
        best = self.ranked[0]
        inside = [one for one in self.ranked[1:] if (best.low or 0.0) <= (one.best or math.nan) <= (best.high or 0.0)]
        return tuple(inside)
