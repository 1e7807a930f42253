"""CheckpointState: progress.json of a checkpoint, the place in the run and all state that is not a tensor."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from civility.documents.document import ExactDocument
from civility.storage.parsing import parse_json

Count = Annotated[int, Field(strict=True, ge=0)]


@dataclass(frozen=True)
class Progress:
    """A place in a run, between two optimizer steps.

    Parameters
    ----------
    epoch : 0-based epoch in progress
    num_comments : comments of this epoch that are done; after the last one its validation comes next
    step : optimizer steps done since the beginning of the run
    loss_sum, num_known : of this epoch so far: the summed loss and the number of known targets in the sum
    """

    epoch: Count = 0
    num_comments: Count = 0
    step: Count = 0
    loss_sum: float = 0.0
    num_known: Count = 0

    def after_step(self, num_comments: int, loss: float, num_known: int) -> "Progress":
        """Return the place after one more optimizer step.

        Parameters
        ----------
        num_comments : in the step
        loss : its mean over its known targets; unused if none is known
        num_known : known targets in the step
        """
        added = loss * num_known if num_known else 0.0
        return Progress(
            self.epoch,
            self.num_comments + num_comments,
            self.step + 1,
            self.loss_sum + added,
            self.num_known + num_known,
        )

    @property
    def mean_loss(self) -> float:
        """Mean loss of the epoch so far over its known targets; NaN if none was known."""
        return self.loss_sum / self.num_known if self.num_known else float("nan")


class CheckpointState(ExactDocument):
    """The state of a run at one place, without its tensors."""

    WHAT: ClassVar[str] = "checkpoint"
    SCHEMA: ClassVar[int] = 3
    REMEDY: ClassVar[str] = "remove this folder to resume from the checkpoint before it, or begin again with --restart"

    progress: Progress = Field(description="the place in the run")
    scaler: dict[str, Any] | None = Field(description="state of the gradient scaler of fp16; null for others")
    facts: dict[str, Any] = Field(description="what the run itself wants to remember")
    groups: str = Field(default="", description="sha256 of the optimizer's kind and groups; empty: AdamW, one group")
    counters: list[dict[str, Any]] = Field(default=[], description="what the optimizer counts for each group")
    average: dict[str, int] | None = Field(default=None, description="what the average of weights counts")

    @classmethod
    def parse(cls, text: str, source: object, remedy: str = "") -> Self:
        """Return the state in a JSON text; as `Document.parse`."""
        # Older versions wrote the best score before the first epoch as -Infinity, which is not JSON.
        return cls.from_content(parse_json(text, str(source), remedy or cls.REMEDY, finite=False), source, remedy)
