"""The study of a sweep: the trials that its workers share, in a database of Optuna.

The settings of a trial depend on the seed, on its number and, with TPE, on the trials that ended before it. So several
workers never draw the same settings, nor does a sweep that is resumed.
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
from optuna.exceptions import StorageInternalError
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from civility.documents.sweep_result import FEWEST_FOR_IMPORTANCE, State, TrialLine, WhyNoImportance
from civility.errors import UserError
from civility.plain_text import shortened
from civility.recipe import defaults_of_all_versions
from civility.recipe.settings import REMOVED
from civility.search.space import Choices, Dimension, Scalar, Space
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
"""The part of an identity that describes in words what the digests of its ``data`` part are of."""
_LONGEST_NOTE = 1900  # with the codes beside it; columns of some databases end at 2048


class GridByNumber(BaseSampler):
    """Gives a trial the grid point of its number, in an order shuffled by the seed.

    Optuna's own grid sampler looks for a point that no trial has yet, and two workers may find the same.
    """

    def __init__(self, space: Space) -> None:
        self._points = list(space.grid())
        random.Random(space.search.seed).shuffle(self._points)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return no settings: `sample_independent` looks each up."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a setting of the trial's point."""
        return self._points[trial.number % len(self._points)][param_name]


def _sampler(space: Space, number: int) -> BaseSampler:
    search = space.search
    if search.sampler == "grid":
        return GridByNumber(space)
    seed = random.Random(f"{search.seed} {number}").getrandbits(32)
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=search.random_trials)


def _draw(trial: Trial, dimension: Dimension) -> Scalar:
    """Return the value of a trial in one dimension, which is drawn the first time and looked up later."""
    if isinstance(dimension, Choices):
        return str(trial.suggest_categorical(dimension.key, dimension.names))
    low, high, log = dimension.low, dimension.high, dimension.log
    if dimension.whole:
        return trial.suggest_int(dimension.key, int(low), int(high), step=int(dimension.step or 1), log=log)
    return trial.suggest_float(dimension.key, low, high, step=dimension.step, log=log)


@dataclass(eq=False)
class Claim:
    """A trial that this worker holds, and no other worker trains. Its lock is to be signed from time to time."""

    number: int
    settings: dict[str, Any]
    lock: Lock
    _trial: Trial
    _trial_id: int

    def report(self, epoch: int, score: float) -> bool:
        """Record the score of an epoch, and return whether to prune the trial."""
        storage = self._trial.storage
        if epoch not in storage.get_trial(self._trial_id).intermediate_values:  # a resumed trial repeats an epoch
            self._trial.report(score, epoch)
        study = self._trial.study
        return study.pruner.prune(study, storage.get_trial(self._trial_id))

    def note(self, **facts: Any) -> None:
        """Record facts of the trial for everyone who reads the study."""
        for name, value in facts.items():
            if isinstance(value, dict):
                value = {key: one[:_LONGEST_NOTE] if isinstance(one, str) else one for key, one in value.items()}
            self._trial.set_user_attr(name, value)

    def end(self, state: State, score: float | None = None, **facts: Any) -> None:
        """Record the end of the trial, after facts for `note`; only a finished one has a score."""
        self.note(**facts)
        values = None if score is None else [score]
        self._trial.storage.set_trial_state_values(self._trial_id, _ENDS[state], values)


