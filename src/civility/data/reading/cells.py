"""Cells to values: targets, texts and ids, with an error that names the place of a bad cell."""

import math
import re
from dataclasses import dataclass, field

import numpy as np

from civility.arrays import Float32s
from civility.data.reading.tables import Chunk
from civility.errors import UserError
from civility.plain_text import shown

# Enough for the shares of annotators in Jigsaw 2019. A column of arbitrary numbers must not fill the memory.
_MAX_REMEMBERED = 100_000
_NOT_SCORED = -1.0
_CHANGE_IT = "correct the cell, or leave it empty"
_SURROGATES = re.compile("[\ud800-\udfff]")
UNKNOWN_WORDS = frozenset({"", "nan", "null", "none", "na", "n/a", "#n/a", "<na>"})
"""How R, pandas, Excel and Python write a missing value, in lower case."""
_TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_PERCENT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*%")
NOT_A_TARGET = (ValueError, TypeError, OverflowError)
"""The errors of a cell that is not a target."""
_EXACT = 2**53
"""Floats of this size and above cannot represent every integer."""


class TargetCells(dict[object, float]):
    """Cells to numbers in [0, 1], NaN for unknown. Each distinct cell is parsed once.

    Parameters
    ----------
    not_scored : whether -1 is allowed and kept, as in the labels of the Jigsaw 2018 test
    """

    def __init__(self, not_scored: bool = False) -> None:
        super().__init__()
        self.not_scored = not_scored

    def __missing__(self, cell: object) -> float:
        number = number_in(cell)
        if not (math.isnan(number) or 0 <= number <= 1 or (self.not_scored and number == _NOT_SCORED)):
            raise ValueError(cell)
        # NaN is unequal to itself: as a key, it would be added again and again.
        if len(self) < _MAX_REMEMBERED and cell == cell:
            self[cell] = number
        return number

    def convert(self, name: str, chunk: Chunk, column: str) -> Float32s:
        """Return a column as (rows,) float32; a UserError for the first cell that is not a target.

        Parameters
        ----------
        name : the file, for messages
        chunk : rows of it
        column : one of its columns
        """
        cells = chunk.columns[column]
        try:
            return np.fromiter(map(self.__getitem__, cells), dtype=np.float32, count=len(cells))
        except NOT_A_TARGET:
            raise self._bad_cell(name, chunk, column) from None

    def _bad_cell(self, name: str, chunk: Chunk, column: str) -> UserError:
        cells = chunk.columns[column]
        index = next(index for index, cell in enumerate(cells) if not self._fits(cell))
        return UserError(
            "data.bad-cell",
            f"{column} = {shown(cells[index])}",
            where=f"{name}, {chunk.place(index)}",
            expected="a number from 0 to 1, or an empty cell for unknown",
            remedy=remedy_for(cells[index]),
        )

    def _fits(self, cell: object) -> bool:
        try:
            self[cell]
        except NOT_A_TARGET:
            return False
        return True


def number_in(cell: object) -> float:
    """Return a cell as a number: true and yes are 1, false and no are 0, an empty cell or a word for missing is NaN.

    Raises
    ------
    ValueError, TypeError, OverflowError : not a number, or too large
    """
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        word = cell.strip().lower()
        if word in UNKNOWN_WORDS:
            return math.nan
        if word in _TRUTH:
            return _TRUTH[word]
        if "_" in word:  # float() reads 1_0 as 10
            raise ValueError(cell)
        return float(word)
    return float(cell)  # type: ignore[arg-type]  # a list or dict raises TypeError, which callers catch


def remedy_for(cell: object) -> str:
    """Return what to do about a cell that is not a target."""
    text = cell.strip() if isinstance(cell, str) else ""
    if _DECIMAL_COMMA.fullmatch(text):
        return f"write a decimal point: {text.replace(',', '.')}"
    if percent := _PERCENT.fullmatch(text):
        return f"write percentages as shares: {float(percent[1].replace(',', '.')) / 100:g}"
    try:
        number = number_in(cell)
    except NOT_A_TARGET:
        return _CHANGE_IT
    if number == _NOT_SCORED:
        return "leave the cell empty for unknown (only Jigsaw 2018's test_labels.csv uses -1)"
    return "divide by 100, if these are percentages" if 1 < number <= 100 else _CHANGE_IT


def is_missing(cell: object) -> bool:
    """Return whether a cell is null, or NaN, the null of floats."""
    return cell is None or cell != cell


@dataclass
class TextCells:
    """Cells to comments, counting those that were repaired or have no text.

    A comment without text, or of only white space, becomes an empty string.

    Parameters
    ----------
    repairs : (what, row of the file) of each comment that was changed: "missing", "white", "nul" or "surrogates"
    """

    num_missing: int = 0
    num_white: int = 0
    num_nul: int = 0
    num_surrogates: int = 0
    repairs: list[tuple[str, int]] = field(default_factory=list)

    def convert(self, name: str, chunk: Chunk, column: str) -> list[str]:
        """Return a column as strings without NUL and lone surrogates; a UserError for a number or a list.

        Parameters
        ----------
        name : the file, for messages
        chunk : rows of it
        column : one of its columns
        """
        texts = []
        for index, cell in enumerate(chunk.columns[column]):
            if not (isinstance(cell, str) or is_missing(cell)):
                raise UserError(
                    "data.bad-cell",
                    f"{column} = {shown(cell)}",
                    where=f"{name}, {chunk.place(index)}",
                    expected="text",
                    remedy="write this cell as text, in quotes; if the column does not hold comments, name another one",
                )
            texts.append(self._clean(cell if isinstance(cell, str) else "", chunk.first_row + index))
        return texts

    def _clean(self, cell: str, row: int) -> str:
        if not cell:
            self.num_missing += 1
            self.repairs.append(("missing", row))
            return ""
        text = cell
        if "\0" in text:
            self.num_nul += 1
            self.repairs.append(("nul", row))
            text = text.replace("\0", " ")
        if not text.isascii() and _SURROGATES.search(text):
            self.num_surrogates += 1
            self.repairs.append(("surrogates", row))
            text = _SURROGATES.sub("\ufffd", text)
        if text.isspace():
            self.num_white += 1
            self.repairs.append(("white", row))
            return ""
        return text


def ids_of(name: str, chunk: Chunk, column: str, prefix: str = "") -> list[str]:
    """Return the ids of a chunk as written.

    Parameters
    ----------
    name : the file, for messages
    chunk : rows of it
    column : its id column; empty: the rows are numbered
    prefix : before the number of a row that has no id. Without a prefix an empty id stays empty, since the bare number
        may be the id of another comment.

    Raises
    ------
    UserError : an id is a list, an object, or a float that is too large to be exact
    """
    if not column:
        return [f"{prefix}{row}" for row in range(chunk.first_row, chunk.first_row + len(chunk))]
    ids = []
    for index, cell in enumerate(chunk.columns[column]):
        try:
            text = as_text(cell)
        except ValueError as error:
            raise UserError(
                "data.bad-cell",
                f"{column} = {shown(cell)}: {error}",
                where=f"{name}, {chunk.place(index)}",
                remedy="write ids as text or whole numbers",
            ) from None
        ids.append(text if text.strip() else f"{prefix}{chunk.first_row + index}" if prefix else "")
    return ids


def as_text(cell: object) -> str:
    """Return a cell as text: empty if it is missing, ``7`` for 7.0, since pandas makes floats of integers with gaps.

    Raises
    ------
    ValueError : a list or object, bytes that are not UTF-8, or a float that is too large to be exact
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
