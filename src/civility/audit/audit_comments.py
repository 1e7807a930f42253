"""Audit: look for everything that is wrong with files of comments, before any GPU time is spent on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from civility.audit.audit_files import free_folder, write_audit
from civility.audit.copies import find_copies, find_leaks
from civility.audit.counts import co_occurrence, label_counts, language_counts, script_counts
from civility.audit.findings import (
    Found,
    on_cells,
    on_contradictions,
    on_copies,
    on_labels,
    on_leaks,
    on_marks,
    on_signs,
    on_tokens,
)
from civility.audit.label_errors import suspect
from civility.audit.lengths import length_quantiles, load_tokenizer_or_reason, measure_tokens
from civility.audit.signs import rows_with_signs
from civility.data.dataset import Dataset
from civility.data.reading import Columns, Reading, columns_present, count_cells, read_dataset
from civility.documents.audit_result import (
    Audit,
    AuditData,
    AuditedFile,
    FindingName,
    LabelPairs,
    LeakCounts,
    NotMeasured,
    Suspicion,
    TokenLengths,
)
from civility.documents.note import as_note
from civility.errors import UserError
from civility.run import RunDirectory

if TYPE_CHECKING:
    from civility.scoring.classifier import Classifier

DEFAULT_MAX_LENGTH = 256
LANGUAGES_GUESSED = 5_000
"""Comments whose language is guessed: that takes two milliseconds each, and gives shares to one and a half percent."""
LANGUAGE_COLUMN = "lang"
"""The column of Jigsaw 2020."""
_ORDER = {name: place for place, name in enumerate(get_args(FindingName))}


@dataclass(frozen=True)
class AuditRequest:
    """What to look for, and with what.

    Parameters
    ----------
    columns : which columns hold what; label columns not named are recognised, or those of the classifier
    target : a classifier to find likely label errors with; empty: none
    model : the model whose tokenizer measures; empty: the classifier's, or the starter model's
    max_length : tokens, 1 or more; None: the classifier's, or 256
    seed : of the random samples
    """

    columns: Columns = field(default_factory=Columns)
    target: str = ""
    model: str = ""
    max_length: int | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class AuditDone:
    """An audit, and the folder it was written to."""

    audit: Audit
    folder: Path


def audit(
    files: Sequence[str],
    request: AuditRequest,
    *,
    out: Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_scored: Callable[[int, int], None] = lambda num_comments, total: None,
) -> AuditDone:
    """Look at comments, and write what is found: ``audit.json`` and ``rows.csv``.

    Parameters
    ----------
    files : comments, labelled or not
    request : what to look for, and with what
    out : the folder to write, which must not exist; default: ``audit-NAME`` of the first file, numbered if taken
    on_stage : called with the name of each stage
    on_scored : called after each batch with its size and the number of all comments

    Raises
    ------
    UserError : any mistake of the user; nothing is left behind
    """
    folder = free_folder(out, files)
    if request.max_length is not None and request.max_length < 1:
        raise UserError(
            "audit.bad-max-length",
            f"{request.max_length}",
            where="--max-length",
            expected="a number of tokens, 1 or more",
            remedy="as in --max-length 256",
        )
    on_stage("reading")
    classifier = _load(request.target) if request.target else None
    reading = _read(files, request, classifier)
    document, everything = _look(reading, request, classifier, on_stage, on_scored)
    on_stage("writing")
    write_audit(document, everything, reading, folder)
    return AuditDone(document, folder)


def _load(target: str) -> "Classifier":
    from civility.scoring.classifier import Classifier  # takes seconds to import

    return Classifier.load(target)


def _read(files: Sequence[str], request: AuditRequest, classifier: "Classifier | None") -> Reading:
    """Read the comments: the columns asked for, else those of the classifier's run, else recognised ones."""
    columns = request.columns
    if classifier is not None:
        run = RunDirectory.find(Path(request.target))
        if run:
            known = columns_present(files[0], run.load_recipe().data.columns, columns.file)
            text, id, label_list = columns.text or known.text, columns.id or known.id, columns.label_list
            columns = replace(known, text=text, id=id, label_list=label_list or known.label_list, groups=())
        columns = replace(columns, labels=request.columns.labels or classifier.labels)
    return read_dataset(files, columns, require_all_labels=classifier is None, keep_unlabelled=True)


