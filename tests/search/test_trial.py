"""How a trial ends: by an error of the machine, of the shared recipe, or of its own settings."""

import errno

import pytest

from civility.errors import UserError
from civility.search.trial import _is_refused_by_the_machine, _raise_if_shared


def caused(error: OSError) -> UserError:
    outer = UserError("search.test", "what the user reads")
    outer.__cause__ = error
    return outer


def test_a_full_disk_is_an_error_of_the_machine_and_a_missing_model_is_not() -> None:
    assert _is_refused_by_the_machine(caused(OSError(errno.ENOSPC, "No space left on device")))
    assert _is_refused_by_the_machine(caused(PermissionError(errno.EACCES, "Permission denied")))
    assert not _is_refused_by_the_machine(
        caused(OSError("no-such/model is not a local folder"))
    )  # as transformers raises it
    assert not _is_refused_by_the_machine(caused(FileNotFoundError(errno.ENOENT, "No such file")))
    assert not _is_refused_by_the_machine(UserError("search.test", "of no other error"))


def test_an_error_concerns_all_trials_only_if_the_shared_recipe_has_the_same() -> None:
    mistake = UserError("search.test", "the same")

    def the_same() -> None:
        raise UserError("search.test", "the same")

    def another() -> None:
        raise UserError("search.test", "another, of what every trial varies")

    with pytest.raises(UserError, match="the same"):
        _raise_if_shared(mistake, the_same)
    _raise_if_shared(mistake, another)
    _raise_if_shared(mistake, lambda: None)
