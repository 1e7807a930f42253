"""Which columns hold what: the Jigsaw dialects as data, and the names that other files use.

Knows names of columns; reads nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from civility.errors import UserError, did_you_mean

# In the order of Jigsaw 2018, which is the order of every axis made from dialects.
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")

TEXT_COLUMNS = ("comment_text", "text", "comment", "content", "body")
_NAME_TEXT = "name the text column: data.text_column in the recipe, or --text-column"
ID_COLUMNS = ("id", "comment_id", "rev_id")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; empty = recognise from the columns.

    Parameters
    ----------
    text, id : names of columns
    labels : (L,) the label axis wanted, in order; empty = every label of the recognised dialect
    label_list : a column that holds a list of labels for each row
    label_separator : what stands between the labels in that column where it is text that is not JSON
    groups : (G,) identity columns
    """

    text: str = ""
    id: str = ""
    labels: tuple[str, ...] = ()
    label_list: str = ""
    label_separator: str = ","
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """A way in which Jigsaw's files name their labels.

    Parameters
    ----------
    name : where it comes from
    needs : columns that must all be there
    marks : columns of which at least one must be there
    labels : (column, label) pairs
    """

    name: str
    needs: frozenset[str]
    marks: frozenset[str]
    labels: tuple[tuple[str, str], ...]


_NEUTRAL = tuple((label, label) for label in LABELS)

# The first that fits is taken. 2019 stands first: it shares some names with 2018, which would fit too.
DIALECTS = (
    Dialect(
        "Jigsaw 2019",
        # `target` alone is too common a name: Jigsaw's files also have `comment_text`.
        needs=frozenset({"comment_text"}),
        marks=frozenset({"target", "toxicity", "severe_toxicity", "identity_attack"}),
        # The exact names come first: the training files of 2020 mix `toxic` with `severe_toxicity`.
        labels=(
            *_NEUTRAL,
            ("target", "toxic"),
            ("toxicity", "toxic"),
            ("severe_toxicity", "severe_toxic"),
            ("identity_attack", "identity_hate"),
        ),
    ),
    # Also the labels of the 2018 test, which come without text, and whoever took over these very names.
    Dialect("Jigsaw 2018, Jigsaw 2020", needs=frozenset(), marks=frozenset(LABELS), labels=_NEUTRAL),
)


@dataclass(frozen=True)
class Layout:
    """Which columns of one file hold what; empty where the file has none.

    Parameters
    ----------
    labels : label -> column, those found only
    groups : those found only
    """

    text: str
    id: str
    labels: dict[str, str]
    label_list: str = ""
    groups: tuple[str, ...] = ()


def layout_of(name: str, found: Sequence[str], columns: Columns) -> Layout:
    """Return which of the columns found in a file hold what was asked for.

    Raises
    ------
    UserError : a column that was named for the ids or the list of labels is not there, or several columns
        may hold the text. A missing text or label is for the caller to judge: another file may have it.
    """
    if columns.label_list and columns.label_list not in found:
        raise no_column(name, columns.label_list, found, "name the column that holds the lists of labels")
    known = {} if columns.label_list else _label_columns(found)
    if columns.labels:
        # A column of the very name wins over a dialect's translation.
        known = {label: label if label in found else known.get(label, "") for label in columns.labels}
        known = {label: column for label, column in known.items() if column}
    return Layout(
        text=find_text(name, found, columns.text),
        id=find_id(name, found, columns.id),
        labels={} if columns.label_list else known,
        label_list=columns.label_list,
        groups=tuple(group for group in columns.groups if group in found),
    )


def _label_columns(found: Sequence[str]) -> dict[str, str]:
    """Return label -> column by the first dialect that fits, in the order of ``LABELS``."""
    names = set(found)
    for dialect in DIALECTS:
        if dialect.needs <= names and dialect.marks & names:
            columns: dict[str, str] = {}
            for column, label in dialect.labels:
                if column in names:
                    columns.setdefault(label, column)
            return {label: columns[label] for label in LABELS if label in columns}
    return {}


def find_text(name: str, found: Sequence[str], wanted: str = "") -> str:
    """Return the column that holds the text, or an empty string; a UserError if several may."""
    if wanted:
        return wanted if wanted in found else ""
    if TEXT_COLUMNS[0] in found:
        return TEXT_COLUMNS[0]
    exact = [column for column in found if column in TEXT_COLUMNS]
    candidates = exact or [column for column in found if column.lower() in TEXT_COLUMNS]
    if len(candidates) > 1:
        raise UserError(f"{name}: several columns may hold the text: {', '.join(candidates)}", _NAME_TEXT)
    return candidates[0] if candidates else ""


def find_id(name: str, found: Sequence[str], wanted: str = "") -> str:
    """Return the column that holds the ids, or an empty string; a UserError if the one named is absent."""
    if wanted:
        if wanted not in found:
            raise no_column(name, wanted, found, "name the id column, or none: then the rows are numbered")
        return wanted
    exact = [column for column in ID_COLUMNS if column in found]
    candidates = exact[:1] or [column for column in found if column.lower() in ID_COLUMNS]
    return candidates[0] if len(candidates) == 1 else ""


def no_column(name: str, wanted: str, found: Sequence[str], remedy: str) -> UserError:
    """Return the error for a column that a file does not have."""
    return UserError(
        f"{name}: no column '{wanted}'{did_you_mean(wanted, found)}; the file has: {', '.join(found)}", remedy
    )


def no_text(name: str, wanted: str, found: Sequence[str]) -> UserError:
    """Return the error for a file without comments."""
    if wanted:
        return no_column(name, wanted, found, _NAME_TEXT)
    return UserError(f"{name}: no text column; the file has: {', '.join(found)}", _NAME_TEXT)


def no_label(name: str, wanted: str, found: Sequence[str], there: Sequence[str] = ()) -> UserError:
    """Return the error for a file without a label that is needed; ``there`` are the other labels that it has."""
    remedy = "name the label columns in the recipe (data.labels) or rename them"
    if there:
        listed = ", ".join(f'"{label}"' for label in there)
        remedy += f"; to train on those that are there: --set 'data.labels=[{listed}]'"
    return no_column(name, wanted, found, remedy)