def _look(
    reading: Reading,
    request: AuditRequest,
    classifier: "Classifier | None",
    on_stage: Callable[[str], None],
    on_scored: Callable[[int, int], None],
) -> tuple[Audit, list[Found]]:
    """Return the document, and its findings with their comments."""
    dataset = reading.dataset
    undefined: dict[str, NotMeasured] = {}
    on_stage("looking for copies")
    counts = label_counts(dataset.targets)
    copies = find_copies(dataset.texts)
    leaks = find_leaks(copies, reading.origin.file, len(reading.files))
    on_stage("looking at characters")
    signs, scripts = rows_with_signs(dataset.texts), script_counts(dataset.texts)
    on_stage("guessing languages")
    languages = _guess_languages(dataset, request.seed, undefined)
    on_stage("measuring tokens")
    tokens = _measure_tokens(dataset, request, classifier, undefined)
    on_stage("scoring")
    suspicion: Suspicion | None = None
    suspected: list[Found] = []
    if classifier is None:
        undefined["label_errors"] = NotMeasured(code="no_classifier")
    else:
        suspicion, suspected = suspect(request.target, classifier, dataset, on_scored)
    everything = [
        *on_leaks(leaks, len(dataset)),
        *on_contradictions(dataset, copies),
        *suspected,
        *on_labels(dataset, counts),
        *(on_tokens(tokens) if tokens else []),
        *on_copies(dataset, copies),
        *on_cells(reading),
        *on_marks(reading.files),
        *on_signs(signs, len(dataset)),
    ]
    everything.sort(key=lambda one: _ORDER[one.finding.name])
    data = AuditData(
        files=_audited_files(reading),
        num_comments=len(dataset),
        digest=dataset.digest,
        notes=tuple(map(as_note, reading.notes)),
    )
    pairs = tuple(tuple(row) for row in co_occurrence(dataset.targets).tolist())
    document = Audit(
        data=data,
        seed=request.seed,
        findings=tuple(one.finding for one in everything),
        labels=dict(zip(dataset.labels, counts, strict=True)),
        co_occurrence=LabelPairs(labels=dataset.labels, num_comments=pairs),
        characters=length_quantiles(np.fromiter(map(len, dataset.texts), np.int64, len(dataset))),
        tokens=tokens,
        label_errors=suspicion,
        leaks=tuple(
            LeakCounts(
                file=reading.files[leak.file],
                other=reading.files[leak.other],
                num_equal=len(leak.equal),
                num_near=len(leak.near),
            )
            for leak in leaks
        ),
        scripts=scripts,
        languages=languages,
        undefined=undefined,
    )
    return document, everything


def _guess_languages(dataset: Dataset, seed: int, undefined: dict[str, NotMeasured]) -> dict[str, int] | None:
    rows = np.random.default_rng(seed).permutation(len(dataset))[:LANGUAGES_GUESSED]
    try:
        return language_counts([dataset.texts[row] for row in rows])
    except ModuleNotFoundError:
        undefined["languages"] = NotMeasured(code="not_installed", text="py3langid")
        return None


def _measure_tokens(
    dataset: Dataset, request: AuditRequest, classifier: "Classifier | None", undefined: dict[str, NotMeasured]
) -> TokenLengths | None:
    max_length = request.max_length or (classifier.max_length if classifier else 0) or DEFAULT_MAX_LENGTH
    tokenizer, name = load_tokenizer_or_reason(request.model, request.target)
    if isinstance(name, NotMeasured):
        undefined["tokens"] = name
        return None
    return measure_tokens(dataset, tokenizer, name, max_length, request.seed)


def _audited_files(reading: Reading) -> tuple[AuditedFile, ...]:
    num_comments = np.bincount(reading.origin.file, minlength=len(reading.files)).tolist()
    return tuple(
        AuditedFile(name=name, num_comments=num, languages=count_cells(name, LANGUAGE_COLUMN, reading.origin.form))
        for name, num in zip(reading.files, num_comments, strict=True)
    )
