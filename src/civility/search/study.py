"""The study of a sweep: what its workers share, in Optuna's storage. Trials are claimed, told and read here.

What is drawn for a trial is a function of the seed, its number and, for TPE, of what is known by then; so neither
several workers nor a sweep that is gone on with draw the same again. Knows no training.
"""

import contextlib
import random
import uuid
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from civility.documents.sweep_result import FEWEST_FOR_IMPORTANCE, State, TrialLine, WhyNoImportance
from civility.errors import UserError
from civility.plain_text import shortened
from civility.recipe import defaults_of_all_versions
from civility.recipe.settings import REMOVED
from civility.search.space import Choices, Dimension, Scalar, Search, Space
from civility.search.sweep_directory import SweepDirectory
from civility.storage.atomic_files import real_path
from civility.storage.lock import Held, Lock

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
}
_ENDS = {state: end for end, state in _STATES.items()}
_IDENTITY, _DIRECTORY = "civility", "directory"
COMMENTS = "comments"
"""The part of an identity that says in words what the digests of its ``data`` are of."""
_LONGEST_NOTE = 2000  # columns of some databases end at 2048


class GridByNumber(BaseSampler):
    """Takes the point of a grid that has the trial's number; in an order shuffled by the seed.

    Optuna's own looks for points that nobody has, and two workers may find the same.
    """

    def __init__(self, space: Space) -> None:
        self._points = list(space.grid())
        random.Random(space.search.seed).shuffle(self._points)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return none: each setting is looked up by itself."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return none."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the setting at the trial's point."""
        return self._points[trial.number % len(self._points)][param_name]


def _sampler(space: Space, number: int) -> BaseSampler:
    search = space.search
    if search.sampler == "grid":
        return GridByNumber(space)
    seed = random.Random(f"{search.seed} {number}").getrandbits(32)
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=search.random_trials)


def _pruner(search: Search) -> optuna.pruners.BasePruner:
    if search.pruner == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(search.warmup_trials, search.warmup_epochs)


def _draw(trial: Trial, dimension: Dimension) -> Scalar:
    """Return the value of a trial in one dimension: drawn at the first time, looked up later."""
    if isinstance(dimension, Choices):
        return str(trial.suggest_categorical(dimension.key, dimension.names))
    low, high, log = dimension.low, dimension.high, dimension.log
    if dimension.whole:
        return trial.suggest_int(dimension.key, int(low), int(high), step=int(dimension.step or 1), log=log)
    return trial.suggest_float(dimension.key, low, high, step=dimension.step, log=log)


@dataclass(eq=False)
class Claim:
    """A trial that this worker holds: nobody else trains it.

    Parameters
    ----------
    number, settings : of the trial
    lock : to be signed now and then
    """

    number: int
    settings: dict[str, Any]
    lock: Lock
    _trial: Trial
    _pruner: optuna.pruners.BasePruner

    def report(self, epoch: int, score: float) -> bool:
        """Tell the score of an epoch, once; return whether the trial is to be pruned."""
        if epoch not in self._frozen.intermediate_values:  # an epoch that was told before the trial was cut
            self._trial.report(score, epoch)
        return bool(self._pruner.prune(self._trial.study, self._frozen))

    @property
    def _frozen(self) -> FrozenTrial:
        return self._trial.storage.get_trial(self._trial._trial_id)

    def note(self, **facts: Any) -> None:
        """Remember facts of the trial, for whoever looks."""
        for name, value in facts.items():
            short = value[:_LONGEST_NOTE] if isinstance(value, str) else value
            self._trial.set_user_attr(name, short)

    def end(self, state: State, score: float | None = None) -> None:
        """Tell the trial's end; a score only of one that finished."""
        values = None if score is None else [score]
        self._trial.storage.set_trial_state_values(self._trial._trial_id, _ENDS[state], values)


