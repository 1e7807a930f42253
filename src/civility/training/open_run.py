"""Opening a run: its lock, its first files and its logs, all written by the first process."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from civility.documents.run_environment import ResumedSession, RunEnvironment
from civility.engine.progress import EpochDone, StepDone
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import Begin, RunDirectory
from civility.run.log import LineLog
from civility.storage.lock import Lock
from civility.training.resume import StartingPoint, changed_circumstances, find_starting_point


@dataclass(eq=False)
class RunLogs:
    """The logs of a run; from `open_logs`.

    Wall times have a log of their own, so that a resumed run has the same metrics as one that was not interrupted.

    Parameters
    ----------
    run : where the logs are
    lock : held
    warn : called with each warning
    point : where the run starts
    """

    run: RunDirectory
    lock: Lock
    warn: Callable[[str], None]
    point: StartingPoint
    metrics: LineLog = field(init=False)
    timing: LineLog = field(init=False)

    def __post_init__(self) -> None:
        self.metrics, self.timing = (LineLog(path, self._on_trouble) for path in (self.run.metrics, self.run.timing))

    def _on_trouble(self, error: UserError) -> None:
        self.warn(f"{error.message}; training continues, and writing is tried again")

    def flush(self) -> None:
        """Write all lines and flush them to the disk; UserError if it refuses them."""
        self.metrics.flush()
        self.timing.flush()

    def begin(self, recipe: Recipe, environment: RunEnvironment, session: Mapping[str, Any]) -> None:
        """Bring the directory to the starting point: write the first files, truncate the logs.

        Parameters
        ----------
        recipe, environment : for a new run
        session : the fields of a `ResumedSession`, for a run that is resumed
        """
        self.run.remove_leftovers()
        for folder in self.point.in_the_way:
            self.run.rename_damaged(folder)
        self.run.make_folders()
        if self.point.folder is None:
            self.metrics.truncate(0)
            self.timing.truncate(0)
            self.run.write_first_files(recipe, environment)
            return
        if not self.metrics.truncate(self.point.facts["metrics_size"]):
            self.warn(f"{self.run.metrics}: lines are missing that the checkpoint counts")
        self.timing.truncate_to_whole_lines()
        self.timing.write({"kind": "resumed", "from": self.point.folder.name})
        resumed = ResumedSession(resumed_from=self.point.folder.name, **session)
        if damage := self.run.add_session(resumed, fallback=environment):
            self.warn(f"{damage.message}; the file is replaced, and its record of earlier sessions is lost")

    def write_step(self, step: StepDone) -> None:
        """Log a step."""
        line = asdict(step)
        del line["stop"]
        self._write("step", line)

    def write_epoch(self, epoch: EpochDone, is_best: bool, peak_memory: int | None) -> None:
        """Log an epoch, and the peak memory of the process in bytes."""
        self._write("epoch", {**asdict(epoch), "best": is_best})
        if peak_memory is not None:
            self.timing.write({"kind": "memory", "step": epoch.step, "peak": peak_memory})

    def _write(self, kind: str, line: dict[str, Any]) -> None:
        seconds = line.pop("seconds")
        self.metrics.write({"kind": kind, **line})
        self.write_seconds(kind, line["step"], seconds)

    def write_training_warning(self, warning: Warned) -> None:
        """Log a warning of the training itself, which a repetition of the run would give too."""
        self.metrics.write({"kind": "warning", **asdict(warning)})

    def write_session_warning(self, warning: Warned) -> None:
        """Log a warning of this session, as of a full disk or a busy CPU."""
        self.timing.write({"kind": "warning", **asdict(warning)})

    def write_not_finite(self, step: int, ids: Sequence[str]) -> None:
        """Log the comments of a step whose loss or gradient is not finite."""
        self.timing.write({"kind": "not finite", "step": step, "ids": list(ids)})

    def write_seconds(self, kind: str, step: int, seconds: float) -> None:
        """Log how long something took."""
        self.timing.write({"kind": kind, "step": step, "seconds": round(seconds, 4)})


@contextlib.contextmanager
def open_logs(
    run: RunDirectory, begin: Begin, facts: Mapping[str, Any], warn: Callable[[str], None]
) -> Iterator[RunLogs]:
    """Hold the lock of a run directory while the block runs, and find where the run starts.

    Parameters
    ----------
    run : created if it does not exist
    begin : as of `civility.training.train_run.train`
    facts : what identifies the run, from `civility.training.resume.describe_run`
    warn : called with each warning

    Raises
    ------
    UserError : another process is writing there, or the run there is not the one that is asked for
    """
    if begin == "restart":
        aside = run.put_aside()
        if aside is not None:
            warn(f"what was in {run.path} is in {aside} now")
    run.create()
    with run.locked() as (lock, dead):
        if dead is not None:
            warn(f"took over from {dead}, which was killed")
        if begin != "resume":
            run.check_free()  # again, now that no other process can begin there
            yield RunLogs(run, lock, warn, StartingPoint())
            return
        run.check_unfinished()
        point = find_starting_point(run, facts)
        if point.folder is None:
            warn("there was no checkpoint yet: training starts from the beginning")
        for note in (*point.notes, *(changed_circumstances(point.facts, facts) if point.folder else ())):
            warn(note)
        yield RunLogs(run, lock, warn, point)
