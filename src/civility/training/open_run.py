"""Opening a run: what identifies it, its lock, its first files and its logs, all written by the first process."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData
from civility.documents import run_environment as record
from civility.documents.run_environment import RecordedComments, RunEnvironment
from civility.engine.devices import recorded_device
from civility.engine.hardware import peak_memory
from civility.engine.progress import EpochDone, StepDone
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.models.encoder import settings_of
from civility.render.sentences.plan_sentences import device_words
from civility.run import Begin, RunDirectory
from civility.run.log import LineLog
from civility.run.place import check_unfinished, put_aside
from civility.run.versions import LINEAR_LIBRARIES, describe_environment, library_versions
from civility.storage.lock import Lock
from civility.training.build import Job, RunParts
from civility.training.preflight import Check
from civility.training.resume import StartingPoint, changed_circumstances, find_starting_point


def _environment_of(session: Mapping[str, Any], data: PreparedData, checks: Sequence[Check]) -> RunEnvironment:
    """Return the record of a new run, whose ``session`` has the fields of a `SessionFacts`.

    Of the training comments, the record has those that were read: they can be read again, unlike augmented ones.
    """
    read = data.training if data.original is None else data.original
    return RunEnvironment(
        **session,
        checks=tuple(record.RecordedCheck(**asdict(check)) for check in checks),
        data=record.RecordedData(
            training=RecordedComments.of(read, data.files),
            validation=RecordedComments.of(data.validation, data.validation_files),
        ),
    )


def _session_facts(parts: RunParts) -> dict[str, Any]:
    """Return what may differ between the first session of a run and those that resume it: fields of `SessionFacts`."""
    precision, threads = parts.trainer.precision, parts.threads
    return {
        **describe_environment(parts.command),
        "device": recorded_device(precision.device),
        "threads": record.RecordedThreads(**asdict(threads)) if threads else None,
        "precision": precision.name,
        "num_processes": parts.accelerator.num_processes,
    }


def checkpoint_facts(parts: RunParts) -> dict[str, Any]:
    """Return what identifies a run in its checkpoints."""
    data, trainer = parts.data, parts.trainer
    settings = json.dumps(settings_of(trainer.model.config), sort_keys=True, default=str)
    digests = {
        "training": data.training.digest,
        "validation": data.validation.digest,
        "training_comments": _digest_without_ids(data.training),
        "validation_comments": _digest_without_ids(data.validation),
        "tokens": trainer.data.tokens.digest,
        "validation_tokens": parts.tokens.validation.digest,
        "model": f"sha256:{hashlib.sha256(settings.encode()).hexdigest()}",
        "embedding": trainer.vocabulary.digest if trainer.vocabulary else "",
    }
    circumstances = {
        "the number of processes": trainer.accelerator.num_processes,
        "the micro-batch": parts.recipe.training.batch_size,
        "the device": device_words(recorded_device(trainer.precision.device)),
        "the precision": trainer.precision.name,
        "the forward pass": trainer.forward.name,
        "the CPU": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "transformers": library_versions()["transformers"],
    }
    return {"recipe": parts.recipe.flat(), "data": digests, "circumstances": circumstances}


def _digest_without_ids(dataset: Dataset) -> str:
    """Return the digest of texts and targets, which a renamed file keeps; empty if groups matter too."""
    return "" if dataset.group_names else dataset.comments_digest


def environment_of_linear(job: Job, checks: Sequence[Check]) -> RunEnvironment:
    """Return the record of a new run of a linear model."""
    session = {**describe_environment(job.command, LINEAR_LIBRARIES), "device": record.RecordedDevice(kind="cpu")}
    return _environment_of(session, job.data, checks)


@dataclass(eq=False)
class RunLogs:
    """The logs of a run, whose lock is held and that starts at a point; from `open_logs`.

    Wall times have a log of their own, so that a resumed run has the same metrics as one that was not interrupted.
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

    def begin(self, parts: RunParts) -> None:
        """Bring the directory to the starting point: write the first files or add a session, truncate the logs."""
        session = _session_facts(parts)
        environment = _environment_of(session, parts.data, parts.checks)
        self.run.remove_leftovers()
        for folder in self.point.in_the_way:
            self.run.rename_damaged(folder)
        self.run.make_folders()
        if self.point.folder is None:
            self.metrics.truncate(0)
            self.timing.truncate(0)
            self.run.write_first_files(parts.recipe, environment)
            return
        if not self.metrics.truncate(self.point.facts["metrics_size"]):
            self.warn(f"{self.run.metrics}: lines are missing that the checkpoint counts")
        self.timing.truncate_to_whole_lines()
        self.timing.write({"kind": "resumed", "from": self.point.folder.name})
        resumed = record.ResumedSession(resumed_from=self.point.folder.name, **session)
        if damage := self.run.add_session(resumed, fallback=environment):
            self.warn(f"{damage.message}; the file is replaced, and its record of earlier sessions is lost")

    def write_step(self, step: StepDone) -> None:
        """Log a step."""
        line = asdict(step)
        del line["stop"]
        self._write("step", line)

    def write_epoch(self, epoch: EpochDone, is_best: bool, peak: int | None) -> None:
        """Log an epoch, and the peak memory of the process in bytes."""
        self._write("epoch", {**asdict(epoch), "best": is_best})
        if peak is not None:
            self.timing.write({"kind": "memory", "step": epoch.step, "peak": peak})

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
def take_directory(run: RunDirectory, begin: Begin, warn: Callable[[str], None]) -> Iterator[Lock]:
    """Put aside the run there if asked to, then hold the lock of the directory while the block runs, and yield it.

    ``warn`` is called with each warning.

    Raises
    ------
    UserError : another process is writing there, the directory is not free for a new run, or the run to resume is
        finished
    """
    if begin == "restart" and (aside := put_aside(run)) is not None:
        warn(f"what was in {run.path} is in {aside} now")
    run.create()
    with run.locked() as (lock, dead):
        if dead is not None:
            warn(f"took over from {dead}, which was killed")
        # Checked again, now that no other process can begin or end there.
        if begin == "resume":
            check_unfinished(run)
        else:
            run.check_free()
        yield lock


@contextlib.contextmanager
def open_logs(
    run: RunDirectory, begin: Begin, facts: Mapping[str, Any], warn: Callable[[str], None]
) -> Iterator[RunLogs]:
    """Hold the lock of a run directory while the block runs, and find where the run starts.

    ``facts`` are those of `checkpoint_facts`; ``warn`` is called with each warning.

    Raises
    ------
    UserError : another process is writing there, or the run there is not the one that is asked for
    """
    with take_directory(run, begin, warn) as lock:
        if begin != "resume":
            yield RunLogs(run, lock, warn, StartingPoint())
            return
        point = find_starting_point(run, facts)
        if point.folder is None:
            warn("there was no checkpoint yet: training starts from the beginning")
        for note in (*point.notes, *(changed_circumstances(point.facts, facts) if point.folder else ())):
            warn(note)
        yield RunLogs(run, lock, warn, point)


def log_fit(run: RunDirectory, seconds: float) -> None:
    """Log the wall time of fit and validation, and the peak memory, of a linear model."""
    log, peak = LineLog(run.timing), peak_memory("cpu")
    log.truncate(0)
    log.write({"kind": "fit", "step": 0, "seconds": round(seconds, 4)})
    if peak is not None:
        log.write({"kind": "memory", "step": 0, "peak": peak})
    log.flush()
