"""Restore a run: bring every process to the checkpoint from which it resumes."""

import math
from dataclasses import replace

from civility.engine.checkpoint import has_logits, load_checkpoint
from civility.errors import UserError
from civility.training.build import RunParts, loss_watch_of
from civility.training.build_trainer import plan_of
from civility.training.events import RunResumed
from civility.training.resume import StartingPoint


def restore_everywhere(parts: RunParts, found: StartingPoint | UserError) -> None:
    """Bring every process to the starting point that the first one has found.

    Parameters
    ----------
    parts : changed in place
    found : of the first process, or its error, which every process raises; other processes give anything

    Raises
    ------
    UserError : the error of the first process, or a checkpoint that does not fit the model
    """
    from accelerate.utils import broadcast_object_list

    point: UserError | StartingPoint = broadcast_object_list([found])[0]
    if isinstance(point, UserError):
        raise point
    if point.folder is not None:
        _restore(parts, point)


def _restore(parts: RunParts, point: StartingPoint) -> None:
    assert point.folder is not None
    trainer, facts = parts.trainer, point.facts
    if facts["global_size"] != trainer.shape.global_size:  # that of a newer checkpoint, which was skipped
        trainer.shape = replace(trainer.shape, global_size=facts["global_size"])
        trainer.plan = plan_of(parts.recipe, trainer.shape, len(trainer.data.tokens))
        parts.loss_watch = loss_watch_of(trainer)
    trainer.progress = load_checkpoint(
        point.folder, trainer.model, trainer.optimizer, trainer.precision.scaler, trainer.average
    )
    parts.loss_watch.restore(facts["loss_watch"])
    stopping = parts.stopping
    stopping.last_epoch = facts["stopping"]["last_epoch"]
    if point.forgets_best:
        # Patience begins anew. These weights are the best there are, if they have been validated.
        stopping.best_epoch = stopping.last_epoch
        parts.best_step = trainer.progress.step if has_logits(point.folder) else 0
    else:
        score = facts["stopping"]["best_score"]
        stopping.best_score = -math.inf if score is None else score
        stopping.best_epoch = facts["stopping"]["best_epoch"]
        parts.best_step = facts["best_step"]
    # A micro-batch that was halved for lack of memory stays so, unless another one is asked for.
    if parts.recipe.training.batch_size == facts["recipe"]["training.batch_size"]:
        trainer.shape = replace(trainer.shape, batch_size=facts["batch_size"])
    steps_per_epoch = trainer.shape.num_steps(len(trainer.data.tokens))
    parts.emit(RunResumed(trainer.progress.step, steps_per_epoch, trainer.shape.global_size))
