"""What a training run tells while it runs: each fact once, to whoever listens. Plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from civility.engine.progress import EpochDone, StepDone
from civility.engine.watch import Warned
from civility.evaluation import Report
from civility.run import RunDirectory
from civility.training.preflight.check import Check


@dataclass(frozen=True)
class Speed:
    """How a run goes through its model.

    Parameters
    ----------
    attention : name of the forward pass
    why_not_faster : why it is not a faster one; nothing if it is the fastest there is
    rows_in_use : of the token embedding, trained alone; None where all are
    why_whole : why all are
    token_cache : how the cache of tokens took part; nothing where there is nothing to tell
    checkpointing : whether layers are computed again in the backward pass
    num_frozen : parameters that are left as they are
    """

    attention: str
    why_not_faster: str
    rows_in_use: int | None
    why_whole: str
    token_cache: str
    checkpointing: bool
    num_frozen: int


@dataclass(frozen=True)
class RunPlanned:
    """Told once, before the first step: what is about to happen.

    ``added`` is what training has beside the comments of its files, a phrase each. ``metric`` is what the best epoch is
    chosen by, ``steps_by`` the optimiser and the schedule where they are not those of the baseline, ``threads`` says
    why a processor computes with as many as it does, ``fitted`` how a step is shared out and why; the last three are
    empty where there is nothing to say.
    """

    num_training: int
    num_validation: int
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    added: tuple[str, ...]
    model: str
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
    path: Path
    metric: str = "macro_roc_auc"
    steps_by: str = ""
    threads: str = ""
    fitted: str = ""


@dataclass(frozen=True)
class LinearPlanned:
    """Told once, before a linear model is fitted: what is about to happen, and the settings that have no part in it."""

    num_training: int
    num_validation: int
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    added: tuple[str, ...]
    model: str
    path: Path


@dataclass(frozen=True)
class RunChecked:
    """Told once, before anything is written: what the checks found, to be shown in full or in brief."""

    checks: tuple[Check, ...]
    in_full: bool


@dataclass(frozen=True)
class RunResumed:
    """Told before the first step of a run that is gone on with: how far it is, and the shape of its steps."""

    steps_done: int
    steps_per_epoch: int
    global_batch: int


@dataclass(frozen=True)
class ValidationStarted:
    """Told before the validation comments are scored."""

    epoch: int
    num_comments: int


@dataclass(frozen=True)
class ValidationScored:
    """Told after each batch of validation comments, with about how many have been scored since the last."""

    num_comments: int


@dataclass(frozen=True)
class EpochJudged:
    """Told after each epoch: its numbers, and whether it is the best so far."""

    epoch: EpochDone
    is_best: bool


@dataclass(frozen=True)
class RunFinished:
    """Told once, at the end: the classifier is in place, and the report of the validation comments.

    ``epochs_run`` is 0 of a model that has no epochs.
    """

    run: RunDirectory
    report: Report
    best_epoch: int
    epochs_run: int
    stopped_early: bool
    seconds: float


Fact = (
    RunPlanned
    | LinearPlanned
    | RunChecked
    | RunResumed
    | Warned
    | StepDone
    | ValidationStarted
    | ValidationScored
    | EpochJudged
    | RunFinished
)
Listener = Callable[[Fact], None]
