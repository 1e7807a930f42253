"""A worker of a sweep: claims a trial, trains it and records its score, until no trial is left.

Any number of workers do so at once, on machines that share the sweep's folder or its database. They share nothing but
the study. `civility.training.train_run` trains each trial into a run directory of its own.
"""

import contextlib
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from civility.data.prepare import PreparedData, Wanted, prepare
from civility.documents.sweep_result import SweepResult
from civility.errors import Interrupted, UserError
from civility.metrics.policy import parse_policies
from civility.plain_text import count, listed, one_line
from civility.recipe import Recipe
from civility.recipe.differences import Reason, settings_for
from civility.search.space import Choices, Space, with_settings
from civility.search.study import COMMENTS, Claim, Study, open_study
from civility.search.sweep_directory import SweepDirectory
from civility.search.trial import TrialListener, run_trial
from civility.storage.atomic_files import no_empty_folder_on_failure, real_path
from civility.training.stop_signals import StopSignals
from civility.training.train_run import check

DEFAULT_TRIALS = 20
_FAILURES_TO_GIVE_UP = 3
_POLICY = "evaluation.policy"
_FREE = settings_for(Reason.UPKEEP, Reason.MACHINE, Reason.LOGGING, Reason.FILES, Reason.READING)
"""Settings that may differ when a sweep is resumed; comments are compared by their digests."""


@dataclass(frozen=True)
class SweepTask:
    """What a sweep is asked to do.

    Parameters
    ----------
    recipe : what all trials share
    space : what varies, and how to search
    directory : of the sweep
    num_trials : of the whole study, by all workers
    storage : URL of a database; empty: the SQLite file in the directory
    command : that resumes the sweep
    """

    recipe: Recipe
    space: Space
    directory: SweepDirectory
    num_trials: int
    storage: str = ""
    command: Sequence[str] = ()

    @property
    def resume_hint(self) -> str:
        """What is printed after an interruption."""
        return f"to resume: {shlex.join(self.command)}"

    @property
    def identity(self) -> dict[str, dict[str, object]]:
        """What must be the same whenever the sweep is resumed, except the comments."""
        varied = {one.key for one in self.space.dimensions}
        recipe = {key: value for key, value in self.recipe.flat().items() if key not in _FREE | varied}
        return {"recipe": recipe, **self.space.described()}

    def result(self, study: Study, data: PreparedData, *, with_importance: bool = False) -> SweepResult:
        """Return the state of the sweep.

        Parameters
        ----------
        study, data : its trials, and the comments of the shared recipe
        with_importance : takes a moment
        """
        importance, why = study.importance() if with_importance else ({}, None)
        described = self.space.described()
        return SweepResult(
            name=one_line(real_path(self.directory.path).name),
            recipe=self.recipe.flat(),
            metric=self.recipe.training.metric,
            search=described["sweep"],
            space=described["space"],
            num_planned=self.num_trials,
            trials=study.lines(),
            importance=dict(sorted(importance.items(), key=lambda item: -item[1])),
            why_no_importance=why,
            num_training=len(data.training),
            num_validation=len(data.validation),
        )


def number_of_trials(asked: int | None, space: Space) -> int:
    """Return how many trials a study has: as asked, by default 20; of a grid at most its points, by default all."""
    size = space.size
    if space.search.sampler == "grid" and size is not None:
        return min(asked or size, size)
    return asked or DEFAULT_TRIALS


class CommentCache:
    """The comments of the trials, read once for all trials whose recipes ask for the same."""

    def __init__(self) -> None:
        self._wanted: Wanted | None = None
        self._data: PreparedData | None = None

    def get(self, recipe: Recipe) -> PreparedData:
        """Return the comments of a recipe; raises as `civility.data.prepare.prepare` does."""
        wanted = recipe.wanted
        if not wanted.folds and not isinstance(wanted.validation, float):
            wanted = replace(wanted, seed=0)  # nothing is split
        if self._data is None or wanted != self._wanted:
            self._data = None  # two data sets may not fit into memory
            self._wanted, self._data = wanted, prepare(wanted)
        return self._data


