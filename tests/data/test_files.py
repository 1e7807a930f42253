"""Writing: a file or folder that exists is complete, whatever goes wrong on the way."""

import errno
import os
from pathlib import Path

import pytest

from civility.data.files import write_file, write_folder
from civility.errors import UserError


def _fail_with(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fsync(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    with write_file(path) as file:
        file.write("grüße\r\n")
        assert not path.exists()
    assert path.read_bytes() == "grüße\r\n".encode()
    assert _names(tmp_path) == ["report.md"]


def test_a_file_of_bytes(tmp_path: Path) -> None:
    with write_file(tmp_path / "scores.bin", "wb") as file:
        file.write(b"\x00\xff")
    assert (tmp_path / "scores.bin").read_bytes() == b"\x00\xff"


@pytest.mark.parametrize("before", [None, "old"])
def test_an_exception_leaves_what_was_there(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "report.md"
    if before is not None:
        path.write_text(before)
    with pytest.raises(ZeroDivisionError), write_file(path) as file:  # noqa: PT012
        file.write("half")
        raise ZeroDivisionError
    assert _names(tmp_path) == ([] if before is None else ["report.md"])
    assert before is None or path.read_text() == before


@pytest.mark.parametrize(
    ("number", "message", "remedy"),
    [
        (errno.ENOSPC, "no space left on the disk", "free some space, or write elsewhere"),
        (errno.EDQUOT, "the disk quota is used up", "free some space, or write elsewhere"),
        (errno.EACCES, "no permission to write there", "choose a folder that you may write to"),
        (errno.EROFS, "the file system is read-only", "choose a folder that you may write to"),
    ],
)
def test_a_failure_of_the_disk_is_explained_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str, remedy: str
) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")
    _fail_with(monkeypatch, number)
    with pytest.raises(UserError) as caught, write_file(path) as file:
        file.write("new")
    assert caught.value.message == f"{path}: cannot write: {message}"
    assert caught.value.remedy == remedy
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["report.md"]


def test_a_failure_of_any_other_kind_is_told_in_the_systems_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, errno.EIO)
    with pytest.raises(UserError) as caught, write_file(tmp_path / "report.md") as file:
        file.write("new")
    assert caught.value.message == f"{tmp_path / 'report.md'}: cannot write: Input/output error"
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("missing/report.md", "the folder does not exist"),
        ("file/report.md", "a part of the path is a file, not a folder"),
        ("folder", "this is a folder, not a file"),
    ],
)
def test_a_place_that_cannot_be_is_explained(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError) as caught, write_file(tmp_path / place) as file:
        file.write("new")
    assert caught.value.message == f"{tmp_path / place}: cannot write: {message}"
    assert _names(tmp_path) == ["file", "folder"]


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with write_folder(path) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_text("1")
        assert not path.exists()
    assert (path / "inner" / "weights").read_text() == "1"
    assert _names(tmp_path) == ["checkpoint"]


def test_an_exception_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), write_folder(tmp_path / "checkpoint") as folder:  # noqa: PT012
        (folder / "weights").write_text("1")
        raise ZeroDivisionError
    assert _names(tmp_path) == []


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(FileExistsError), write_folder(tmp_path / "checkpoint"):
        pass
    assert _names(tmp_path) == ["checkpoint"]


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(monkeypatch, errno.ENOSPC)
    with (
        pytest.raises(UserError, match="no space left on the disk"),
        write_folder(tmp_path / "run") as folder,
    ):
        (folder / "weights").write_text("1")
    assert _names(tmp_path) == []


def test_a_killed_writer_is_no_hindrance_to_the_next(tmp_path: Path) -> None:
    stale = tmp_path / f".checkpoint.{os.getpid()}.partial"
    stale.mkdir()
    (stale / "half").write_text("1")
    with write_folder(tmp_path / "checkpoint") as folder:
        assert _names(folder) == []
    assert _names(tmp_path) == ["checkpoint"]
