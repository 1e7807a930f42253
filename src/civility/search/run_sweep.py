"""What a worker of a sweep does: claim a trial, train it, tell how it went, until there is none left.

Any number of workers do this at once, on machines that share the sweep's folder or its database. All that they share
is in the study; each trial is trained by `civility.training.train_run`, into a directory of its own.
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
from civility.plain_text import count, listed
from civility.recipe import Recipe
from civility.recipe.differences import Reason, settings_for
from civility.search.best_recipe import gather, write_result
from civility.search.space import Choices, Space, with_settings
from civility.search.study import COMMENTS, Claim, Study, open_study
from civility.search.sweep_directory import SweepDirectory
from civility.search.trial import Follower, run_trial
from civility.storage.atomic_files import no_empty_folder_on_failure
from civility.training.stop_signals import StopSignals
from civility.training.train_run import check

DEFAULT_TRIALS = 20
_FAILURES_TO_GIVE_UP = 3
_POLICY = "evaluation.policy"
_FREE = settings_for(Reason.UPKEEP, Reason.MACHINE, Reason.LOGGING, Reason.FILES, Reason.READING)
"""What may differ when a sweep is resumed; comments are compared by their digests."""


@dataclass(frozen=True)
class Task:
    """What a sweep is asked to do.

    Parameters
    ----------
    recipe : what all trials share
    space : what varies, and how it is searched
    directory : where everything is
    num_trials : of the whole study, whoever trains them
    storage : address of a database; empty: in the directory
    command : that goes on with the sweep
    """

    recipe: Recipe
    space: Space
    directory: SweepDirectory
    num_trials: int
    storage: str = ""
    command: Sequence[str] = ()

    @property
    def how_to_go_on(self) -> str:
        """What a person is told at an interruption."""
        return f"to go on: {shlex.join(self.command)}"


def number_of_trials(asked: int | None, space: Space) -> int:
    """Return how many trials a study has: as asked, at most the points of a grid; by default all of them, or 20.

    Raises
    ------
    UserError : less than one
    """
    if asked is not None and asked < 1:
        raise UserError("search.todo", f"--trials {asked}: expected at least 1", remedy="as in --trials 20")
    size = space.size
    if space.search.sampler == "grid" and size is not None:
        return min(asked or size, size)
    return asked or DEFAULT_TRIALS


class Comments:
    """The comments of the trials: read once for all that agree in what concerns them."""

    def __init__(self) -> None:
        self._wanted: Wanted | None = None
        self._data: PreparedData | None = None

    def of(self, recipe: Recipe) -> PreparedData:
        """Return the comments of a recipe.

        Raises
        ------
        UserError : as of `civility.data.prepare.prepare`
        """
        wanted = recipe.wanted
        if not wanted.folds and not isinstance(wanted.validation, float):
            wanted = replace(wanted, seed=0)  # files are not split
        if self._data is None or wanted != self._wanted:
            self._data = None  # two at once may not fit
            self._wanted, self._data = wanted, prepare(wanted)
        return self._data


def identity_of(task: Task, data: PreparedData) -> dict[str, dict[str, object]]:
    """Return what has to be the same whenever a sweep is gone on with."""
    varied = {one.key for one in task.space.dimensions}
    described = task.space.described()
    return {
        "recipe": {key: value for key, value in task.recipe.flat().items() if key not in _FREE | varied},
        "space": described["space"],
        "sweep": described["sweep"],
        "data": {
            "training comments": data.training.comments_digest,
            "validation comments": data.validation.comments_digest,
        },
        COMMENTS: {
            "training comments": f"{count(len(data.training), 'comment')} from {listed(data.files)}",
            "validation comments": f"{count(len(data.validation), 'comment')} from {listed(data.validation_files)}",
        },
    }


def sweep(
    task: Task,
    comments: Comments,
    *,
    listen: Callable[[SweepResult], None] = lambda result: None,
    is_orphan: Callable[[], bool] = lambda: False,
) -> SweepResult:
    """Train trials until the study has as many as it is to have, and leave the result; return it.

    Trials that were cut are gone on with, trials that other workers hold are left to them.

    Parameters
    ----------
    task : what to do
    comments : already read or not
    listen : told how the sweep stands, every few seconds
    is_orphan : whether who has started this worker is gone, which is taken as a wish to stop

    Raises
    ------
    UserError : the study there is of another sweep; the first trials all fail; the machine refuses
    Interrupted : SIGTERM or Ctrl-C; what was trained is saved
    """
    data = comments.of(task.recipe)
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
                    raise Interrupted(f"trial {claim.number:04d}: {first}\n{task.how_to_go_on}", number) from None
                result = _settle(task, study, data)
            listen(result)
            _give_up_if_all_fail(result, task)
        result = _settle(task, study, data)
        if wants_stop():
            raise Interrupted(f"stopped between two trials\n{task.how_to_go_on}", signals.number or signal.SIGTERM)
        return result


@contextlib.contextmanager
def watching(task: Task, data: PreparedData) -> Iterator[Callable[[], SweepResult]]:
    """Give what tells how a sweep stands, for who waits for workers; write the result at the end of the block.

    Raises
    ------
    UserError : the study there is of another sweep
    """
    with _opened(task, data) as study:
        try:
            yield lambda: gather(task.recipe, task.space, task.num_trials, study, data)
        finally:
            _settle(task, study, data)


@contextlib.contextmanager
def _opened(task: Task, data: PreparedData) -> Iterator[Study]:
    _check_policies(task, data)
    rises = task.recipe.training.metric != "loss"
    with contextlib.ExitStack() as stack:
        with no_empty_folder_on_failure(task.directory.path):
            task.directory.create()
            identity = identity_of(task, data)
            study = open_study(task.directory, task.space, identity, rises=rises, storage=task.storage)
            opened = stack.enter_context(study)
        yield opened


def _check_policies(task: Task, data: PreparedData) -> None:
    """Refuse a policy that cannot be read before the first trial, where the trials have the labels of the recipe."""
    if any(one.key == "data.labels" for one in task.space.dimensions):
        return
    choices = [one.values for one in task.space.dimensions if one.key == _POLICY and isinstance(one, Choices)]
    for policy in choices[0] if choices else (task.recipe.evaluation.policy,):
        parse_policies(policy, data.training.labels)


def _train(
    task: Task,
    study: Study,
    claim: Claim,
    comments: Comments,
    wants_stop: Callable[[], bool],
    listen: Callable[[SweepResult], None],
) -> None:
    recipe = with_settings(task.recipe, claim.settings, f"trial {claim.number:04d}")
    try:
        data = comments.of(recipe)
    except UserError as error:
        comments.of(task.recipe)  # raises what is wrong with the files that all share; else it is of this trial's own
        claim.note(why=error.message)
        claim.end("failed")
        return

    def tell() -> None:
        listen(gather(task.recipe, task.space, task.num_trials, study, data))

    tell()
    follower = Follower(claim, task.recipe.training.metric, wants_stop, tell)
    run = task.directory.trial(claim.number)
    run_trial(claim, recipe, data, run, follower, lambda: check(task.recipe, comments.of(task.recipe), run.path))


def _settle(task: Task, study: Study, data: PreparedData) -> SweepResult:
    """Write the result as it is now; one worker at a time, so that the last to write has read all."""
    with task.directory.alone():
        result = gather(task.recipe, task.space, task.num_trials, study, data, with_importance=True)
        write_result(result, task.recipe, task.directory)
        return result


def _give_up_if_all_fail(result: SweepResult, task: Task) -> None:
    failed = [one for one in result.trials if one.state == "failed"]
    if len(failed) >= _FAILURES_TO_GIVE_UP and not result.num("finished") and not result.num("pruned"):
        raise UserError(
            "search.todo",
            f"the first {len(failed)} trials all failed; the last: {failed[-1].why}",
            where=task.directory.path,
            remedy="mend the recipe or the space, and begin another sweep with another --out",
        )
