"""Which columns hold what: the Jigsaw dialects, and the column names that other files use.

To read the files of another challenge, add a `Dialect` to `DIALECTS`. Its labels may be those of `LABELS` or others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from civility.data.file_format import RECOGNISED, FileFormat
from civility.data.headers import Headers, cleaned, folded
from civility.errors import UserError, did_you_mean
from civility.plain_text import listed, shown

# In the order of Jigsaw 2018, which every label axis follows unless the user names the labels.
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")

TEXT_COLUMNS = ("comment_text", "text", "comment", "content", "body")
ID_COLUMNS = ("id", "comment_id", "rev_id")
# A column of objects such as {"toxic": 1, "threat": 0}, or columns such as labels.toxic, as pandas writes them.
CONTAINERS = ("labels", "label", "targets", "annotations")
NAME_TEXT = "name the text column: data.text_column in the recipe, or --text-column"


@dataclass(frozen=True)
class Columns:
    """Which columns hold what. Those left empty are recognised.

    Names match without regard to case, surrounding white space and invisible characters.

    Parameters
    ----------
    text, id : names of columns
    labels : (L,) the label axis, in order; empty: every label of the recognised dialect
    label_list : a column that lists the labels of each row
    label_separator : between the labels in that column, if they are not in brackets
    none_word : what that column holds, besides ``[]``, if no label applies; empty: no such word
    multi_hot : the order of the labels, if that column holds lists of numbers; empty: such lists are refused
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
    """How the files of a challenge name their labels.

    Parameters
    ----------
    name : of the challenge
    needs : columns that must all be present
    marks : columns of which at least one must be present
    labels : (column, label) pairs; the first column that a file has gives the label
    """

    name: str
    needs: frozenset[str]
    marks: frozenset[str]
    labels: tuple[tuple[str, str], ...]


_NEUTRAL = tuple((label, label) for label in LABELS)

# The first that fits is used. 2019 comes first, since 2018 has some of its names and would fit too.
DIALECTS = (
    Dialect(
        "Jigsaw 2019",
        # `target` alone is too common a name: Jigsaw's files also have `comment_text`.
        needs=frozenset({"comment_text"}),
        marks=frozenset({"target", "toxicity", "severe_toxicity", "identity_attack"}),
        # The neutral names come first, since the training files of 2020 mix `toxic` with `severe_toxicity`.
        labels=(
            *_NEUTRAL,
            ("target", "toxic"),
            ("toxicity", "toxic"),
            ("severe_toxicity", "severe_toxic"),
            ("identity_attack", "identity_hate"),
        ),
    ),
    # Also the labels of the 2018 test, which come without text, and other files that use the same names.
    Dialect("Jigsaw 2018, Jigsaw 2020", needs=frozenset(), marks=frozenset(LABELS), labels=_NEUTRAL),
)


@dataclass(frozen=True)
class Layout:
    """Which columns of a file hold what, as the file writes their names. Empty where it has none.

    Parameters
    ----------
    labels : label -> column, only those found
    groups : group -> column, only those found
    """

    text: str
    id: str
    labels: dict[str, str]
    label_list: str = ""
    groups: dict[str, str] = field(default_factory=dict)