@dataclass(eq=False)
class Study:
    """The study of a sweep; from `open_study`."""

    space: Space
    directory: SweepDirectory
    _study: optuna.Study
    _place: str

    @contextlib.contextmanager
    def claim(self, num_trials: int) -> Iterator[Claim | None]:
        """Hold a trial while the block runs: one that was cut, before a new one; None where none is left.

        A trial is cut if the study holds it for running, its run directory is of this sweep's folder, and nobody
        holds its lock.

        Parameters
        ----------
        num_trials : of the whole study
        """
        with contextlib.ExitStack() as stack:
            with self.directory.alone():
                claim = self._cut_trial(stack) or self._new_trial(stack, num_trials)
            yield claim

    def _cut_trial(self, stack: contextlib.ExitStack) -> Claim | None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(_DIRECTORY) != self._place:
                continue
            try:
                lock = stack.enter_context(self.directory.claimed(trial.number))
            except Held:
                continue
            return self._claimed(Trial(self._study, trial._trial_id), lock)
        return None

    def _new_trial(self, stack: contextlib.ExitStack, num_trials: int) -> Claim | None:
        known = self._study.get_trials(deepcopy=False)
        if sum(one.state != TrialState.WAITING for one in known) >= num_trials:
            return None
        trial = self._ask(any(one.state == TrialState.WAITING for one in known))
        if trial.number >= num_trials:
            # Another folder's worker was quicker. It waits to be asked for again, where more trials are wanted.
            _put_back(trial)
            return None
        run = self.directory.trial(trial.number)
        if run.is_begun:
            _put_back(trial)
            raise UserError(
                "search.todo",
                "there is a run already, of which the study knows nothing",
                where=run.path,
                remedy="name the study's own folder, or begin another sweep with another --out",
            )
        lock = stack.enter_context(self.directory.claimed(trial.number))
        trial.set_user_attr(_DIRECTORY, self._place)
        return self._claimed(trial, lock)

    def _ask(self, some_wait: bool) -> Trial:
        """Return a trial that waits, or a new one, which is of this folder from its first moment.

        Else a worker of another folder that shares the database could take it for one of its own that was cut.
        """
        if some_wait:
            return self._study.ask()
        template = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={_DIRECTORY: self._place})
        storage = self._study._storage
        self._study._thread_local.cached_all_trials = None  # as `ask` does: TPE is to see what ended since
        return Trial(self._study, storage.create_new_trial(self._study._study_id, template_trial=template))

    def _claimed(self, trial: Trial, lock: Lock) -> Claim:
        self._study.sampler = _sampler(self.space, trial.number)
        point = {dimension.key: _draw(trial, dimension) for dimension in self.space.dimensions}
        return Claim(trial.number, self.space.settings(point), lock, trial, self._study.pruner)

    def lines(self) -> tuple[TrialLine, ...]:
        """Return how each trial stands, in the order of their numbers."""
        known = self._study.get_trials(deepcopy=False)
        return tuple(self._line(one) for one in known if one.state in _STATES)

    def _line(self, trial: FrozenTrial) -> TrialLine:
        notes, scores = trial.user_attrs, dict(sorted(trial.intermediate_values.items()))
        whole = len(trial.params) == len(self.space.dimensions)
        pick = min if self._study.direction == optuna.study.StudyDirection.MINIMIZE else max
        best_epoch = pick(scores, key=lambda epoch: scores[epoch]) if scores else 0
        low, high = notes.get("interval") or (None, None)
        return TrialLine(
            number=trial.number,
            state=_STATES[trial.state],
            settings=self.space.settings(trial.params) if whole else {},
            scores=scores,
            best=trial.value if trial.value is not None else scores.get(best_epoch),
            best_epoch=notes.get("kept_epoch", best_epoch),
            low=low,
            high=high,
            why=notes.get("why", ""),
            seconds=notes.get("seconds"),
            **(notes.get("progress") or {}),
        )

    def importance(self) -> tuple[dict[str, float], WhyNoImportance | None]:
        """Return the share of each setting in what sets the better trials apart, or why there is none.

        PED-ANOVA (Watanabe, Bansal and Hutter 2023, section 4): how far each setting's distribution in the best
        quarter of the finished trials is from its distribution in all.
        """
        finished = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(finished) < FEWEST_FOR_IMPORTANCE:
            return {}, "few_trials"
        if len({one.value for one in finished}) == 1:
            return {}, "equal_scores"
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {key: float(share) for key, share in found.items()}, None


