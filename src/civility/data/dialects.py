"""Which columns hold what: how names compare, the Jigsaw dialects, and the column names that other files use.

To read the files of another challenge, add a `Dialect` to `DIALECTS`. Its labels may be those of `LABELS` or others.
"""

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from civility.data.file_format import UNSPECIFIED, FileFormat
from civility.errors import UserError, did_you_mean
from civility.plain_text import listed, shown

# In the order of Jigsaw 2018, which every label axis follows unless the user names the labels.
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")

TEXT_COLUMNS = ("comment_text", "text", "comment", "content", "body")
ID_COLUMNS = ("id", "comment_id", "rev_id")
# A column of objects such as {"toxic": 1, "threat": 0}, or columns such as labels.toxic, as pandas writes them.
CONTAINERS = ("labels", "label", "targets", "annotations")
NAME_TEXT = "name the text column: data.text_column in the recipe, or --text-column"

# Invisible, although Unicode classes them as letters, marks and symbols: fillers, joiners, a blank.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))
# Characters from which a name is still recognisable with one typo, and with two.
_SHORTEST_TYPO, _TWO_TYPOS = 4, 8


@dataclass(frozen=True)
class Columns:
    """Which columns hold what. Those left empty are recognised.

    Names match without regard to case, surrounding white space and invisible characters.
    """

    text: str = ""
    id: str = ""
    labels: tuple[str, ...] = ()  # (L,) the label axis, in order; empty: every label of the recognised dialect
    label_list: str = ""  # a column that lists the labels of each row
    label_separator: str = ","  # between the labels in that column, if they are not in brackets
    none_word: str = "none"  # what that column holds, besides ``[]``, if no label applies; empty: no such word
    multi_hot: tuple[str, ...] = ()  # the order of the labels in lists of numbers; empty: such lists are refused
    groups: tuple[str, ...] = ()  # (G,) identity columns
    file: FileFormat = UNSPECIFIED  # how the files are written


UNSPECIFIED_COLUMNS = Columns()  # none is named: all are to be recognised


@dataclass(frozen=True)
class Dialect:
    """How the files of a challenge name their labels."""

    name: str
    needs: frozenset[str]  # columns that must all be present
    marks: frozenset[str]  # columns of which at least one must be present
    labels: tuple[tuple[str, str], ...]  # (column, label) pairs; the first column that a file has gives the label


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


def cleaned(name: str) -> str:
    """Return a name as a person sees it: without invisible characters, and with single spaces."""
    if not (name.isascii() and name.isprintable()):
        name = "".join(character for character in name if not _is_invisible(character))
    return " ".join(name.split())


def folded(name: str) -> str:
    r"""Return the form in which names are compared: cleaned, in Unicode form NFKC, without case.

    ``"\ufeffId "``, ``"ID"`` and ``"\u200bid\u00a0"`` all become ``"id"``.
    """
    compatible = unicodedata.normalize("NFKC", cleaned(name))
    return cleaned(unicodedata.normalize("NFKC", compatible.casefold()))


def _is_invisible(character: str) -> bool:
    if character in _BLANKS or any(low <= character <= high for low, high in _VARIATION_SELECTORS):
        return True
    # Format characters (byte order marks, zero-width and direction marks, soft hyphens), and controls except spaces.
    return unicodedata.category(character) in ("Cf", "Cc") and not character.isspace()


class Headers:
    """The columns of a file, found by name as `folded` compares names.

    Parameters
    ----------
    file : its name, for messages
    names : the columns as the file writes them
    containers : folded names of columns whose parts are columns too: with ``labels``, the column ``labels.toxic`` is
        also found as ``toxic``
    """

    def __init__(self, file: str, names: Iterable[str], containers: Collection[str] = ()) -> None:
        self.file = file
        self.names = tuple(names)
        self._columns: dict[str, list[str]] = {}
        for name in self.names:
            form = folded(name)
            container, _, part = form.partition(".")
            for key in {form, part if container in containers else form} - {""}:
                self._columns.setdefault(key, []).append(name)

    def find(self, wanted: str) -> str:
        """Return the column of this name as the file writes it, or an empty string.

        A UserError if several columns have this name, even if one is written exactly so: the user may mean either.
        """
        found = self._columns.get(folded(wanted), [])
        if len(found) > 1:
            why = "have the same name up to case, white space and invisible characters"
            if len(set(map(folded, found))) > 1:
                why = f"{'both' if len(found) == 2 else 'all'} hold {shown(cleaned(wanted))}"
            several = f"the columns {' and '.join(map(shown, found))} {why}"
            remedy = f"rename or remove the others, and keep the one that holds '{cleaned(wanted)}'"
            raise UserError("data.ambiguous-column", several, where=self.file, remedy=remedy)
        return found[0] if found else ""

    def find_all(self, wanted: Iterable[str]) -> list[str]:
        """Return the columns that have one of these names, in the order of the names; see `find`."""
        return [column for name in wanted if (column := self.find(name))]

    def near(self, wanted: str, taken: Collection[str] = ()) -> str:
        """Return the column, not one of ``taken``, whose name has a typo less or more, or an empty string."""
        form = folded(wanted)
        allowed = 0 if len(form) < _SHORTEST_TYPO else 1 if len(form) < _TWO_TYPOS else 2
        others = [other for other, names in self._columns.items() if other != form and not set(names) <= set(taken)]
        distances = {other: _distance(form, other) for other in others if abs(len(other) - len(form)) <= allowed}
        nearest = min(distances, key=distances.__getitem__, default="")
        return self._columns[nearest][0] if distances.get(nearest, allowed + 1) <= allowed else ""

    def did_you_mean(self, wanted: Iterable[str]) -> str:
        """Return ``' (did you mean X?)'`` for the first column whose name is almost one of these, or nothing."""
        near = next(filter(None, map(self.near, wanted)), "")
        return f" (did you mean {cleaned(near)}?)" if near else ""


