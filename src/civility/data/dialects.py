"""Which columns hold what: the Jigsaw dialects as data, and the names that other files use.

Knows names of columns; reads nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from civility.data.file_format import RECOGNISED, FileFormat
from civility.data.headers import Headers, cleaned, folded
from civility.errors import UserError, did_you_mean
from civility.plain_text import listed, shown

# In the order of Jigsaw 2018, which is the order of every axis made from dialects.
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")

TEXT_COLUMNS = ("comment_text", "text", "comment", "content", "body")
_NAME_TEXT = "name the text column: data.text_column in the recipe, or --text-column"
ID_COLUMNS = ("id", "comment_id", "rev_id")
# A column of objects ({"toxic": 1, "threat": 0}), or columns named labels.toxic, as pandas writes such objects.
CONTAINERS = ("labels", "label", "targets", "annotations")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; empty = recognise from the columns.

    Names match whatever their case, white space around them and invisible characters.

    Parameters
    ----------
    text, id : names of columns
    labels : (L,) the label axis wanted, in order; empty = every label of the recognised dialect
    label_list : a column that holds a list of labels for each row
    label_separator : what stands between the labels in that column where it is text without brackets
    none_word : what stands in that column where no label applies, beside ``[]``; empty: no such word
    multi_hot : the labels in the order in which that column's lists of numbers hold them; empty: such lists are refused
    groups : (G,) identity columns
    file : how the files are written
    """

    text: str = ""
    id: str = ""
    labels: tuple[str, ...] = ()
    label_list: str = ""
    label_separator: str = ","
    none_word: str = "none"
    multi_hot: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    file: FileFormat = RECOGNISED


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
    """Which columns of one file hold what, as the file writes their names; empty where it has none.

    Parameters
    ----------
    labels : label -> column, those found only
    groups : group -> column, those found only
    """

    text: str
    id: str
    labels: dict[str, str]
    label_list: str = ""
    groups: dict[str, str] = field(default_factory=dict)


def layout_of(name: str, found: Sequence[str], columns: Columns) -> Layout:
    """Return which of the columns found in a file hold what was asked for.

    Raises
    ------
    UserError : a column that was named for the ids or the list of labels is not there; several columns may hold the
        text; two columns have one name. A missing text or label is for the caller to judge: another file may have it.
    """
    headers = Headers(name, found)
    label_list = headers.find(columns.label_list) if columns.label_list else ""
    if columns.label_list and not label_list:
        raise no_column(name, columns.label_list, found, "name the column that holds the lists of labels")
    return Layout(
        text=find_text(name, found, columns.text),
        id=find_id(name, found, columns.id),
        labels={} if label_list else _label_columns(Headers(name, found, CONTAINERS), columns.labels),
        label_list=label_list,
        groups={group: column for group in columns.groups if (column := headers.find(group))},
    )


def _label_columns(headers: Headers, wanted: Sequence[str]) -> dict[str, str]:
    """Return label -> column: of the labels wanted, or of all those of the first dialect that fits."""
    translated = _in_dialect(headers)
    if not wanted:
        return translated
    # A column of the very name wins over a dialect's translation.
    columns = {label: headers.find(label) or translated.get(label, "") for label in wanted}
    return {label: column for label, column in columns.items() if column}


def _in_dialect(headers: Headers) -> dict[str, str]:
    """Return label -> column by the first dialect that fits, in the order of ``LABELS``."""
    for dialect in DIALECTS:
        if all(map(headers.find, dialect.needs)) and any(map(headers.find, sorted(dialect.marks))):
            columns: dict[str, str] = {}
            for name, label in dialect.labels:
                if column := headers.find(name):
                    columns.setdefault(label, column)
            return {label: columns[label] for label in LABELS if label in columns}
    return {}


def slips_in(found: Sequence[str], layout: Layout, columns: Columns) -> dict[str, str]:
    """Return the labels and groups that a file lacks -> a column of no other use that has nearly the name."""
    headers = Headers("", found, CONTAINERS)
    taken = {layout.text, layout.id, *layout.labels.values(), *layout.groups.values()}
    labels = () if layout.label_list else columns.labels or (LABELS if layout.labels else ())
    lacks = [name for name in (*labels, *columns.groups) if name not in layout.labels and name not in layout.groups]
    return {name: near for name in lacks if (near := headers.near(name, taken))}


