"""Comments with pseudo-labels: scores of a classifier, or of several, that stand in for what nobody has annotated.

The files are those that `civility predict --keep-text` writes, or any with a column of comments and one a label. Knows
nothing of how the comments are used.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from civility.data.dataset import Dataset
from civility.data.readers import Columns, columns_present, read_dataset
from civility.data.sources import expand
from civility.errors import UserError

_REMEDY = "'civility predict RUN --data FILE --out SCORES --keep-text' writes a file with both"


def read_pseudo_labels(files: Sequence[str], columns: Columns, like: Dataset) -> tuple[Dataset, list[str]]:
    """Return the comments of files of scores on the axes of a dataset, with notes for a person.

    Scores are kept as they are, as soft targets; groups are unknown.

    Parameters
    ----------
    files : paths or globs
    columns : of the run's own files, for the names that these files have too; the others are recognised
    like : whose labels and groups the comments get

    Raises
    ------
    UserError : a file cannot be read, has no text, or no column of any label
    """
    read: list[Dataset] = []
    notes: list[str] = []
    try:
        for name in expand(files):
            known = replace(columns_present(name, columns), labels=like.labels, groups=())
            reading = read_dataset([name], known, require_all_labels=False)
            groups = np.full((len(reading.dataset), len(like.group_names)), np.nan, dtype=np.float32)
            read.append(replace(reading.dataset, groups=groups, group_names=like.group_names))
            notes += reading.notes
    except UserError as error:
        raise UserError(
            "data.todo", f"data.pseudo_labels: {error.message}", remedy=f"{error.remedy}\n{_REMEDY}".strip()
        ) from error
    first, *others = read
    for other in others:
        first = first.joined(other)
    return first, notes
