"""The events of a training run, each emitted once to its listener. Plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from civility.engine.progress import EpochDone, StepDone
from civility.engine.step_profile import StepsProfiled
from civility.engine.watch import Warned
from civility.evaluation import Report
from civility.run import RunDirectory
from civility.training.preflight import Check


@dataclass(frozen=True)
class Speed:
    """What makes the steps of a run fast or slow.

    Parameters
    ----------
    attention : name of the forward pass
    why_not_faster : why a faster one is not used; empty if it is the fastest
    rows_in_use : rows of the token embedding that are trained; None if all are
    why_whole : why all rows are trained
    token_cache : how the cache of tokens was used; empty for nothing unusual
    checkpointing : whether layers are computed again in the backward pass
    num_frozen : number of frozen parameters
    """

    attention: str
    why_not_faster: str
    rows_in_use: int | None
    why_whole: str
    token_cache: str
    checkpointing: bool
    num_frozen: int


@dataclass(frozen=True)
class Planned:
    """The part of a plan that both kinds of models have.

    ``notes`` are on the comments; ``added`` are phrases for what augmentation and pseudo labels add to training.
    """

    num_training: int
    num_validation: int
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    added: tuple[str, ...]
    model: str
    path: Path


@dataclass(frozen=True)
class LinearPlanned(Planned):
    """Emitted once, before a linear model is fitted; ``model`` is a description."""


@dataclass(frozen=True)
class RunPlanned(Planned):
    """Emitted once, before the first step: the plan of the run of an encoder, whose name is ``model``.

    Parameters
    ----------
    share_truncated : of the training comments, in [0, 1]
    global_batch : effective batch size
    loss_weights : by label
    metric : by which the best epoch is chosen
    steps_by : optimizer and schedule, unless they are AdamW and linear
    threads : why the CPU computes with this number of threads; empty on other devices
    fitted : how `--fit` chose the micro-batch; empty without it
    """

    num_parameters: int
    num_embeddings: int
    speed: Speed
    head_is_new: bool
    share_truncated: float
    device: str
    precision: str
    epochs: int
    steps_per_epoch: int
    global_batch: int
    loss: str
    loss_weights: dict[str, float]
    metric: str = "macro_roc_auc"
    steps_by: str = ""
    threads: str = ""
    fitted: str = ""


@dataclass(frozen=True)
class RunChecked:
    """Emitted once, before anything is written: the outcome of the preflight checks, to show in full or in brief."""

    checks: tuple[Check, ...]
    in_full: bool


@dataclass(frozen=True)
class RunResumed:
    """Emitted before the first step of a resumed run."""

    steps_done: int
    steps_per_epoch: int
    global_batch: int


@dataclass(frozen=True)
class ValidationStarted:
    """Emitted before the validation comments are scored."""

    epoch: int
    num_comments: int


@dataclass(frozen=True)
class ValidationScored:
    """Emitted after each batch of validation comments, with about how many have been scored since the last event."""

    num_comments: int


@dataclass(frozen=True)
class EpochJudged:
    """Emitted after each epoch."""

    epoch: EpochDone
    is_best: bool


@dataclass(frozen=True)
class RunFinished:
    """Emitted once, at the end: the classifier and its report are written.

    ``best_epoch`` and ``epochs_run`` are 0 for a linear model.
    """

    run: RunDirectory
    report: Report
    best_epoch: int
    epochs_run: int
    stopped_early: bool
    seconds: float


Event = (
    RunPlanned
    | LinearPlanned
    | RunChecked
    | RunResumed
    | Warned
    | StepDone
    | StepsProfiled
    | ValidationStarted
    | ValidationScored
    | EpochJudged
    | RunFinished
)
Listener = Callable[[Event], None]