def slip(name: str, wanted: str, near: str, found: Sequence[str]) -> UserError:
    """Return the error for a column that is missing where another has nearly its name."""
    return UserError(
        "data.todo",
        f"no column '{wanted}' (did you mean {cleaned(near)}?); the file has: {listed(found)}",
        where=name,
        remedy=f"rename the column {shown(near)} to '{wanted}'; if it holds something else, give it another name",
    )


def find_text(name: str, found: Sequence[str], wanted: str = "") -> str:
    """Return the column that holds the text, or an empty string; a UserError if several may."""
    headers = Headers(name, found)
    if wanted:
        return headers.find(wanted)
    if first := headers.find(TEXT_COLUMNS[0]):
        return first
    candidates = [column for text in TEXT_COLUMNS if (column := headers.find(text))]
    if len(candidates) > 1:
        raise UserError(
            "data.todo", f"several columns may hold the text: {listed(candidates)}", where=name, remedy=_NAME_TEXT
        )
    return candidates[0] if candidates else ""


def find_id(name: str, found: Sequence[str], wanted: str = "") -> str:
    """Return the column that holds the ids, or an empty string; a UserError if the one named is absent."""
    headers = Headers(name, found)
    if not wanted:
        return next((column for id in ID_COLUMNS if (column := headers.find(id))), "")
    column = headers.find(wanted)
    if not column:
        raise no_column(name, wanted, found, "name the id column, or none: then the rows are numbered")
    return column


def note_on_ids(names: Sequence[str], found: Sequence[str]) -> str:
    """Return what to say of files without a column of ids.

    Parameters
    ----------
    names : of the files
    found : their columns
    """
    files = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"
    slips = (Headers(files, found).near(id) for id in ID_COLUMNS)
    near = next((f" (did you mean {cleaned(slip)}?)" for slip in slips if slip), "")
    expected = f"{', '.join(ID_COLUMNS[:-1])} or {ID_COLUMNS[-1]}"
    verb = "has" if len(names) == 1 else "have"
    return f"{files} {verb} no id column{near}: the comments are numbered by row (expected {expected})"


def lacks_ids(found: Sequence[str], id_column: str) -> bool:
    """Return whether columns that could hold ids hold none: lines of text alone are not expected to."""
    return not id_column and len(found) > 1


def is_bare_test(found: Sequence[str]) -> bool:
    """Return whether these are the columns of Jigsaw 2018's test.csv, whose labels are in another file."""
    return {folded(name) for name in found} == {"id", "comment_text"}


def no_column(name: str, wanted: str, found: Sequence[str], remedy: str) -> UserError:
    """Return the error for a column that a file does not have."""
    return UserError(
        "data.todo",
        f"no column '{wanted}'{did_you_mean(wanted, found)}; the file has: {listed(found)}",
        where=name,
        remedy=remedy,
    )


def no_text(name: str, wanted: str, found: Sequence[str]) -> UserError:
    """Return the error for a file without comments."""
    if wanted:
        return no_column(name, wanted, found, _NAME_TEXT)
    slips = (Headers(name, found).near(text) for text in TEXT_COLUMNS)
    near = next((f" (did you mean {cleaned(slip)}?)" for slip in slips if slip), "")
    return UserError("data.todo", f"no text column{near}; the file has: {listed(found)}", where=name, remedy=_NAME_TEXT)


def no_label(name: str, wanted: str, found: Sequence[str], there: Sequence[str] = ()) -> UserError:
    """Return the error for a file without a label that is needed; ``there`` are the other labels that it has."""
    remedy = "name the label columns in the recipe (data.labels) or rename them"
    if there:
        labels = ", ".join(f'"{label}"' for label in there)
        remedy += f"; to train on those that are there: --set 'data.labels=[{labels}]'"
    lists = [column for column in found if folded(column) in CONTAINERS]
    if lists and not there:
        remedy += f"; if {shown(lists[0])} holds lists of labels: --set 'data.label_list_column={lists[0]}'"
    return no_column(name, wanted, found, remedy)
