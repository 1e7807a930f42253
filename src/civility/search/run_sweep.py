"""A worker of a sweep: claims a trial, trains it and records its score, until no trial is left. Also starts workers.

Any number of workers do so at once, on machines that share the sweep's folder or its database. They share nothing but
the study. `civility.training.train_run` trains each trial into a run directory of its own.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from civility.data.prepare import PreparedData, Wanted, prepare
from civility.documents.sweep_result import SweepResult
from civility.errors import Interrupted, UserError
from civility.metrics.policy import parse_policies
from civility.plain_text import count, listed, one_line
from civility.recipe import Reason, Recipe, settings_for
from civility.render.sentences.sweep_sentences import end_sentence
from civility.search.space import Choices, Space, with_settings
from civility.search.study import COMMENTS, Claim, Study, open_study
from civility.search.sweep_directory import SweepDirectory
from civility.search.trial import error_end, run_trial
from civility.storage.atomic_files import no_empty_folder_on_failure, real_path
from civility.training.stop_signals import StopSignals
from civility.training.train_run import check

DEFAULT_TRIALS = 20
_FAILURES_TO_GIVE_UP = 3
_SECONDS_BETWEEN_TICKS = 1.0
_LINES_SHOWN = 6
"""Of the log of a worker that failed."""
_FREE = settings_for(Reason.UPKEEP, Reason.MACHINE, Reason.LOGGING, Reason.FILES, Reason.READING)
"""Settings that may differ when a sweep is resumed; comments are compared by their digests."""


@dataclass(frozen=True)
class SweepTask:
    """What a sweep is asked to do.

    Parameters
    ----------
    recipe : what all trials share
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

    def result(self, study: Study, data: PreparedData, *, with_importance: bool = False) -> SweepResult:
        """Return the state of the sweep; ``data`` are the comments of the shared recipe. Importance takes a moment."""
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
    size = space.size if space.search.sampler == "grid" else None
    return asked or DEFAULT_TRIALS if size is None else min(asked or size, size)


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
    """Yield a function that returns the state of a sweep; write the result at the end. Raises as `sweep` does."""
    with _opened(task, data) as study:
        try:
            yield lambda: task.result(study, data)
        finally:
            _write(task, study, data)


@contextlib.contextmanager
def _opened(task: SweepTask, data: PreparedData) -> Iterator[Study]:
    policies: tuple[str, ...] = (task.recipe.evaluation.policy,)
    for one in task.space.dimensions:
        if isinstance(one, Choices) and one.key == "evaluation.policy":
            policies = one.values
    for policy in policies:  # one that cannot be parsed is refused before the first trial
        parse_policies(policy, data.training.labels)
    free = _FREE | {one.key for one in task.space.dimensions}
    identity = {
        "recipe": {key: value for key, value in task.recipe.flat().items() if key not in free},
        **task.space.described(),
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
        claim.end("failed", why=error_end(error))
        return

    def show() -> None:
        listen(task.result(study, data))

    show()
    run = task.directory.trial(claim.number)
    run_trial(
        claim,
        recipe,
        data,
        run,
        wants_stop=wants_stop,
        on_record=show,
        check_shared=lambda: check(task.recipe, comments.get(task.recipe), run.path),
    )


def _write(task: SweepTask, study: Study, data: PreparedData) -> SweepResult:
    """Write the result; one worker at a time, so that the last one to write has read every trial."""
    with task.directory.alone():
        result = task.result(study, data, with_importance=True)
        task.directory.write(result, task.recipe)
        return result


def _give_up_if_all_fail(result: SweepResult, task: SweepTask) -> None:
    failed = [one for one in result.trials if one.state == "failed"]
    if len(failed) >= _FAILURES_TO_GIVE_UP and not result.num("finished") and not result.num("pruned"):
        found = f"the first {len(failed)} trials all failed; the last: {end_sentence(failed[-1])}"
        remedy = "fix the recipe or the space, and start another sweep with another --out"
        raise UserError("search.all-trials-failed", found, where=task.directory.path, remedy=remedy)


def run_workers(
    arguments: Sequence[str],
    num: int,
    directory: SweepDirectory,
    *,
    resume_hint: str,
    on_tick: Callable[[], None] = lambda: None,
) -> UserError | None:
    """Start workers and wait for all of them; return the error of one that failed.

    Parameters
    ----------
    arguments : of the command line, without its name; each worker gets ``--worker NUMBER`` with them
    directory : their output goes to its logs
    resume_hint : printed after an interruption
    on_tick : called about once a second

    Raises
    ------
    Interrupted : SIGTERM or Ctrl-C, which is passed on; all workers have saved
    """
    devices = _gpus(os.environ)
    with contextlib.ExitStack() as stack, StopSignals() as signals:
        workers = []
        for number in range(1, num + 1):
            log = directory.worker_log(number)
            log.parent.mkdir(exist_ok=True)
            file = stack.enter_context(log.open("w", encoding="utf-8"))
            command = [sys.executable, "-m", "civility", *arguments, "--worker", str(number)]
            # LOCAL_WORLD_SIZE: how many workers share the CPU of this machine.
            changes = {"LOCAL_WORLD_SIZE": str(num)}
            if len(devices) > 1:
                changes["CUDA_VISIBLE_DEVICES"] = devices[(number - 1) % len(devices)]
            workers.append(
                subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=os.environ | changes)
            )
        was_passed_on = False
        while running := [worker for worker in workers if worker.poll() is None]:
            on_tick()
            if signals.wanted() and not was_passed_on:
                was_passed_on = True
                for worker in workers:
                    worker.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running[0].wait(_SECONDS_BETWEEN_TICKS)
    if signals.wanted():
        raise Interrupted(f"all {num} workers have saved and ended\n{resume_hint}", signals.number)
    return _failure_of([worker.returncode for worker in workers], directory, resume_hint)


def _failure_of(codes: Sequence[int], directory: SweepDirectory, resume_hint: str) -> UserError | None:
    for number, code in enumerate(codes, start=1):
        if code:
            log = directory.worker_log(number)
            how = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LINES_SHOWN:]
            last = "".join(f"\n       {line.strip()}" for line in lines)
            return UserError(
                "search.worker-failed",
                f"worker {number} {how}:{last}",
                remedy=f"its whole output is in {log}; {resume_hint}",
            )
    return None


def _gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the GPUs of this process, by the names that ``CUDA_VISIBLE_DEVICES`` takes."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
