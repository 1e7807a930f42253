"""RunEnvironment: where and on what a run ran, as its ``environment.json`` has it."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from civility.data.dataset import Dataset
from civility.documents.document import ExactDocument, Number, Part, finite_or_null


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
    """The outcome of a preflight check. `civility.render.sentences.preflight_sentences` says what it found."""

    name: str
    state: Literal["passed", "warned", "failed"]
    facts: Annotated[dict[str, JsonValue], BeforeValidator(finite_or_null)] = Field(
        description="numbers, names and codes, by the check; of older schemas the sentences 'found' and 'remedy'"
    )


class RecordedDevice(_Recorded):
    """What a process of a run computes on."""

    kind: str = Field(default="", description="cpu, cuda or mps; empty of older schemas, unless it is a CPU")
    name: str = Field(default="", description="name of the GPU, or the architecture of the machine; empty of a CPU")
    num_threads: int = Field(default=0, description="threads of torch; 0 without torch, or if it is not a CPU")

    @classmethod
    def of_words(cls, words: str) -> Self | None:
        """Return the device from the words that older schemas had: ``CPU``, ``CPU, 4 threads`` or a name."""
        # Words of older schemas, frozen: render/sentences may change, this must not.
        cpu = re.fullmatch(r"CPU(?:, ([\d,]+) threads?)?", words)
        if cpu is not None:
            return cls(kind="cpu", num_threads=int((cpu[1] or "0").replace(",", "")))
        return cls(name=words) if words else None


WhyThreads = Literal[
    "text",
    "recipe",
    "variable",
    "resumed",
    "one_per_core",
    "one_per_core_busy",
    "no_faster",
    "busy",
    "fewest_of_processes",
]


class RecordedThreads(_Recorded):
    """The threads that each process of a run on a CPU computes with."""

    num: int
    why: WhyThreads = Field(
        description="the reason for the number; 'text': a sentence of an older schema, as it stands"
    )
    text: str = Field(default="", description="the sentence of the code 'text', or the name of the variable")
    cores: int = Field(default=0, description="threads that were tried at most; of 'no_faster' and 'busy'")
    times_slower: float = Field(default=0.0, description="how many times slower that many are; of 'busy'")
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
    """Where a sweep stopped a trial, whose best score was worse than half of the others'."""

    epoch: int
    epochs: int = Field(default=0, description="epochs planned; 0 if unknown")


class SessionFacts(_Recorded):
    """What may differ between the first session of a run and those that resume it."""

    command: tuple[str, ...] = Field(default=(), description="what the user typed")
    started: str = Field(default="", description="ISO 8601")
    versions: dict[str, str] = Field(default_factory=dict, description="of Python and the libraries, by name")
    commit: str | None = Field(default=None, description="of git, with '+' if files differed from it")
    platform: str = ""
    machine: str = ""
    num_processors: int | None = None
    device: RecordedDevice | None = None
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
    SCHEMA: ClassVar[int] = 3
    REMEDY: ClassVar[str] = ""

    data: RecordedData
    checks: tuple[RecordedCheck, ...] = ()
    combination: Combination | None = Field(default=None, description="of a soup or an ensemble only")
    pruned: PrunedTrial | None = Field(default=None, description="of a trial that its sweep stopped early")
    resumed: tuple[ResumedSession, ...] = ()

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Read schemas 1 and 2, which had sentences; schema 1 also words the method of a combination."""
        content = {**_upgraded_session(content), "checks": [_upgraded_check(one) for one in content.get("checks", ())]}
        content["resumed"] = [_upgraded_session(one) for one in content.get("resumed", ())]
        if content.get("pruned"):
            # Words of older schemas, frozen: render/sentences may change, this must not.
            epochs = re.match(r"after epoch \d+ of (\d+) ", content["pruned"]["why"])
            content["pruned"] = {**content["pruned"], "epochs": int(epochs[1]) if epochs else 0}
        return content

    @classmethod
    def from_content(cls, content: dict[str, Any], source: object, remedy: str = "") -> "RunEnvironment":
        """Return the document in a parsed JSON object, with or without a schema number."""
        return super().from_content({"schema": 1, **content}, source, remedy)


def _upgraded_check(check: dict[str, Any]) -> dict[str, Any]:
    facts = {"found": check["found"], "remedy": check.get("remedy", "")}
    return {"name": check["name"], "state": check["state"], "facts": facts}


def _upgraded_session(session: dict[str, Any]) -> dict[str, Any]:
    session = {**session, "device": RecordedDevice.of_words(session.get("device", ""))}
    if session.get("threads"):
        session["threads"] = {**session["threads"], **_why_threads(session["threads"].get("why", ""))}
    return session


def _why_threads(words: str) -> dict[str, Any]:
    """Return the entries for the reason that older schemas had in words."""
    # Words of older schemas, frozen: render/sentences may change, this must not.
    busy = "another process keeps this machine busy"
    codes = {
        "threads set by training.threads": "recipe",
        "threads as before the interruption": "resumed",
        "threads as on the process with the fewest": "fewest_of_processes",
        "one thread per core": "one_per_core",
        f"one thread per core, though {busy}": "one_per_core_busy",
    }
    if words in codes:
        return {"why": codes[words]}
    if words.startswith("threads set by "):
        return {"why": "variable", "text": words.removeprefix("threads set by ")}
    fewer = re.fullmatch(
        rf"\d+ of (\d+) threads: (more would not be faster|{busy} \(\d+ are ([\d.]+) times slower\))", words
    )
    if fewer is None:
        return {"why": "text", "text": words}
    return {"why": "busy" if fewer[3] else "no_faster", "cores": int(fewer[1]), "times_slower": float(fewer[3] or 0)}