def layout_of(name: str, found: Sequence[str], columns: Columns) -> Layout:
    """Return which of a file's columns hold what was asked for.

    A missing text or label column is not an error here, since another file may have it.

    Parameters
    ----------
    name : the file, for messages
    found : its columns
    columns : those asked for

    Raises
    ------
    UserError : the column named for the ids or for the lists of labels is missing, several columns may hold the text,
        or two columns have one name
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
    """Return label -> column: for the labels wanted, or for all labels of the first dialect that fits."""
    translated = _in_dialect(headers)
    if not wanted:
        return translated
    # A column of exactly this name wins over the dialect's translation.
    columns = {label: headers.find(label) or translated.get(label, "") for label in wanted}
    return {label: column for label, column in columns.items() if column}


def _in_dialect(headers: Headers) -> dict[str, str]:
    """Return label -> column in the first dialect that fits, in the order of `LABELS`; its other labels follow."""
    for dialect in DIALECTS:
        if all(map(headers.find, dialect.needs)) and any(map(headers.find, sorted(dialect.marks))):
            columns: dict[str, str] = {}
            for name, label in dialect.labels:
                if column := headers.find(name):
                    columns.setdefault(label, column)
            order = (*LABELS, *(label for label in columns if label not in LABELS))
            return {label: columns[label] for label in order if label in columns}
    return {}


def typos_in(found: Sequence[str], layout: Layout, columns: Columns) -> dict[str, str]:
    """Return the labels and groups that a file lacks -> an unused column with almost the same name."""
    headers = Headers("", found, CONTAINERS)
    taken = {layout.text, layout.id, *layout.labels.values(), *layout.groups.values()}
    labels = () if layout.label_list else columns.labels or (LABELS if layout.labels else ())
    lacks = [name for name in (*labels, *columns.groups) if name not in layout.labels and name not in layout.groups]
    return {name: near for name in lacks if (near := headers.near(name, taken))}


def typo(name: str, wanted: str, near: str, found: Sequence[str]) -> UserError:
    """Return the error for a missing column, if another one has almost the same name.

    Parameters
    ----------
    name : the file
    wanted, near : the missing column, and the one like it
    found : all columns of the file
    """
    return UserError(
        "data.no-column",
        f"no column '{wanted}' (did you mean {cleaned(near)}?); the file has: {listed(found)}",
        where=name,
        remedy=f"rename the column {shown(near)} to '{wanted}'; if it holds something else, give it another name",
    )


def find_text(name: str, found: Sequence[str], wanted: str = "") -> str:
    """Return the column that holds the text, or an empty string.

    Parameters
    ----------
    name : the file, for messages
    found : its columns
    wanted : the column that the user names; empty: one of `TEXT_COLUMNS`

    Raises
    ------
    UserError : several columns may hold the text
    """
    headers = Headers(name, found)
    if wanted:
        return headers.find(wanted)
    if first := headers.find(TEXT_COLUMNS[0]):
        return first
    candidates = [column for text in TEXT_COLUMNS if (column := headers.find(text))]
    if len(candidates) > 1:
        raise UserError(
            "data.ambiguous-column",
            f"several columns may hold the text: {listed(candidates)}",
            where=name,
            remedy=NAME_TEXT,
        )
    return candidates[0] if candidates else ""


def find_id(name: str, found: Sequence[str], wanted: str = "") -> str:
    """Return the column that holds the ids, or an empty string; parameters as of `find_text`.

    Raises
    ------
    UserError : the column that the user names is missing
    """
    headers = Headers(name, found)
    if not wanted:
        return next((column for id in ID_COLUMNS if (column := headers.find(id))), "")
    column = headers.find(wanted)
    if not column:
        raise no_column(name, wanted, found, "name the id column, or none to number the rows")
    return column


def note_on_ids(names: Sequence[str], found: Sequence[str]) -> str:
    """Return a note on files without an id column.

    Parameters
    ----------
    names : the files
    found : the columns of the first
    """
    files = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"
    near = _typo_of(Headers(files, found), ID_COLUMNS)
    expected = f"{', '.join(ID_COLUMNS[:-1])} or {ID_COLUMNS[-1]}"
    verb = "has" if len(names) == 1 else "have"
    return f"{files} {verb} no id column{near}: the comments are numbered by row (expected {expected})"


def _typo_of(headers: Headers, wanted: Sequence[str]) -> str:
    """Return ``' (did you mean X?)'`` for the first column whose name is almost one of those wanted, or nothing."""
    near = (headers.near(name) for name in wanted)
    return next((f" (did you mean {cleaned(column)}?)" for column in near if column), "")


def lacks_ids(found: Sequence[str], id_column: str) -> bool:
    """Return whether a file should have an id column and has none. Text alone, line by line, needs none."""
    return not id_column and len(found) > 1


def is_bare_test(found: Sequence[str]) -> bool:
    """Return whether these are the columns of Jigsaw 2018's test.csv, whose labels are in another file."""
    return {folded(name) for name in found} == {"id", "comment_text"}


def no_column(name: str, wanted: str, found: Sequence[str], remedy: str) -> UserError:
    """Return the error for a column that a file does not have; parameters as of `typo`."""
    return UserError(
        "data.no-column",
        f"no column '{wanted}'{did_you_mean(wanted, found)}; the file has: {listed(found)}",
        where=name,
        remedy=remedy,
    )


def no_text(name: str, wanted: str, found: Sequence[str]) -> UserError:
    """Return the error for a file without a text column; parameters as of `find_text`."""
    if wanted:
        return no_column(name, wanted, found, NAME_TEXT)
    near = _typo_of(Headers(name, found), TEXT_COLUMNS)
    return UserError(
        "data.no-column", f"no text column{near}; the file has: {listed(found)}", where=name, remedy=NAME_TEXT
    )


def no_label(name: str, wanted: str, found: Sequence[str], others: Sequence[str] = ()) -> UserError:
    """Return the error for a file without a label that is needed.

    Parameters
    ----------
    name : the file
    wanted : the label
    found : the columns of the file
    others : the labels that it has
    """
    remedy = "name the label columns in the recipe (data.labels) or rename them"
    if others:
        labels = ", ".join(f'"{label}"' for label in others)
        remedy += f"; to train on the labels that it has: --set 'data.labels=[{labels}]'"
    lists = [column for column in found if folded(column) in CONTAINERS]
    if lists and not others:
        remedy += f"; if {shown(lists[0])} holds lists of labels: --set 'data.label_list_column={lists[0]}'"
    return no_column(name, wanted, found, remedy)
