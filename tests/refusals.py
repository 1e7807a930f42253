"""What a test says of bad input: the code of the error, and words of its message."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from civility.errors import UserError


@contextmanager
def refused(code: str, match: str = "") -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Expect a UserError with this code whose text matches a regular expression."""
    with pytest.raises(UserError, match=match or None) as caught:
        yield caught
    assert caught.value.code == code
