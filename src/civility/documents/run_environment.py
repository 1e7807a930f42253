"""RunEnvironment: where and on what a run ran, as its ``environment.json`` has it."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field

from civility.data.dataset import Dataset
from civility.documents.document import ExactDocument, Number, Part


class _Recorded(Part):
    """A part of a record: entries of other versions of civility are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, allow_inf_nan=False)


class RecordedComments(_Recorded):
    """The comments of one side of the split."""

    files: tuple[str, ...] = ()
    num_comments: int | None = Field(default=None, ge=0)
    digest: str = Field(description="sha256 of texts, ids, targets and groups; empty where several sets were used")
    comments_digest: str = Field(default="", description="the same without ids, which may hold the name of a file")

    @classmethod
    def of(cls, dataset: Dataset, files: Sequence[str]) -> Self:
        """Return the record of comments that were read from files."""
        return cls(
            files=tuple(files),
            num_comments=len(dataset),
            digest=dataset.digest,
            comments_digest=dataset.comments_digest,
        )


class RecordedData(_Recorded):
    """The comments of a run, as they were read."""

    training: RecordedComments
    validation: RecordedComments


class RecordedCheck(_Recorded):
    """The outcome of a preflight check."""

    name: str
    state: Literal["passed", "warned", "failed"]
    found: str
    remedy: str = ""


class RecordedThreads(_Recorded):
    """The threads that each process of a run on a CPU computes with."""

    num: int
    why: str = ""
    is_busy: bool = Field(default=False, description="whether other processes seem to keep the CPU busy")
    is_fixed: bool = Field(default=False, description="whether the user has chosen the number")


class CombinedMember(_Recorded):
    """A classifier that is part of a soup or an ensemble."""

    target: str
    weight: float
    macro_roc_auc: Number = None


class Combination(_Recorded):
    """What a soup or an ensemble is made of."""

    kind: str
    method: str = Field(default="", description="scores, logits or ranks; of a soup uniform or greedy")
    macro_roc_auc: Number = None
    members: tuple[CombinedMember, ...] = ()


class PrunedTrial(_Recorded):
    """Where and why a sweep stopped a trial."""

    epoch: int
    why: str


class SessionFacts(_Recorded):
    """What may differ between the first session of a run and those that resume it."""

    command: tuple[str, ...] = Field(default=(), description="what the user typed")
    started: str = Field(default="", description="ISO 8601")
    versions: dict[str, str] = Field(default_factory=dict, description="of Python and the libraries, by name")
    commit: str | None = Field(default=None, description="of git, with '+' if files differed from it")
    platform: str = ""
    machine: str = ""
    num_processors: int | None = None
    device: str = ""
    threads: RecordedThreads | None = Field(default=None, description="on a CPU only")
    precision: str = ""
    num_processes: int = 1


class ResumedSession(SessionFacts):
    """A session that resumed the run."""

    resumed_from: str = Field(alias="from", description="name of the checkpoint")


class RunEnvironment(SessionFacts, ExactDocument):
    """The versions, hardware and comments of a run. Files without a schema number are of schema 1."""

    model_config = _Recorded.model_config

    WHAT: ClassVar[str] = "record of a run"
    SCHEMA: ClassVar[int] = 2
    REMEDY: ClassVar[str] = ""

    data: RecordedData
    checks: tuple[RecordedCheck, ...] = ()
    combination: Combination | None = Field(default=None, description="of a soup or an ensemble only")
    pruned: PrunedTrial | None = Field(default=None, description="of a trial that its sweep stopped early")
    resumed: tuple[ResumedSession, ...] = ()

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Return the content as it is: schema 1 lacks the number, and words the method of a combination."""
        return content

    @classmethod
    def from_content(cls, content: dict[str, Any], source: object, remedy: str = "") -> "RunEnvironment":
        """Return the document in a parsed JSON object, with or without a schema number."""
        return super().from_content({"schema": 1, **content}, source, remedy)
