"""Audit: look for everything that is wrong with files of comments, before any GPU time is spent on them."""

import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, get_args

import numpy as np

from civility.arrays import POSITIVE_FROM
from civility.audit import findings
from civility.audit.copies import Leak, find_copies, find_leaks
from civility.audit.counts import (
    co_occurrence,
    label_counts,
    language_counts,
    length_quantiles,
    load_tokenizer_or_reason,
    measure_tokens,
    script_counts,
)
from civility.audit.findings import Found
from civility.audit.label_errors import suspect
from civility.audit.signs import rows_with_signs
from civility.data.dataset import Dataset
from civility.data.dialects import UNSPECIFIED_COLUMNS
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
from civility.plain_text import as_cell
from civility.run import RunDirectory
from civility.storage.atomic_files import write_folder

if TYPE_CHECKING:
    from civility.scoring.classifier import Classifier

DEFAULT_MAX_LENGTH = 256
# Comments whose language is guessed: that takes two milliseconds each, and gives shares to one and a half percent.
LANGUAGES_GUESSED = 5_000
_LANGUAGE_COLUMN = "lang"  # of Jigsaw 2020
# The columns of rows.csv.
COLUMNS = (
    *("finding", "file", "row", "id", "labels", "label", "score", "held_out", "similarity"),
    *("other_file", "other_row", "other_id", "other_labels", "text", "other_text"),
)
_LONGEST_EXCERPT = 500
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")
_ORDER = {name: place for place, name in enumerate(get_args(FindingName))}


@dataclass(frozen=True)
class AuditRequest:
    """What to look for, and with what."""

    columns: Columns = UNSPECIFIED_COLUMNS  # label columns not named are recognised, or those of the classifier
    target: str = ""  # a classifier to find likely label errors with; empty: none
    model: str = ""  # the model whose tokenizer measures; empty: the classifier's, or the starter model's
    max_length: int | None = None  # tokens, 1 or more; None: the classifier's, or 256
    seed: int = 0  # of the random samples


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
    """Look at comments, and write what is found: ``audit.json`` and ``rows.csv``. After a UserError, nothing is left.

    Parameters
    ----------
    files : comments, labelled or not
    request : what to look for, and with what
    out : the folder to write, which must not exist; None: ``audit-NAME`` of the first file, numbered if taken
    on_stage : called with the name of each stage
    on_scored : called after each batch with its size and the number of all comments
    """
    folder = _free_folder(out, files)
    if request.max_length is not None and request.max_length < 1:
        found, expected = f"{request.max_length}", "a number of tokens, 1 or more"
        remedy = "as in --max-length 256"
        raise UserError("audit.bad-max-length", found, where="--max-length", expected=expected, remedy=remedy)
    on_stage("reading")
    classifier = _load(request.target) if request.target else None
    reading = _read(files, request, classifier)
    document, everything = _look(reading, request, classifier, on_stage, on_scored)
    on_stage("writing")
    try:
        with write_folder(folder) as place:
            (place / "audit.json").write_text(document.to_json(), encoding="utf-8")
            with (place / "rows.csv").open("w", encoding="utf-8", newline="") as file:
                errors = document.label_errors
                _write_rows(file, everything, reading, errors.held_out if errors else None)
    except FileExistsError as error:
        raise _taken(folder) from error
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
        *findings.on_leaks(leaks, len(dataset)),
        *findings.on_contradictions(dataset, copies),
        *suspected,
        *findings.on_labels(dataset, counts),
        *(findings.on_tokens(tokens) if tokens else []),
        *findings.on_copies(dataset, copies),
        *findings.on_cells(reading),
        *findings.on_marks(reading.files),
        *findings.on_signs(signs, len(dataset)),
    ]
    everything.sort(key=lambda one: _ORDER[one.finding.name])
    notes = tuple(map(as_note, reading.notes))
    data = AuditData(files=_audited_files(reading), num_comments=len(dataset), digest=dataset.digest, notes=notes)
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
        leaks=tuple(_leak_counts(reading.files, leak) for leak in leaks),
        scripts=scripts,
        languages=languages,
        undefined=undefined,
    )
    return document, everything


