"""Audit: files of comments become findings, before a GPU hour is spent on them.

A story of the eyes in `civility.audit`: each looks at the comments, and what they find is put in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from civility.audit.audit_files import free_folder, write_audit
from civility.audit.audit_result import Audit, FileFacts, short_names
from civility.audit.audit_sentences import ORDER
from civility.audit.copies import find_copies, find_leaks
from civility.audit.counts import co_occurrence, label_counts
from civility.audit.findings import (
    Finding,
    on_cells,
    on_contradictions,
    on_copies,
    on_labels,
    on_leaks,
    on_marks,
    on_signs,
)
from civility.audit.languages import language_counts
from civility.audit.lengths import length_quantiles
from civility.audit.scripts import script_counts
from civility.audit.signs import rows_with_signs
from civility.audit.token_lengths import TokenLengths, load_tokenizer_or_reason, measure_tokens, on_tokens
from civility.data.dataset import Dataset
from civility.data.reading import Columns, Reading, columns_present, count_cells, read_dataset
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory

if TYPE_CHECKING:
    from civility.audit.label_errors import Suspicion
    from civility.scoring.classifier import Classifier

DEFAULT_MAX_LENGTH = 256
LANGUAGES_GUESSED = 5_000
"""Comments whose language is guessed: two milliseconds each, and shares right to one and a half percent."""
LANGUAGE_COLUMN = "lang"
"""Of Jigsaw 2020."""


@dataclass(frozen=True)
class Question:
    """What an audit is asked.

    Parameters
    ----------
    columns : which columns hold what; without labels those of the dialect are recognised, or the classifier's
    target : a classifier to find likely label errors with; empty for none
    model : whose tokenizer measures; empty: the classifier's, or the starter model's
    max_length : tokens; None: the classifier's, or 256
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
    question: Question,
    *,
    out: Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_scored: Callable[[int, int], None] = lambda num_comments, total: None,
) -> AuditDone:
    """Look at comments, and write what is found: ``audit.json`` and ``rows.csv``.

    Parameters
    ----------
    files : comments, labelled or not
    question : what to look for, and with what
    out : the folder to write, which must not exist; default: ``audit-NAME`` of the first file, numbered if taken
    on_stage : told what is being done
    on_scored : told, after each batch, the number of comments in it and in all

    Raises
    ------
    UserError : whatever the user can mend; nothing is left behind then
    """
    folder = free_folder(out, files)
    if question.max_length is not None and question.max_length < 1:
        raise UserError(
            "audit.todo",
            f"--max-length {question.max_length}: expected a number of tokens",
            remedy="as in --max-length 256",
        )
    on_stage("reading")
    classifier = _load(question.target) if question.target else None
    reading = _read(files, question, classifier)
    done = _look(reading, question, classifier, on_stage, on_scored)
    on_stage("writing")
    write_audit(done, reading, folder)
    return AuditDone(done, folder)


def _load(target: str) -> "Classifier":
    from civility.scoring.classifier import Classifier  # brings torch, which takes seconds

    return Classifier.load(target)


def _read(files: Sequence[str], question: Question, classifier: "Classifier | None") -> Reading:
    """Read the comments: the columns asked for, else those of the classifier's run, else recognised ones."""
    columns = question.columns
    if classifier is not None:
        run = RunDirectory.find(Path(question.target))
        if run:
            known = columns_present(files[0], Recipe.load(str(run.recipe)).data.columns, columns.file)
            text, id, label_list = columns.text or known.text, columns.id or known.id, columns.label_list
            columns = replace(known, text=text, id=id, label_list=label_list or known.label_list, groups=())
        columns = replace(columns, labels=question.columns.labels or classifier.labels)
    return read_dataset(files, columns, require_all_labels=classifier is None, keep_unlabelled=True)


def _look(
    reading: Reading,
    question: Question,
    classifier: "Classifier | None",
    on_stage: Callable[[str], None],
    on_scored: Callable[[int, int], None],
) -> Audit:
    """Look at the comments with every eye there is."""
    dataset = reading.dataset
    undefined: dict[str, str] = {}
    on_stage("looking for copies")
    counts = label_counts(dataset.targets)
    copies = find_copies(dataset.texts)
    leaks = find_leaks(copies, reading.origin.file, len(reading.files))
    on_stage("looking at characters")
    signs, scripts = rows_with_signs(dataset.texts), script_counts(dataset.texts)
    on_stage("guessing languages")
    languages = _guess_languages(dataset, question.seed, undefined)
    on_stage("measuring tokens")
    tokens = _measure_tokens(dataset, question, classifier, undefined)
    on_stage("scoring")
    suspicion, suspected = _suspect(dataset, question, classifier, on_scored, undefined)
    findings = [
        *on_leaks(leaks, short_names(reading.files), len(dataset)),
        *on_contradictions(dataset, copies),
        *suspected,
        *on_labels(dataset, counts),
        *(on_tokens(tokens) if tokens else []),
        *on_copies(dataset, copies),
        *on_cells(reading),
        *on_marks(reading.files),
        *on_signs(signs, len(dataset)),
    ]
    return Audit(
        files=_file_facts(reading),
        num_comments=len(dataset),
        digest=dataset.digest,
        seed=question.seed,
        labels=dict(zip(dataset.labels, counts, strict=True)),
        co_occurrence=co_occurrence(dataset.targets).tolist(),
        characters=length_quantiles(np.fromiter(map(len, dataset.texts), np.int64, len(dataset))),
        tokens=tokens,
        suspicion=suspicion,
        languages=languages,
        scripts=scripts,
        findings=tuple(sorted(findings, key=lambda finding: ORDER[finding.name])),
        leaks=tuple(leaks),
        notes=reading.notes,
        undefined=undefined,
    )


def _guess_languages(dataset: Dataset, seed: int, undefined: dict[str, str]) -> dict[str, int] | None:
    rows = np.random.default_rng(seed).permutation(len(dataset))[:LANGUAGES_GUESSED]
    try:
        return language_counts([dataset.texts[row] for row in rows])
    except ModuleNotFoundError:
        undefined["languages"] = "py3langid is not installed (pip install 'civility[languages]')"
        return None


def _measure_tokens(
    dataset: Dataset, question: Question, classifier: "Classifier | None", undefined: dict[str, str]
) -> TokenLengths | None:
    max_length = question.max_length or (classifier.max_length if classifier else 0) or DEFAULT_MAX_LENGTH
    tokenizer, name = load_tokenizer_or_reason(question.model, question.target)
    if tokenizer is None:
        undefined["tokens"] = name
        return None
    return measure_tokens(dataset, tokenizer, name, max_length, question.seed)


def _suspect(
    dataset: Dataset,
    question: Question,
    classifier: "Classifier | None",
    on_scored: Callable[[int, int], None],
    undefined: dict[str, str],
) -> tuple["Suspicion | None", list[Finding]]:
    if classifier is None:
        undefined["label_errors"] = "no classifier was given (--with TARGET)"
        return None, []
    from civility.audit.label_errors import suspect

    return suspect(question.target, classifier, dataset, on_scored)


def _file_facts(reading: Reading) -> tuple[FileFacts, ...]:
    num_comments = np.bincount(reading.origin.file, minlength=len(reading.files)).tolist()
    languages = [count_cells(name, LANGUAGE_COLUMN, reading.origin.form) for name in reading.files]
    return tuple(FileFacts(*facts) for facts in zip(reading.files, num_comments, languages, strict=True))
