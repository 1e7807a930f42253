"""Files, standard input and built-in corpora, whatever they are written as, become comments and datasets."""

from civility.data.dialects import Columns
from civility.data.reading.comments import CommentChunk, stream_comments
from civility.data.reading.labelled import (
    Origin,
    Reading,
    begins_with_mark,
    columns_present,
    count_cells,
    read_column,
    read_dataset,
)

__all__ = [
    "Columns",
    "CommentChunk",
    "Origin",
    "Reading",
    "begins_with_mark",
    "columns_present",
    "count_cells",
    "read_column",
    "read_dataset",
    "stream_comments",
]