@dataclass(eq=False)
class Study:
    """The study of a sweep; opened by `open_study`."""

    space: Space
    directory: SweepDirectory
    _study: optuna.Study
    _storage: RDBStorage
    _place: str

    @contextlib.contextmanager
    def claim(self, num_trials: int) -> Iterator[Claim | None]:
        """Hold a trial while the block runs: an interrupted one or a new one; None if the study has ``num_trials``.

        A trial was interrupted if it is running by the study and of this folder, but no worker holds its lock.
        """
        with contextlib.ExitStack() as stack:
            with self.directory.alone():
                claim = self._interrupted_trial(stack) or self._new_trial(stack, num_trials)
            yield claim

    def _interrupted_trial(self, stack: contextlib.ExitStack) -> Claim | None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(_DIRECTORY) != self._place:
                continue
            with contextlib.suppress(Held):
                return self._claimed(trial.number, stack.enter_context(self.directory.claimed(trial.number)))
        return None

    def _new_trial(self, stack: contextlib.ExitStack, num_trials: int) -> Claim | None:
        known = self._study.get_trials(deepcopy=False)
        if sum(one.state != TrialState.WAITING for one in known) >= num_trials:
            return None
        some_wait = any(one.state == TrialState.WAITING for one in known)
        number = self._study.ask().number if some_wait else self._create()
        if number >= num_trials:
            # A worker of another folder was quicker. The trial waits until more trials are wanted.
            self._put_back(number)
            return None
        run = self.directory.trial(number)
        if run.is_occupied:
            self._put_back(number)
            remedy = "give the folder of the study, or start another sweep with another --out"
            raise UserError("search.unknown-run", "a run that the study does not know", where=run.path, remedy=remedy)
        lock = stack.enter_context(self.directory.claimed(number))
        self._storage.set_trial_user_attr(self._id_of(number), _DIRECTORY, self._place)
        return self._claimed(number, lock)

    def _create(self) -> int:
        """Create a trial that belongs to this folder from the start, and return its number.

        `ask` would create it without a folder: if this process were killed then, no worker would ever resume it.
        """
        template = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={_DIRECTORY: self._place})
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return self._storage.get_trial(self._storage.create_new_trial(study_id, template_trial=template)).number

    def _put_back(self, number: int) -> None:
        """Let a trial wait, without a folder, until a worker asks for one."""
        self._storage.set_trial_user_attr(self._id_of(number), _DIRECTORY, "")
        self._storage.set_trial_state_values(self._id_of(number), TrialState.WAITING)

    def _id_of(self, number: int) -> int:
        """Return the number that the database has for a trial: unique in all its studies."""
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return self._storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def _claimed(self, number: int, lock: Lock) -> Claim:
        # Loaded again, since TPE reads the other trials once for each study object, and should see those that ended.
        search = self.space.search
        pruner = NopPruner() if search.pruner == "none" else MedianPruner(search.warmup_trials, search.warmup_epochs)
        study = optuna.load_study(
            study_name=self._study.study_name,
            storage=self._storage,
            sampler=_sampler(self.space, number),
            pruner=pruner,
        )
        study.get_trials(deepcopy=False)  # its cache has to know a trial before it takes settings of it
        trial = Trial(study, self._id_of(number))
        point = {dimension.key: _draw(trial, dimension) for dimension in self.space.dimensions}
        return Claim(number, self.space.settings(point), lock, trial, self._id_of(number))

    def lines(self) -> tuple[TrialLine, ...]:
        """Return the state of each trial, by number."""
        known = self._study.get_trials(deepcopy=False)
        return tuple(self._line(one) for one in known if one.state in _STATES)

    def _line(self, trial: FrozenTrial) -> TrialLine:
        notes, scores = trial.user_attrs, dict(sorted(trial.intermediate_values.items()))
        is_drawn = len(trial.params) == len(self.space.dimensions)
        pick = min if self._study.direction == optuna.study.StudyDirection.MINIMIZE else max
        best_epoch = pick(scores, key=lambda epoch: scores[epoch]) if scores else 0
        low, high = notes.get("interval") or (None, None)
        return TrialLine(
            number=trial.number,
            state=_STATES[trial.state],
            settings=self.space.settings(trial.params) if is_drawn else {},
            scores=scores,
            best=trial.value if trial.value is not None else scores.get(best_epoch),
            best_epoch=notes.get("kept_epoch", best_epoch),
            low=low,
            high=high,
            why=notes.get("why"),
            seconds=notes.get("seconds"),
            **(notes.get("progress") or {}),
        )

    def importance(self) -> tuple[dict[str, float], WhyNoImportance | None]:
        """Return the share of each setting in what distinguishes the best trials from all, or why it is unknown.

        PED-ANOVA (Watanabe, Bansal and Hutter 2023, section 4): how far the distribution of a setting in the best
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


@contextlib.contextmanager
def open_study(
    directory: SweepDirectory, space: Space, identity: Mapping[str, Any], *, rises: bool, storage: str = ""
) -> Iterator[Study]:
    """Open or create the study of a sweep.

    Parameters
    ----------
    directory : exists
    identity : what must be the same whenever the sweep is resumed: parts by name, each a mapping of JSON values
    rises : whether a higher score is better
    storage : URL of a database; empty: the SQLite file in the directory

    Raises
    ------
    UserError : the database cannot be opened, or its study is of another space, recipe or data
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with directory.alone(), _explained(directory, storage, is_opening=True):
        # SQLite waits while another worker writes.
        options = {} if storage else {"connect_args": {"timeout": 120}}
        # Optuna fills in what stands in braces: a URL has none to be filled.
        url = (storage or directory.storage).replace("{", "{{").replace("}", "}}")
        store = RDBStorage(url, engine_kwargs=options)
        study = optuna.create_study(
            storage=store,
            # Named like the folder in a shared database; in the folder's own, so that the folder may be renamed.
            study_name=real_path(directory.path).name if storage else "sweep",
            direction="maximize" if rises else "minimize",
            load_if_exists=True,
        )
        try:
            _check_identity(study, identity, directory)
            place = _place_of(directory)
        except BaseException:
            store.engine.dispose()
            raise
    try:
        with _explained(directory, storage):
            yield Study(space, directory, study, store, place)
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
            continue  # printed with the digests of the data
        was = before.get(part, {})
        # A setting that only one version of civility knows has its default in the other; one that no longer matters
        # may differ.
        unknown = defaults_of_all_versions() if part == "recipe" else {}
        for key in sorted({*now, *(was.keys() & REMOVED)} if part == "recipe" else {*was, *now}):
            old, new = was.get(key, unknown.get(key)), now.get(key, unknown.get(key))
            if old != new:
                about = [_shown(value, of.get(COMMENTS, {}).get(key)) for value, of in ((old, before), (new, identity))]
                problems.append(f"{part}: {key} was {about[0]}, and is {about[1]} now")
    if problems:
        found = "holds the study of another sweep: " + "\n       ".join(problems)
        remedy = "undo the differences to resume that sweep, or start another one with another --out"
        raise UserError("search.other-sweep", found, where=directory.path, remedy=remedy)