def sweep(
    task: SweepTask,
    comments: CommentCache,
    *,
    listen: Callable[[SweepResult], None] = lambda result: None,
    is_orphan: Callable[[], bool] = lambda: False,
) -> SweepResult:
    """Train trials until the study has as many as planned; write the result and return it.

    Interrupted trials are resumed, and trials that other workers hold are left to them.

    Parameters
    ----------
    task : what to do
    comments : where comments that were read are kept
    listen : called with the state of the sweep every few seconds
    is_orphan : whether the process that started this worker has ended, which stops the worker

    Raises
    ------
    UserError : the study is of another sweep; the first trials all fail; the machine refuses something
    Interrupted : SIGTERM or Ctrl-C; everything trained so far is saved
    """
    data = comments.get(task.recipe)
    with _opened(task, data) as study, StopSignals() as signals:

        def wants_stop() -> bool:
            return signals.wanted() or is_orphan()

        while not wants_stop():
            with study.claim(task.num_trials) as claim:
                if claim is None:
                    break
                try:
                    _train(task, study, claim, comments, wants_stop, listen)
                except Interrupted as stop:
                    first = stop.message.splitlines()[0]
                    number = signals.number or stop.signal_number
                    raise Interrupted(f"trial {claim.number:04d}: {first}\n{task.resume_hint}", number) from None
                result = _write(task, study, data)
            listen(result)
            _give_up_if_all_fail(result, task)
        result = _write(task, study, data)
        if wants_stop():
            raise Interrupted(f"stopped between two trials\n{task.resume_hint}", signals.number or signal.SIGTERM)
        return result


@contextlib.contextmanager
def watch_sweep(task: SweepTask, data: PreparedData) -> Iterator[Callable[[], SweepResult]]:
    """Yield a function that returns the state of a sweep; write the result at the end of the block.

    Raises
    ------
    UserError : the study is of another sweep
    """
    with _opened(task, data) as study:
        try:
            yield lambda: task.result(study, data)
        finally:
            _write(task, study, data)


@contextlib.contextmanager
def _opened(task: SweepTask, data: PreparedData) -> Iterator[Study]:
    _check_policies(task, data)
    identity = {
        **task.identity,
        "data": {
            "training comments": data.training.comments_digest,
            "validation comments": data.validation.comments_digest,
        },
        COMMENTS: {
            "training comments": f"{count(len(data.training), 'comment')} from {listed(data.files)}",
            "validation comments": f"{count(len(data.validation), 'comment')} from {listed(data.validation_files)}",
        },
    }
    rises = task.recipe.training.metric != "loss"
    with contextlib.ExitStack() as stack:
        with no_empty_folder_on_failure(task.directory.path):
            task.directory.create()
            study = open_study(task.directory, task.space, identity, rises=rises, storage=task.storage)
            opened = stack.enter_context(study)
        yield opened


def _check_policies(task: SweepTask, data: PreparedData) -> None:
    """Refuse a policy that cannot be parsed before the first trial, if the labels do not vary."""
    if any(one.key == "data.labels" for one in task.space.dimensions):
        return
    choices = [one.values for one in task.space.dimensions if one.key == _POLICY and isinstance(one, Choices)]
    for policy in choices[0] if choices else (task.recipe.evaluation.policy,):
        parse_policies(policy, data.training.labels)


def _train(
    task: SweepTask,
    study: Study,
    claim: Claim,
    comments: CommentCache,
    wants_stop: Callable[[], bool],
    listen: Callable[[SweepResult], None],
) -> None:
    recipe = with_settings(task.recipe, claim.settings, f"trial {claim.number:04d}")
    try:
        data = comments.get(recipe)
    except UserError as error:
        comments.get(task.recipe)  # raises what is wrong with the shared files; otherwise only this trial is wrong
        claim.note(why=error.message)
        claim.end("failed")
        return

    def show() -> None:
        listen(task.result(study, data))

    show()
    listener = TrialListener(claim, task.recipe.training.metric, wants_stop, show)
    run = task.directory.trial(claim.number)
    run_trial(claim, recipe, data, run, listener, lambda: check(task.recipe, comments.get(task.recipe), run.path))


def _write(task: SweepTask, study: Study, data: PreparedData) -> SweepResult:
    """Write the result; one worker at a time, so that the last one to write has read every trial."""
    with task.directory.alone():
        result = task.result(study, data, with_importance=True)
        task.directory.write(result, task.recipe)
        return result


def _give_up_if_all_fail(result: SweepResult, task: SweepTask) -> None:
    failed = [one for one in result.trials if one.state == "failed"]
    if len(failed) >= _FAILURES_TO_GIVE_UP and not result.num("finished") and not result.num("pruned"):
        raise UserError(
            "search.all-trials-failed",
            f"the first {len(failed)} trials all failed; the last: {failed[-1].why}",
            where=task.directory.path,
            remedy="fix the recipe or the space, and start another sweep with another --out",
        )
