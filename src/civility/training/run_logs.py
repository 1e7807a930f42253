"""What the first process has on disk while a run lasts: its lock, its logs, its first files, its checkpoints."""

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
class Records:
    """The writing side of a run directory; from `open_records`.

    Wall times have a log of their own, so that the metrics of a run that was resumed are those of one that was not.

    Parameters
    ----------
    run : where everything is
    lock : held
    warn : told what a person should know
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
        self.warn(f"{error.message}; training goes on, and what could not be written is tried again")

    def flush(self) -> None:
        """Bring all lines to the disk; UserError if it does not take them."""
        self.metrics.flush()
        self.timing.flush()

    def begin(self, recipe: Recipe, environment: RunEnvironment, session: Mapping[str, Any]) -> None:
        """Bring the directory to the starting point: the first files, and logs that end where the checkpoint was.

        Parameters
        ----------
        recipe, environment : for a new run
        session : the fields of a `ResumedSession`, for a run that is resumed
        """
        self.run.remove_leftovers()
        for folder in self.point.in_the_way:
            self.run.set_aside(folder)
        self.run.make_folders()
        if self.point.folder is None:
            self.metrics.truncate(0)
            self.timing.truncate(0)
            self.run.write_first_files(recipe, environment)
            return
        if not self.metrics.truncate(self.point.facts["metrics_size"]):
            self.warn(f"{self.run.metrics}: lines are missing that were there when the checkpoint was made")
        self.timing.truncate_to_whole_lines()
        self.timing.write({"kind": "resumed", "from": self.point.folder.name})
        self.run.add_session(ResumedSession(resumed_from=self.point.folder.name, **session), fallback=environment)

    def write_step(self, fact: StepDone) -> None:
        """Log a step."""
        line = asdict(fact)
        del line["stop"]
        self._write("step", line)

    def write_epoch(self, fact: EpochDone, is_best: bool, peak_memory: int | None) -> None:
        """Log an epoch, and the most memory in bytes that the process has had until then."""
        self._write("epoch", {**asdict(fact), "best": is_best})
        if peak_memory is not None:
            self.timing.write({"kind": "memory", "step": fact.step, "peak": peak_memory})

    def _write(self, kind: str, line: dict[str, Any]) -> None:
        seconds = line.pop("seconds")
        self.metrics.write({"kind": kind, **line})
        self.write_seconds(kind, line["step"], seconds)

    def write_warning(self, warning: Warned) -> None:
        """Log a warning that has to do with this life of the run, and not with what is trained."""
        self.timing.write({"kind": "warning", **asdict(warning)})

    def write_breakdown(self, step: int, ids: Sequence[str]) -> None:
        """Log the comments of a step that broke down."""
        self.timing.write({"kind": "not finite", "step": step, "ids": list(ids)})

    def write_seconds(self, kind: str, step: int, seconds: float) -> None:
        """Log how long something took."""
        self.timing.write({"kind": kind, "step": step, "seconds": round(seconds, 4)})


@contextlib.contextmanager
def open_records(
    run: RunDirectory, begin: Begin, facts: Mapping[str, Any], warn: Callable[[str], None]
) -> Iterator[Records]:
    """Take the lock of a run directory for the time of the block, and find where the run starts.

    Parameters
    ----------
    run : is made if it is not there
    begin : whether a run may be there already, and what becomes of it
    facts : of the run that is asked for, from `civility.training.resume.describe_run`
    warn : told what a person should know

    Raises
    ------
    UserError : another run is writing there, or the run there is not the one that is asked for
    """
    if begin == "restart":
        aside = run.put_aside()
        if aside is not None:
            warn(f"what was in {run.path} is in {aside} now")
    run.create()
    with run.locked() as (lock, dead):
        if dead is not None:
            warn(f"took over from {dead}, which ended without a word")
        if begin != "resume":
            run.check_free()  # now that nobody else can begin there
            yield Records(run, lock, warn, StartingPoint())
            return
        run.check_unfinished()
        point = find_starting_point(run, facts)
        if point.folder is None:
            warn("no checkpoint had been made yet: training begins at its beginning")
        for note in (*point.notes, *(changed_circumstances(point.facts, facts) if point.folder else ())):
            warn(note)
        yield Records(run, lock, warn, point)
