"""Cells to values: targets, lists of labels, texts and ids, with an error that names the place of a bad cell."""

import json
import math
import re
from collections.abc import Sequence

import numpy as np

from civility.arrays import Float32s
from civility.data.dialects import Columns, folded
from civility.data.reading.tables import Chunk
from civility.errors import did_you_mean
from civility.plain_text import listed

# Enough for the shares of annotators in Jigsaw 2019. A column of arbitrary numbers must not fill the memory.
_MAX_REMEMBERED = 100_000
UNLABELLED = -1.0  # the target in rows of Jigsaw 2018's test that nobody has labelled
_CHANGE_IT = "correct the cell, or leave it empty"
_SURROGATES = re.compile("[\ud800-\udfff]")
# How R, pandas, Excel and Python write a missing value, in lower case.
_UNKNOWN_WORDS = frozenset({"", "nan", "null", "none", "na", "n/a", "#n/a", "<na>"})
_TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_PERCENT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*%")
# The errors of a cell that is not a target.
_NOT_A_TARGET = (ValueError, TypeError, OverflowError)
# Floats of this size and above cannot represent every integer.
_EXACT = 2**53

_CLOSING = {"[": "]", "(": ")"}
# An item of a list as Python or numpy write it, with the comma, white space or end after it.
_ITEM = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"\[\]()]+))(?:\s*,|\s+|$)""")
_CONSTANTS = {"True": 1.0, "False": 0.0, "None": None}
_ESCAPED = re.compile(r"\\(.)")


class TargetCells(dict[object, float]):
    """Cells to numbers in [0, 1], NaN for unknown. Each distinct cell is parsed once.

    With ``allow_minus_one``, -1 is allowed and kept, as in the labels of the Jigsaw 2018 test.
    """

    def __init__(self, *, allow_minus_one: bool = False) -> None:
        super().__init__()
        self.allow_minus_one = allow_minus_one

    def __missing__(self, cell: object) -> float:
        number = _number_in(cell)
        if not (math.isnan(number) or 0 <= number <= 1 or (self.allow_minus_one and number == UNLABELLED)):
            raise ValueError(cell)
        # NaN is unequal to itself: as a key, it would be added again and again.
        if len(self) < _MAX_REMEMBERED and cell == cell:
            self[cell] = number
        return number

    def convert(self, chunk: Chunk, column: str) -> Float32s:
        """Return a column as (rows,) float32; a UserError for the first cell that is not a target."""
        cells = chunk.columns[column]
        try:
            return np.fromiter(map(self.__getitem__, cells), dtype=np.float32, count=len(cells))
        except _NOT_A_TARGET:
            index = next(index for index, cell in enumerate(cells) if not self._fits(cell))
            expected = "a number from 0 to 1, or an empty cell for unknown"
            raise chunk.bad_cell(column, index, _remedy_for(cells[index]), expected=expected) from None

    def _fits(self, cell: object) -> bool:
        try:
            self[cell]
        except _NOT_A_TARGET:
            return False
        return True


def _number_in(cell: object) -> float:
    """Return a cell as a number: true and yes are 1, false and no are 0, an empty cell or a word for missing is NaN.

    Raises one of `_NOT_A_TARGET` if it is not a number, or too large.
    """
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        word = cell.strip().lower()
        if word in _UNKNOWN_WORDS:
            return math.nan
        if word in _TRUTH:
            return _TRUTH[word]
        if "_" in word:  # float() reads 1_0 as 10
            raise ValueError(cell)
        return float(word)
    return float(cell)  # type: ignore[arg-type]  # a list or dict raises TypeError, which callers catch


def _remedy_for(cell: object) -> str:
    """Return what to do about a cell that is not a target."""
    text = cell.strip() if isinstance(cell, str) else ""
    if _DECIMAL_COMMA.fullmatch(text):
        return f"write a decimal point: {text.replace(',', '.')}"
    if percent := _PERCENT.fullmatch(text):
        return f"write percentages as shares: {float(percent[1].replace(',', '.')) / 100:g}"
    try:
        number = _number_in(cell)
    except _NOT_A_TARGET:
        return _CHANGE_IT
    if number == UNLABELLED:
        return "leave the cell empty for unknown (only Jigsaw 2018's test_labels.csv uses -1)"
    return "divide by 100, if these are percentages" if 1 < number <= 100 else _CHANGE_IT


def is_missing(cell: object) -> bool:
    """Return whether a cell is null, or NaN, the null of floats."""
    return cell is None or cell != cell


class TextCells:
    """Cells to comments. A comment without text, or of only white space, becomes an empty string."""

    def __init__(self) -> None:
        self.repairs: list[tuple[str, int]] = []
        """(what, row of the file) of each comment that was changed: "missing", "white", "nul" or "surrogates"."""

    def convert(self, chunk: Chunk, column: str) -> list[str]:
        """Return a column as strings without NUL and lone surrogates; a UserError for a number or a list."""
        texts = []
        for index, cell in enumerate(chunk.columns[column]):
            if not (isinstance(cell, str) or is_missing(cell)):
                remedy = "write this cell as text, in quotes; if the column does not hold comments, name another one"
                raise chunk.bad_cell(column, index, remedy, expected="text")
            texts.append(self._clean(cell if isinstance(cell, str) else "", chunk.first_row + index))
        return texts

    def _clean(self, text: str, row: int) -> str:
        if not text:
            self.repairs.append(("missing", row))
        if "\0" in text:
            self.repairs.append(("nul", row))
            text = text.replace("\0", " ")
        if not text.isascii() and _SURROGATES.search(text):
            self.repairs.append(("surrogates", row))
            text = _SURROGATES.sub("\ufffd", text)
        if text.isspace():
            self.repairs.append(("white", row))
            return ""
        return text


