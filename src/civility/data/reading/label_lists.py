"""Cells that list labels, by name or as numbers, to targets."""

import json
import re
from collections.abc import Sequence

import numpy as np

from civility.arrays import Float32s
from civility.data.dialects import Columns
from civility.data.headers import folded
from civility.data.reading.cells import NOT_A_TARGET, UNKNOWN_WORDS, TargetCells, is_missing, remedy_for
from civility.data.reading.tables import Chunk
from civility.errors import UserError, did_you_mean
from civility.plain_text import listed, shown

_CLOSING = {"[": "]", "(": ")"}
# An item of a list as Python or numpy write it, with the comma, white space or end after it.
_ITEM = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"\[\]()]+))(?:\s*,|\s+|$)""")
_CONSTANTS = {"True": 1.0, "False": 0.0, "None": None}
_ESCAPED = re.compile(r"\\(.)")


class LabelLists:
    """Lists of labels to targets: 1 for each label in the list, 0 for the others, NaN for an empty cell.

    ``[]`` and the word for none give 0 for every label. An empty cell does not mean "none": it means unknown.

    Parameters
    ----------
    labels : (L,) the axis
    columns : with the separator, the word for none, and the labels of lists of numbers
    """

    def __init__(self, labels: Sequence[str], columns: Columns) -> None:
        self.labels = tuple(labels)
        self.separator = columns.label_separator
        self.none_word = columns.none_word
        self.multi_hot = tuple(folded(label) for label in columns.multi_hot)
        self.num_unknown = 0
        self._numbers = TargetCells()
        self._places = {folded(label): index for index, label in enumerate(labels)}

    def convert(self, name: str, chunk: Chunk, column: str) -> Float32s:
        """Return a column as (rows, L) float32; a UserError for a label that is not on the axis.

        Parameters
        ----------
        name : the file, for messages
        chunk : rows of it
        column : the one that lists the labels
        """
        cells = chunk.columns[column]
        targets = np.zeros((len(cells), len(self.labels)), dtype=np.float32)
        for row, cell in enumerate(cells):
            try:
                self._fill(targets[row], cell)
            except _BadListError as error:
                where = f"{name}, {chunk.place(row)}"
                raise UserError(
                    "data.bad-cell",
                    f"{column} = {shown(cell)}: {error}",
                    where=where,
                    remedy=error.remedy,
                ) from None
        return targets

    def _fill(self, row: Float32s, cell: object) -> None:
        """Write the targets of one cell into a row of zeros."""
        items = self._items(cell)
        if items is None:
            row[:] = np.nan
            self.num_unknown += 1
        elif items and all(map(_is_number, items)) and (self.multi_hot or not all(map(is_missing, items))):
            self._fill_numbers(row, items)
        else:
            self._fill_names(row, items)

    def _fill_names(self, row: Float32s, names: list[object]) -> None:
        if any(is_missing(name) or (isinstance(name, str) and not name.strip()) for name in names):
            raise _BadListError(
                "an element of this list is empty",
                "write the labels that apply, [] if none applies, or leave the whole cell empty for unknown",
            )
        if not all(isinstance(name, str) for name in names):
            raise self._not_a_list()
        says_none = [name for name in names if self._is_none_word(str(name))]
        if says_none and len(names) > 1:
            raise _BadListError(f"'{says_none[0]}' together with labels", "write one or the other")
        for name in () if says_none else map(str, names):
            place = self._places.get(folded(name))
            if place is None:
                raise _BadListError(
                    f"the label '{name}' is not one of those asked for{did_you_mean(name, self.labels)}",
                    f"the labels: {listed(self.labels)}; the separator is '{self.separator}' (data.label_separator)",
                )
            row[place] = 1

    def _fill_numbers(self, row: Float32s, numbers: list[object]) -> None:
        if not self.multi_hot:
            raise _BadListError(
                "the order of the labels in lists of numbers is not known",
                "write names instead, or give the order of the labels: "
                '--set \'data.multi_hot_labels=["first", "second", …]\'',
            )
        if len(numbers) != len(self.multi_hot):
            raise _BadListError(
                f"{len(numbers)} numbers, expected {len(self.multi_hot)} (data.multi_hot_labels)",
                "write one number for each of these labels",
            )
        row[:] = np.nan
        for label, cell in zip(self.multi_hot, numbers, strict=True):
            try:
                number = self._numbers[cell]
            except NOT_A_TARGET:
                raise _BadListError("not numbers from 0 to 1, or null for unknown", remedy_for(cell)) from None
            if label in self._places:
                row[self._places[label]] = number

    def _items(self, cell: object) -> list[object] | None:
        """Return the items of a list; None if the cell is empty or holds a word for missing."""
        if is_missing(cell):
            return None
        if isinstance(cell, str):
            return self._items_of_text(cell.strip())
        if isinstance(cell, list):
            return cell
        raise self._not_a_list()

    def _items_of_text(self, text: str) -> list[object] | None:
        if text[:1] in _CLOSING:
            return self._items_in_brackets(text)
        if folded(text) not in self._places:
            if self._is_none_word(text):
                return []
            if text.lower() in UNKNOWN_WORDS:
                return None
        parts = [part.strip() for part in text.split(self.separator) if part.strip()]
        if not parts:
            raise self._not_a_list()
        return [part if folded(part) in self._places else _bare(part) for part in parts]

    def _items_in_brackets(self, text: str) -> list[object]:
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            items = None
        items = items if isinstance(items, list) else _python_items(text)
        if items is None:
            raise self._not_a_list()
        return items

    def _is_none_word(self, text: str) -> bool:
        """Return whether this is the word for none; a _BadListError if only the case differs, as ``None``."""
        if not self.none_word or text.casefold() != self.none_word.casefold() or folded(text) in self._places:
            return False
        if text == self.none_word:
            return True
        raise _BadListError(
            f"'{text}' may mean no label or unknown",
            f"write [] or '{self.none_word}' for no label, and nothing for unknown; or set the word for no label: "
            f"--set data.none_word={text}",
        )

    def _not_a_list(self) -> "_BadListError":
        return _BadListError(
            "not a list of labels", f"write the labels with '{self.separator}' between them, or a JSON list"
        )


class _BadListError(Exception):
    """The error of a list, with its remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def _is_number(item: object) -> bool:
    """Return whether an item of a list is a number, or null for an unknown one."""
    return item is None or isinstance(item, int | float)


def _python_items(text: str) -> list[object] | None:
    """Return the items of a list as Python or numpy write it, such as ``['toxic', 'insult']``, or None."""
    if text[-1] != _CLOSING[text[0]]:
        return None
    body, place = text[1:-1].rstrip().removesuffix(","), 0
    items: list[object] = []
    while place < len(body):
        match = _ITEM.match(body, place)
        if match is None:
            return None
        single, double, bare = match.groups()
        quoted = single if single is not None else double
        items.append(_ESCAPED.sub(r"\1", quoted) if quoted is not None else _bare(bare))
        place = match.end()
    return items


def _bare(word: str) -> object:
    """Return a word without quotes as a number or constant if possible: ``[toxic, insult]`` holds names."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    try:
        return float(word)
    except ValueError:
        return word