def _leak_counts(files: Sequence[str], leak: Leak) -> LeakCounts:
    file, other = files[leak.file], files[leak.other]
    return LeakCounts(file=file, other=other, num_equal=len(leak.equal), num_near=len(leak.near))


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
        AuditedFile(name=name, num_comments=num, languages=count_cells(name, _LANGUAGE_COLUMN, reading.origin.form))
        for name, num in zip(reading.files, num_comments, strict=True)
    )


def _free_folder(out: Path | None, files: Sequence[str]) -> Path:
    """Return the folder to write: the one asked for, or a free name. Called before the minutes that an audit takes.

    A UserError if something is there already, or nothing can be written there.
    """
    name = f"audit-{Path(files[0]).name.split('.')[0].replace('*', 'all') or 'comments'}"
    folder, number = out or Path(name), 1
    while out is None and folder.exists():
        number += 1
        folder = Path(f"{name}-{number}")
    if folder.exists():
        raise _taken(folder)
    if not folder.parent.is_dir():
        found, remedy = f"the folder {folder.parent} does not exist", "make it, or choose another --out"
        raise UserError("audit.cannot-write", found, where=folder, remedy=remedy)
    if not os.access(folder.parent, os.W_OK):
        found = "no permission to write there"
        raise UserError("audit.cannot-write", found, where=folder, remedy="choose another --out")
    return folder


def _taken(folder: Path) -> UserError:
    found = "exists already: an audit never overwrites another"
    return UserError("audit.folder-exists", found, where=folder, remedy="choose another --out, or remove it")


def _write_rows(file: IO[str], everything: Sequence[Found], reading: Reading, held_out: bool | None) -> None:
    """Write a line for each comment of each finding to a text file opened with ``newline=""``.

    ``held_out`` is whether the classifier was trained on none of the comments it scored; None if unknown.
    """
    file.write("\ufeff")  # without it Excel reads UTF-8 as Windows-1252
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    for one in everything:
        for line in _lines(one, reading):
            if "score" in line:
                line["held_out"] = "unknown" if held_out is None else str(held_out).lower()
            writer.writerow({name: as_cell(str(value)) for name, value in line.items()})


def _lines(one: Found, reading: Reading) -> Iterator[dict[str, Any]]:
    name, listed = one.finding.name, one.listed
    for file, row in listed.places:
        yield {"finding": name, "file": reading.files[file], "row": row}
    for place, row in enumerate(listed.rows):
        line = {"finding": name, **_comment(reading, int(row), "")}
        if len(listed.others) and listed.others[place] >= 0:
            line |= _comment(reading, int(listed.others[place]), "other_")
        if len(listed.labels):
            line["label"] = listed.labels[place]
        if len(listed.scores):
            line["score"] = f"{listed.scores[place]:.4f}"
        if len(listed.similarities):
            line["similarity"] = f"{listed.similarities[place]:.3f}"
        yield line


def _comment(reading: Reading, row: int, prefix: str) -> dict[str, Any]:
    """Return a comment's place, id, positive labels and excerpt, under names with a prefix."""
    dataset = reading.dataset
    targets = dataset.targets[row]
    known = [label for label, target in zip(dataset.labels, targets, strict=True) if target >= POSITIVE_FROM]
    unknown = [f"{label}?" for label, target in zip(dataset.labels, targets, strict=True) if np.isnan(target)]
    return {
        f"{prefix}file": reading.files[reading.origin.file[row]],
        f"{prefix}row": int(reading.origin.row[row]),
        f"{prefix}id": dataset.ids[row],
        f"{prefix}labels": " ".join([*known, *unknown]),
        f"{prefix}text": excerpt(dataset.texts[row]),
    }


def excerpt(text: str) -> str:
    """Return the beginning of a text on one line, invisible characters as their code points."""
    start = " ".join(text[: 4 * _LONGEST_EXCERPT].split())
    shown = start if len(start) <= _LONGEST_EXCERPT else f"{start[:_LONGEST_EXCERPT]} …"
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)
