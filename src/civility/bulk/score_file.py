"""Predict: score the comments of a file or a stream, and write scores and decisions in their order."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from civility.arrays import Scores, Words
from civility.data.dialects import TEXT_COLUMNS, folded
from civility.data.reading import Columns, CommentChunk, stream_comments
from civility.data.writers import DECISION, score_format, write_scores
from civility.errors import UserError
from civility.plain_text import as_cell, count, printable, shortened
from civility.render.sentences.report_sentences import not_chosen
from civility.run import RunDirectory
from civility.scoring.classifier import Classifier, NotFiniteScore
from civility.storage.atomic_files import is_stream, real_path

_COMMENTS_AT_ONCE, _CHARACTERS_AT_ONCE = 4_096, 4_000_000
"""Comments that are sorted by length together: enough to pad little, few enough for memory not to grow."""
_RECOGNISE = Columns()


@dataclass(frozen=True)
class ScoresFormat:
    """The format of a file of scores.

    Parameters
    ----------
    file_format : "csv", "jsonl" or "parquet"; empty: by the suffix of the file, CSV for a stream
    decisions : whether to add a column ``LABEL:decision`` for each label, see `decision_words`
    keep_text : whether to add a column ``comment_text``; such a file can be used as ``data.pseudo_labels`` of a recipe
    for_spreadsheet : CSV only: whether to put an apostrophe before ids and texts that a spreadsheet would run as
        formulas; they are read back with the apostrophe
    """

    file_format: str = ""
    decisions: bool = False
    keep_text: bool = False
    for_spreadsheet: bool = False


@dataclass(frozen=True)
class Prediction:
    """The number of comments that were scored, how many of them were blank, and notes for the user."""

    num_comments: int
    num_blank: int
    notes: tuple[str, ...] = ()


def predict(
    target: str,
    source: str | IO[bytes],
    out: str | IO[bytes],
    *,
    form: ScoresFormat = ScoresFormat(),
    columns: Columns = _RECOGNISE,
    on_opened: Callable[[str], None] = lambda description: None,
    on_scored: Callable[[int], None] = lambda num_comments: None,
) -> Prediction:
    """Score every comment of a file and write one row for each, in the same order.

    Memory does not grow with the file. A blank comment gets the scores of an empty text, and a missing id stays empty;
    both are counted. Rows are numbered only if no column has ids.

    Parameters
    ----------
    target : a run directory, a classifier folder or a hub name
    source : a file of comments, or a stream of bytes with its content
    out : a file of scores, which appears when it is complete; or a stream of bytes. Rows are written to a device or a
        pipe as they are scored
    form : of the scores
    columns : of text and id; those not named are taken from the recipe of the run if the file has them, or recognised
    on_opened : called with a description of how the comments are read
    on_scored : called after each batch with the number of comments in it

    Raises
    ------
    UserError : the classifier or the comments cannot be read, or the scores cannot be written
    """
    file_format = score_format(out, form.file_format)
    if form.for_spreadsheet and file_format != "csv":
        found, option = f"not possible with {file_format}", "--spreadsheet-safe"
        remedy = f"write CSV (--format csv), or leave out {option}"
        raise UserError("bulk.spreadsheet-format", found, where=option, expected="CSV", remedy=remedy)
    if isinstance(source, str) and isinstance(out, str) and _is_same_file(Path(source), Path(out)):
        raise UserError("bulk.same-file", "the file of comments", where=out, remedy="write the scores to another file")
    run = RunDirectory.find(Path(target))
    usual = run.load_recipe().data.columns if run else Columns()
    columns = replace(columns, file=columns.file.or_limit_of(usual.file))
    chunks = stream_comments(source, columns, usual, on_opened)
    first = next(chunks)  # errors in the file come before the model loads
    classifier = Classifier.load(target)
    num_comments = num_blank = num_without_id = 0
    # A label may have the name of the id column: then the ids get another one.
    taken = {*classifier.labels, *(f"{label}{DECISION}" for label in classifier.labels if form.decisions)}
    id_column = _free((first.id_column, "id", "comment_id", "row"), taken)
    writing = write_scores(
        *(out, file_format, id_column, classifier.labels),
        decisions=form.decisions,
        text_column=_free(TEXT_COLUMNS, {*taken, id_column}) if form.keep_text else "",
        for_spreadsheet=form.for_spreadsheet,
    )
    with writing as write:
        for chunk in _gathered(itertools.chain([first], chunks)):
            try:
                scores = classifier.score(chunk.texts, on_scored=on_scored)
            except NotFiniteScore as error:
                id = shortened(chunk.ids[error.row]) or "without an id"
                comment = f"comment {id} (row {num_comments + error.row + 1:,})"
                raise NotFiniteScore(error.classifier, error.row, error.what, comment) from error
            words = decision_words(classifier, scores) if form.decisions else None
            write(chunk.ids, scores, words, chunk.texts if form.keep_text else ())
            num_comments += len(chunk.ids)
            num_blank += chunk.num_blank
            num_without_id += chunk.ids.count("")
    notes = [first.note]
    if num_without_id:
        notes.append(f"{count(num_without_id, 'comment')} without an id: the ids are empty in the scores, too")
    if form.decisions:
        notes.append(not_chosen([label for label in classifier.labels if label in classifier.not_chosen_from_data]))
    if file_format == "csv":
        notes += _renamed((id_column, *classifier.labels))
    return Prediction(num_comments, num_blank, tuple(filter(None, notes)))


def _renamed(names: Iterable[str]) -> Iterator[str]:
    """Yield a note for each name that the header of a CSV file spells differently."""
    for name in names:
        if as_cell(name) != name:
            yield f"in CSV the column of {printable(name)} is named {as_cell(name)}"


def _free(names: Iterable[str], taken: Iterable[str]) -> str:
    """Return the first name that readers of the file do not confuse with another column."""
    forms = {folded(name) for name in taken}
    return next(name for name in names if name and folded(name) not in forms)


def _is_same_file(source: Path, out: Path) -> bool:
    return real_path(out) == real_path(source) and not is_stream(out)


def decision_words(classifier: Classifier, scores: Scores) -> Words:
    """Return the decision for each score, (N, L): ``allow`` or ``flag``.

    For labels with a review threshold: ``allow``, ``review`` or ``remove``.
    """
    flagged = ["remove" if label in classifier.review_thresholds else "flag" for label in classifier.labels]
    words = np.array([["allow", "review", word] for word in flagged])
    return words[np.arange(len(flagged)), classifier.bands(scores)]


def _gathered(chunks: Iterator[CommentChunk]) -> Iterator[CommentChunk]:
    """Join the chunks of the reader into larger ones for scoring."""
    ids: list[str] = []
    texts: list[str] = []
    num_blank = num_characters = 0
    id_column = ""
    for chunk in chunks:
        ids += chunk.ids
        texts += chunk.texts
        num_blank += chunk.num_blank
        num_characters += sum(map(len, chunk.texts))
        id_column = chunk.id_column
        if len(ids) >= _COMMENTS_AT_ONCE or num_characters >= _CHARACTERS_AT_ONCE:
            yield CommentChunk(ids, texts, num_blank, id_column)
            ids, texts, num_blank, num_characters = [], [], 0, 0
    if ids:
        yield CommentChunk(ids, texts, num_blank, id_column)