def _distance(one: str, other: str) -> int:
    """Return the number of typos between two names: letters added, missing, replaced, or swapped with the next."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, found in enumerate(other, 1):
            best = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (letter != found))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], found):
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]


@dataclass(frozen=True)
class Layout:
    """Which columns of a file hold what, as the file writes their names. Empty where it has none."""

    text: str
    id: str
    labels: dict[str, str]  # label -> column, only those found
    label_list: str = ""
    groups: dict[str, str] = field(default_factory=dict)  # group -> column, only those found


def layout_of(name: str, found: Sequence[str], columns: Columns) -> Layout:
    """Return which of a file's columns hold what was asked for.

    A missing text or label column is not an error here, since another file may have it. A UserError if the column named
    for the ids or for the lists of labels is missing, several columns may hold the text, or two have one name.
    """
    headers = Headers(name, found)
    label_list = headers.find(columns.label_list) if columns.label_list else ""
    if columns.label_list and not label_list:
        raise no_column(headers, columns.label_list, "name the column that holds the lists of labels")
    return Layout(
        text=find_text(headers, columns.text),
        id=find_id(headers, columns.id),
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
            return {label: columns[label] for label in in_order(columns)}
    return {}


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels without repetition: those of `LABELS` in its order, then the others in theirs."""
    found = dict.fromkeys(labels)
    return (*filter(found.__contains__, LABELS), *(label for label in found if label not in LABELS))


def find_text(headers: Headers, wanted: str = "") -> str:
    """Return the column that holds the text, or an empty string.

    It is the one that the user wants, else one of `TEXT_COLUMNS`; a UserError if several may hold it.
    """
    if wanted:
        return headers.find(wanted)
    if first := headers.find(TEXT_COLUMNS[0]):
        return first
    candidates = headers.find_all(TEXT_COLUMNS)
    if len(candidates) > 1:
        found = f"several columns may hold the text: {listed(candidates)}"
        raise UserError("data.ambiguous-column", found, where=headers.file, remedy=NAME_TEXT)
    return candidates[0] if candidates else ""


def find_id(headers: Headers, wanted: str = "") -> str:
    """Return the column that holds the ids, or an empty string; a UserError if the one that the user wants is missing.

    It is the one that the user wants, else one of `ID_COLUMNS`.
    """
    if not wanted:
        return next((column for id in ID_COLUMNS if (column := headers.find(id))), "")
    column = headers.find(wanted)
    if not column:
        raise no_column(headers, wanted, "name the id column, or none to number the rows")
    return column


def note_on_ids(names: Sequence[str], found: Sequence[str]) -> str:
    """Return a note on files without an id column, of which the first has the columns found."""
    files, verb = (names[0], "has") if len(names) == 1 else (f"{names[0]} and {len(names) - 1:,} more", "have")
    near = Headers(files, found).did_you_mean(ID_COLUMNS)
    expected = f"{', '.join(ID_COLUMNS[:-1])} or {ID_COLUMNS[-1]}"
    return f"{files} {verb} no id column{near}: the comments are numbered by row (expected {expected})"


def lacks_ids(found: Sequence[str], id_column: str) -> bool:
    """Return whether a file should have an id column and has none. Text alone, line by line, needs none."""
    return not id_column and len(found) > 1


def typo(headers: Headers, wanted: str, near: str) -> UserError:
    """Return the error for a missing column, if another one, ``near``, has almost the same name."""
    return UserError(
        "data.no-column",
        f"no column '{wanted}' (did you mean {cleaned(near)}?); the file has: {listed(headers.names)}",
        where=headers.file,
        remedy=f"rename the column {shown(near)} to '{wanted}'; if it holds something else, give it another name",
    )


def no_column(headers: Headers, wanted: str, remedy: str) -> UserError:
    """Return the error for a column that a file does not have."""
    found = f"no column '{wanted}'{did_you_mean(wanted, headers.names)}; the file has: {listed(headers.names)}"
    return UserError("data.no-column", found, where=headers.file, remedy=remedy)


def no_text(headers: Headers, wanted: str) -> UserError:
    """Return the error for a file without the text column that the user wants, or without any."""
    if wanted:
        return no_column(headers, wanted, NAME_TEXT)
    found = f"no text column{headers.did_you_mean(TEXT_COLUMNS)}; the file has: {listed(headers.names)}"
    return UserError("data.no-column", found, where=headers.file, remedy=NAME_TEXT)


def no_label(headers: Headers, wanted: str, others: Sequence[str] = ()) -> UserError:
    """Return the error for a file without a label that is needed; ``others`` are the labels that it has."""
    remedy = "name the label columns in the recipe (data.labels) or rename them"
    if others:
        labels = ", ".join(f'"{label}"' for label in others)
        remedy += f"; to train on the labels that it has: --set 'data.labels=[{labels}]'"
    lists = [column for column in headers.names if folded(column) in CONTAINERS]
    if lists and not others:
        remedy += f"; if {shown(lists[0])} holds lists of labels: --set 'data.label_list_column={lists[0]}'"
    return no_column(headers, wanted, remedy)
