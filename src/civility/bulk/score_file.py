"""Predict: a classifier and comments become scores, and decisions if asked for, streamed, in their order."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from civility.arrays import Float32s, Words
from civility.data.dialects import TEXT_COLUMNS
from civility.data.headers import folded
from civility.data.reading import Columns, CommentChunk, stream_comments
from civility.data.writers import DECISION, score_format, write_scores
from civility.errors import UserError
from civility.plain_text import as_cell, count, printable, shortened
from civility.recipe import Recipe
from civility.render.sentences.report_sentences import not_chosen
from civility.run import RunDirectory
from civility.scoring.classifier import Classifier, NotFiniteScore
from civility.storage.atomic_files import is_stream, real_path

_COMMENTS_AT_ONCE, _CHARACTERS_AT_ONCE = 4_096, 4_000_000
"""Comments sorted by length together: enough for little padding, and memory that does not grow, however long."""


_RECOGNISE = Columns()


@dataclass(frozen=True)
class ScoresFormat:
    """What a file of scores looks like.

    Parameters
    ----------
    file_format : "csv", "jsonl" or "parquet"; empty: by the suffix of the file, CSV into a stream
    decisions : whether a column ``LABEL:decision`` a label says what its thresholds make of the score, see `decided`
    keep_text : whether each comment stands in a column ``comment_text`` beside its scores: such a file can be
        pseudo-labels, ``data.pseudo_labels`` of a recipe
    for_spreadsheet : CSV only: whether an apostrophe goes before ids and texts that a spreadsheet takes for formulas;
        read again they are other ids and texts
    """

    file_format: str = ""
    decisions: bool = False
    keep_text: bool = False
    for_spreadsheet: bool = False


@dataclass(frozen=True)
class Prediction:
    """How many comments were scored, how many of them were blank, and what a person should know of the file."""

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
    """Score every comment of a file and write a row for each, in the same order.

    Memory does not grow with the file. A blank comment gets the scores of an empty text, and is counted; an id that is
    missing stays empty, and is counted, too. Only where no column has ids, rows are numbered.

    Parameters
    ----------
    target : a run directory, a classifier folder or a hub name
    source : a file of comments, or a stream of bytes with the content of one
    out : a file of scores, which appears when it is complete, or a stream of bytes; a
        device or a pipe is written as the rows come
    form : of the scores
    columns : of text and id; those not named: those of the run's recipe where the file has them, else recognised
    on_opened : told what the comments were read as
    on_scored : told the number of comments after each batch

    Raises
    ------
    UserError : whatever the user can mend
    """
    file_format = score_format(out, form.file_format)
    if form.for_spreadsheet and file_format != "csv":
        raise UserError(
            "bulk.todo", f"--spreadsheet-safe with {file_format}: it is for CSV", remedy="leave it out, or write CSV"
        )
    if isinstance(source, str) and isinstance(out, str) and _is_same_file(Path(source), Path(out)):
        raise UserError(
            "bulk.todo", "is the file of comments itself", where=out, remedy="write the scores to another file"
        )
    run = RunDirectory.find(Path(target))
    usual = Recipe.load(str(run.recipe)).data.columns if run else Columns()
    columns = replace(columns, file=columns.file.or_limit_of(usual.file))
    chunks = stream_comments(source, columns, usual, on_opened)
    first = next(chunks)  # a mistake in the file is told before the model is loaded
    classifier = Classifier.load(target)
    num_comments = num_blank = num_without_id = 0
    # A label may have the name of the id column: the ids make way.
    taken = {*classifier.labels, *(f"{label}{DECISION}" for label in classifier.labels if form.decisions)}
    id_column_out = _free((first.id_column, "id", "comment_id", "row"), taken)
    text_column = _free(TEXT_COLUMNS, {*taken, id_column_out}) if form.keep_text else ""
    writing = write_scores(
        *(out, file_format, id_column_out, classifier.labels),
        decisions=form.decisions,
        text_column=text_column,
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
            words = decided(classifier, scores) if form.decisions else None
            write(chunk.ids, scores, words, chunk.texts if form.keep_text else ())
            num_comments += len(chunk.ids)
            num_blank += chunk.num_blank
            num_without_id += chunk.ids.count("")
    renamed = _renamed((id_column_out, *classifier.labels)) if file_format == "csv" else ()
    unchosen = [label for label in classifier.labels if label in classifier.not_chosen_from_data]
    doubts = not_chosen(unchosen) if form.decisions else ""
    no_id = f"{count(num_without_id, 'comment')} without an id: it is empty in the scores, too"
    notes = [first.note, no_id if num_without_id else "", doubts]
    return Prediction(num_comments, num_blank, (*filter(None, notes), *renamed))


def _renamed(names: Iterable[str]) -> Iterator[str]:
    """Yield a note for each name that the header of a CSV file has in another form."""
    for name in names:
        if as_cell(name) != name:
            yield f"in CSV the column of {printable(name)} is named {as_cell(name)}"


def _free(names: Iterable[str], taken: Iterable[str]) -> str:
    """Return the first name that no other column of the file has, as its readers compare them."""
    forms = {folded(name) for name in taken}
    return next(name for name in names if name and folded(name) not in forms)


def _is_same_file(source: Path, out: Path) -> bool:
    return real_path(out) == real_path(source) and not is_stream(out)


def decided(classifier: Classifier, scores: Float32s) -> Words:
    """Return what is to be done for each score, (N, L).

    ``allow`` or ``flag``; of labels with a band for review ``allow``, ``review`` or ``remove``.
    """
    flagged = ["remove" if label in classifier.review_thresholds else "flag" for label in classifier.labels]
    words = np.array([["allow", "review", word] for word in flagged])
    return words[np.arange(len(flagged)), classifier.bands(scores)]


def _gathered(chunks: Iterator[CommentChunk]) -> Iterator[CommentChunk]:
    """Join chunks of reading into larger ones for scoring."""
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