def ids_of(chunk: Chunk, column: str, prefix: str = "") -> list[str]:
    """Return the ids of a chunk as written; without a column of ids, the prefix and the number of each row.

    In a column of ids, a row without one gets prefix and number too. If the prefix is empty, its id stays empty, since
    the bare number may be the id of another comment. A UserError for a list, an object, or a float that is too large to
    be exact.
    """
    if not column:
        return [f"{prefix}{row}" for row in range(chunk.first_row, chunk.first_row + len(chunk))]
    ids = []
    for index, cell in enumerate(chunk.columns[column]):
        try:
            text = as_text(cell)
        except ValueError as error:
            raise chunk.bad_cell(column, index, "write ids as text or whole numbers", reason=str(error)) from None
        ids.append(text if text.strip() else f"{prefix}{chunk.first_row + index}" if prefix else "")
    return ids


def as_text(cell: object) -> str:
    """Return a cell as text: empty if it is missing, ``7`` for 7.0, since pandas makes floats of integers with gaps.

    A ValueError for a list or object, bytes that are not UTF-8, or a float that is too large to be exact.
    """
    if isinstance(cell, str):
        return _SURROGATES.sub("\ufffd", cell)
    if is_missing(cell):
        return ""
    if isinstance(cell, bytes):
        return cell.decode()
    if isinstance(cell, list | dict):
        raise ValueError("neither text nor a number")
    if isinstance(cell, float) and cell.is_integer():
        if abs(cell) >= _EXACT:
            raise ValueError("a float of this size has lost digits")
        return str(int(cell))
    return str(cell)


class _BadListError(Exception):
    """The error of a list, with its remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class LabelLists:
    """Lists of labels, by name or as numbers: 1 for each label in the list, 0 for the others, NaN for an empty cell.

    ``[]`` and the word for none give 0 for every label. An empty cell does not mean "none": it means unknown. The axis
    is ``labels``, (L,); ``columns`` have the separator, the word for none, and the labels of lists of numbers.
    """

    def __init__(self, labels: Sequence[str], columns: Columns) -> None:
        self.labels = tuple(labels)
        self.separator = columns.label_separator
        self.none_word = columns.none_word
        self.multi_hot = tuple(folded(label) for label in columns.multi_hot)
        self.num_unknown = 0
        self._numbers = TargetCells()
        self._places = {folded(label): index for index, label in enumerate(labels)}

    def convert(self, chunk: Chunk, column: str) -> Float32s:
        """Return a column as (rows, L) float32; a UserError for a label that is not on the axis."""
        cells = chunk.columns[column]
        targets = np.zeros((len(cells), len(self.labels)), dtype=np.float32)
        for row, cell in enumerate(cells):
            try:
                self._fill(targets[row], cell)
            except _BadListError as error:
                raise chunk.bad_cell(column, row, error.remedy, reason=str(error)) from None
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
            remedy = "write the labels that apply, [] if none applies, or leave the whole cell empty for unknown"
            raise _BadListError("an element of this list is empty", remedy)
        if not all(isinstance(name, str) for name in names):
            raise self._not_a_list()
        says_none = [name for name in names if self._is_none_word(str(name))]
        if says_none and len(names) > 1:
            raise _BadListError(f"'{says_none[0]}' together with labels", "write one or the other")
        for name in () if says_none else map(str, names):
            place = self._places.get(folded(name))
            if place is None:
                found = f"the label '{name}' is not one of those asked for{did_you_mean(name, self.labels)}"
                separator = f"the separator is '{self.separator}' (data.label_separator)"
                raise _BadListError(found, f"the labels: {listed(self.labels)}; {separator}")
            row[place] = 1

    def _fill_numbers(self, row: Float32s, numbers: list[object]) -> None:
        if not self.multi_hot:
            raise _BadListError(
                "the order of the labels in lists of numbers is not known",
                "write names instead, or give the order of the labels: "
                '--set \'data.multi_hot_labels=["first", "second", …]\'',
            )
        if len(numbers) != len(self.multi_hot):
            found = f"{len(numbers)} numbers, expected {len(self.multi_hot)} (data.multi_hot_labels)"
            raise _BadListError(found, "write one number for each of these labels")
        row[:] = np.nan
        for label, cell in zip(self.multi_hot, numbers, strict=True):
            try:
                number = self._numbers[cell]
            except _NOT_A_TARGET:
                raise _BadListError("not numbers from 0 to 1, or null for unknown", _remedy_for(cell)) from None
            if label in self._places:
                row[self._places[label]] = number

    def _items(self, cell: object) -> list[object] | None:
        """Return the items of a list; None if the cell is empty or holds a word for missing."""
        if is_missing(cell):
            return None
        if isinstance(cell, list):
            return cell
        if not isinstance(cell, str):
            raise self._not_a_list()
        text = cell.strip()
        if text[:1] in _CLOSING:
            return self._items_in_brackets(text)
        if folded(text) not in self._places:
            if self._is_none_word(text):
                return []
            if text.lower() in _UNKNOWN_WORDS:
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

    def _not_a_list(self) -> _BadListError:
        remedy = f"write the labels with '{self.separator}' between them, or a JSON list"
        return _BadListError("not a list of labels", remedy)


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
