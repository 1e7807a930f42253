"""Any iterable of strings as a list of texts."""

import math
from collections.abc import Iterable, Mapping, Set
from typing import Any


def texts_of(texts: Any) -> list[str]:
    """Return the texts in a list, a generator, a NumPy array, or a pandas or polars Series.

    Raises
    ------
    TypeError : it is a single string, None, a table, a dict or a set, or an element is not a string
    """
    if isinstance(texts, str | bytes | bytearray):
        raise TypeError(f"texts is a single {type(texts).__name__}: pass a list of strings, as in score([text])")
    if isinstance(texts, Mapping | Set) or hasattr(texts, "columns"):
        raise TypeError(f"texts is a {type(texts).__name__}: pass its texts in order, as a list or a single column")
    if texts is None or not isinstance(texts, Iterable):
        raise TypeError(f"texts is {_description(texts)}: pass a list of strings, or any other iterable of strings")
    found = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{position}] is {_description(text)}: every text must be a string")
        found.append(str(text))  # a NumPy string has a type of its own
    return found


def _description(value: Any) -> str:
    """Describe a value that is not a text: a missing value by its usual name, any other by its type."""
    if value is None:
        return "None"
    if isinstance(value, float) and math.isnan(value):
        return "NaN (a missing value)"
    return f"of type {type(value).__name__}"