def _shown(value: Any, comments: str | None) -> str:
    if value is None:
        return "missing"
    if isinstance(value, str) and value.startswith("sha256:"):
        return f"{comments or 'others'} ({value[:19]})"
    return shortened(repr(value), 120)


@contextlib.contextmanager
def _explained(directory: SweepDirectory, storage: str, *, is_opening: bool = False) -> Iterator[None]:
    """Turn an error of the database into a UserError without its URL, which may contain a password.

    While the database is opened, an ImportError is one too: its driver is missing.
    """
    from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError

    kinds = (SQLAlchemyError, StorageInternalError, *((ImportError,) if is_opening else ()))
    try:
        yield
    except kinds as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        first = (str(cause).splitlines() or [type(cause).__name__])[0]
        first = first.replace(storage or directory.storage, "the URL")
        if isinstance(cause, ArgumentError | NoSuchModuleError):
            found, where = f"not the URL of a supported database: {first}", "--storage"
            remedy = "as in --storage postgresql+psycopg://name@machine/database, with the driver installed"
        # SQLite reports a damaged file by this very class, and a full disk or a lock by a subclass of it.
        elif not storage and type(cause) is DatabaseError:
            found, where = f"damaged: {cause.orig}", str(directory.study)
            remedy = "put back an undamaged copy of the file, or start another sweep with another --out"
        else:
            found, where = f"the database of the study cannot be used: {first}", ""
            remedy = "fix the cause, then repeat the command"
        raise UserError("search.bad-database", found, where=where, remedy=remedy) from error
