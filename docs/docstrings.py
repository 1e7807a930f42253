"""Reads the docstrings of civility for the Python reference: MkDocs loads it through mkdocstrings.

A line such as ``texts : (N,) the comments`` gives shape, unit and meaning, where numpydoc expects the type. The type
is in the signature, so the text becomes the description.
"""

import re
from typing import Any

import griffe

_SECTION = re.compile(r"^(Parameters|Attributes|Raises|Returns)\n-+\n((?:(?!\n\n).)+)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\S.*?) : (.+)", re.MULTILINE)
_RETURNED = re.compile(r"^(\S.*)", re.MULTILINE)


def as_numpydoc(docstring: str, returned: str = "") -> str:
    """Return a docstring with the text of each entry below its name, and what is returned below its type."""

    def rewritten(section: re.Match[str]) -> str:
        if section[1] == "Returns":
            entries = _RETURNED.sub(lambda line: f"{returned or 'object'}\n    {line[1]}", section[2], count=1)
        else:
            entries = _ENTRY.sub(r"\1\n    \2", section[2])
        return f"{section[1]}\n{'-' * len(section[1])}\n{entries}"

    return _SECTION.sub(rewritten, docstring)


class Docstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object that was loaded."""
        if obj.docstring:
            returned = str(obj.returns or "") if isinstance(obj, griffe.Function) else ""
            obj.docstring.value = as_numpydoc(obj.docstring.value, returned)