def _put_back(trial: Trial) -> None:
    """Let a trial wait until somebody asks for one again; it is of no folder then."""
    trial.set_user_attr(_DIRECTORY, "")
    trial.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)


@contextlib.contextmanager
def open_study(
    directory: SweepDirectory, space: Space, identity: Mapping[str, Any], *, rises: bool, storage: str = ""
) -> Iterator[Study]:
    """Open the study of a sweep, or make it.

    Parameters
    ----------
    directory : of the sweep; exists
    space : what varies
    identity : what has to be the same whenever the sweep is gone on with, as JSON takes it, by name
    rises : whether a higher score is a better one
    storage : address of a database; empty: the one in the directory

    Raises
    ------
    UserError : the database cannot be opened, or the study there is of another space, recipe or data
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with directory.alone(), _explained(storage or directory.storage):
        # Other workers write at the same moment: SQLite waits for them.
        options = {} if storage else {"connect_args": {"timeout": 120}}
        store = optuna.storages.RDBStorage(storage or directory.storage, engine_kwargs=options)
        study = optuna.create_study(
            storage=store,
            # In a database of several sweeps by the folder's name; in its own, so that the folder may be renamed.
            study_name=real_path(directory.path).name if storage else "sweep",
            direction="maximize" if rises else "minimize",
            pruner=_pruner(space.search),
            load_if_exists=True,
        )
        try:
            _check_identity(study, identity, directory)
            place = _place_of(directory)
        except BaseException:
            store.engine.dispose()
            raise
    try:
        yield Study(space, directory, study, place)
    finally:
        store.remove_session()
        store.engine.dispose()


def _place_of(directory: SweepDirectory) -> str:
    """Return a name of the sweep's folder that is the same on every machine that shares it."""
    path = directory.trials / ".place"
    if not path.exists():
        directory.trials.mkdir(exist_ok=True)
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _check_identity(study: optuna.Study, identity: Mapping[str, Any], directory: SweepDirectory) -> None:
    before = study.user_attrs.get(_IDENTITY)
    if before is None:
        study.set_user_attr(_IDENTITY, dict(identity))
        return
    problems = []
    for part, now in identity.items():
        if part == COMMENTS:
            continue  # said of the data beside their digests
        was = before.get(part, {})
        # A setting that only one version of civility knows is at its default there; one that no longer counts is free.
        unknown = defaults_of_all_versions() if part == "recipe" else {}
        for key in sorted({*now, *(was.keys() & REMOVED)} if part == "recipe" else {*was, *now}):
            old, new = was.get(key, unknown.get(key)), now.get(key, unknown.get(key))
            if old != new:
                about = [_shown(value, of.get(COMMENTS, {}).get(key)) for value, of in ((old, before), (new, identity))]
                problems.append(f"{part}: {key} was {about[0]}, and is {about[1]} now")
    if problems:
        raise UserError(
            "search.todo",
            f"{directory.path}: the study there is of another sweep: " + "\n       ".join(problems),
            remedy="leave out what differs to resume it, or begin another sweep with another --out",
        )


def _shown(value: Any, comments: str | None) -> str:
    if value is None:
        return "not there"
    if isinstance(value, str) and value.startswith("sha256:"):
        return f"{comments or 'others'} ({value[:19]})"
    return shortened(repr(value), 120)


@contextlib.contextmanager
def _explained(storage: str) -> Iterator[None]:
    """Turn what a database refuses into a UserError; without the address, which may hold a password."""
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (ArgumentError, NoSuchModuleError) as error:
        raise UserError(
            "search.todo",
            f"no address of a database that can be used: {str(error).splitlines()[0].replace(storage, 'the address')}",
            where="--storage",
            remedy="as in --storage postgresql+psycopg://name@machine/database, with the driver installed",
        ) from error
    except (SQLAlchemyError, ModuleNotFoundError, ImportError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0].replace(storage, "the address")
        raise UserError(
            "search.todo", f"the study's database cannot be used: {first}", remedy="mend that, and repeat the command"
        ) from error
