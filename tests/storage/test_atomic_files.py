"""Writing: a file or folder that exists is complete, whatever goes wrong on the way."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import civility
from civility.data.reading.opening import expand, open_table
from civility.errors import UserError
from civility.storage.atomic_files import (
    is_stream,
    make_folder,
    real_path,
    remove_folder,
    replace_folder,
    write_file,
    write_folder,
)

from ..refusals import refused


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
    with refused("storage.cannot-write") as caught, write_file(path) as file:
        file.write("new")
    assert caught.value.message == f"{path}: cannot write: {message}"
    assert caught.value.remedy == remedy
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["report.md"]


def test_any_other_failure_is_reported_in_the_words_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, errno.EIO)
    with refused("storage.cannot-write") as caught, write_file(tmp_path / "report.md") as file:
        file.write("new")
    assert caught.value.message == f"{tmp_path / 'report.md'}: cannot write: Input/output error"
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("missing/report.md", "the folder does not exist"),
        ("file/report.md", "part of the path is a file, not a folder"),
        ("folder", "a folder, not a file"),
    ],
)
def test_an_impossible_place_is_explained(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with refused("storage.cannot-write") as caught, write_file(tmp_path / place) as file:
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
        refused("storage.cannot-write", match="no space left on the disk"),
        write_folder(tmp_path / "run") as folder,
    ):
        (folder / "weights").write_text("1")
    assert _names(tmp_path) == []


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    """Let others read nothing of what is made."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.fixture
def null(tmp_path: Path) -> Path:
    """A device of its own that swallows everything, as /dev/null."""
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.open("wb").close()
    except OSError:
        pytest.skip("no permission to make a device here")
    return path


@contextlib.contextmanager
def _reader(pipe: Path) -> Iterator[Callable[[], bytes]]:
    """Give what reads what has been written to a pipe; it waits for nothing."""
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield lambda: os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def test_a_pipe_is_written_directly_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "scores.csv"
    os.mkfifo(pipe)
    with _reader(pipe) as read:
        with write_file(pipe) as file:
            file.write("id,toxic\n")
        assert read() == b"id,toxic\n"
    assert is_stream(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert _names(tmp_path) == ["scores.csv"]


def test_a_link_to_a_pipe_is_written_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with _reader(tmp_path / "pipe") as read:
        with write_file(tmp_path / "link", "wb") as file:
            file.write(b"scores")
        assert read() == b"scores"
    assert (tmp_path / "link").is_symlink()


def test_a_device_is_written_directly_and_stays(null: Path) -> None:
    with write_file(null) as file:
        file.write("scores")
    assert stat.S_ISCHR(null.stat().st_mode)
    assert is_stream(null)
    assert _names(null.parent) == ["null"]


def test_a_pipe_without_a_reader_is_not_an_error_of_the_disk(tmp_path: Path) -> None:
    pipe = tmp_path / "scores.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(BrokenPipeError), write_file(pipe) as file:  # noqa: PT012
        os.close(reader)
        file.write("scores")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_an_open_descriptor_is_written_from_its_position(tmp_path: Path, folder: str) -> None:
    with (tmp_path / "all.txt").open("wb", buffering=0) as file:
        file.write(b"first\n")
        (tmp_path / "link").symlink_to(f"{folder}/{file.fileno()}")
        assert is_stream(tmp_path / "link")
        for path in (Path(folder, str(file.fileno())), tmp_path / "link"):
            with write_file(path) as scores:
                scores.write("scores\n")
        file.write(b"last\n")
    assert (tmp_path / "all.txt").read_bytes() == b"first\nscores\nscores\nlast\n"
    assert _names(tmp_path) == ["all.txt", "link"]


def test_a_descriptor_that_is_not_open_is_explained() -> None:
    with refused("storage.cannot-write", match="cannot write: Bad file descriptor"), write_file(Path("/dev/fd/999999")):
        pass


def test_a_file_or_nothing_is_not_a_stream(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not any(map(is_stream, (tmp_path, tmp_path / "file", tmp_path / "none", Path("a\0b"), Path())))


def test_a_link_stays_and_its_target_is_replaced_at_once(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "scores.csv"
    (tmp_path / "link").symlink_to("there/scores.csv")
    for text in ("first", "second"):  # the link leads nowhere at first
        with write_file(tmp_path / "link") as file:
            file.write(text)
            file.flush()
            assert _names(tmp_path) == ["link", "there"]  # the partial file is beside the target
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text
    assert (tmp_path / "link").is_symlink()
    assert _names(target.parent) == ["scores.csv"]


def test_links_in_a_circle_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with (
        pytest.raises(
            UserError, match="a: cannot write: a symbolic link that must not be followed, or leads in a circle"
        ),
        write_file(tmp_path / "a"),
    ):
        pass
    assert (tmp_path / "a").is_symlink()
    assert _names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("name", ["a", "a/inside.csv"])
def test_a_path_through_links_in_a_circle_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for read in (real_path, open_table, lambda path: expand([path])):
        with refused("storage.link-circle", match=f"{name}: its symbolic links lead in a circle"):
            read(tmp_path / name)


def test_a_real_path_has_no_links_whether_it_exists_or_not(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("folder")
    assert real_path(tmp_path / "link" / "file") == tmp_path.resolve() / "folder" / "file"
    assert real_path(".") == Path.cwd()


def test_every_path_is_made_real_by_one_function() -> None:
    """``Path.resolve`` raises RuntimeError on links in a circle, from Python 3.13 on nothing at all."""
    sources = Path(civility.__file__).parent.rglob("*.py")
    assert [str(path) for path in sources if ".resolve(" in path.read_text(encoding="utf-8")] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link that belongs to somebody else")
def test_a_link_by_another_user_in_a_shared_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    (tmp_path / "private").write_text("mine")
    link = tmp_path / "shared" / "scores.csv"
    link.symlink_to(tmp_path / "private")
    os.lchown(link, 12345, 12345)
    with refused("storage.cannot-write"), write_file(link) as file:
        file.write("scores")
    assert (tmp_path / "private").read_text() == "mine"
    assert _names(link.parent) == ["scores.csv"]


def _names_of_partial_files(place: Path) -> set[str]:
    """Return the names that stand beside ``place`` while it is written, as a file and then as a folder."""
    found = set()
    with write_file(place):
        found |= set(_names(place.parent))
    place.unlink()
    with write_folder(place):
        found |= set(_names(place.parent))
    place.rmdir()
    return found


def test_the_name_of_a_partial_file_is_unpredictable(tmp_path: Path) -> None:
    foreseen = _names_of_partial_files(tmp_path / "scores")
    # Links that replace the names seen before are not followed.
    (tmp_path / "private").write_text("mine")
    for name in foreseen:
        (tmp_path / name).symlink_to("private")
    with write_file(tmp_path / "scores") as file:
        file.write("scores")
    assert (tmp_path / "private").read_text() == "mine"
    assert (tmp_path / "scores").read_text() == "scores"
    (tmp_path / "scores").unlink()
    assert not foreseen & (_names_of_partial_files(tmp_path / "scores") - foreseen)
    assert {name.rpartition(".")[2] for name in foreseen} == {"partial"}


@pytest.mark.usefixtures("umask")
def test_a_new_file_is_as_readable_as_any_other_from_its_beginning(tmp_path: Path) -> None:
    with write_file(tmp_path / "scores") as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o640
    assert _mode(tmp_path / "scores") == 0o640


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_file_keeps_its_permissions_when_it_is_replaced(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "scores"
    path.write_text("old")
    path.chmod(mode)
    with write_file(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode
        file.write("new")
    assert (path.read_text(), _mode(path)) == ("new", mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_keeps_its_owner_when_root_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    path.write_text("old")
    os.chown(path, 12345, 12346)
    with write_file(path) as file:
        file.write("new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


@pytest.mark.usefixtures("umask")
def test_weights_are_as_readable_as_other_files_of_their_folder(tmp_path: Path) -> None:
    with write_folder(tmp_path / "classifier") as folder:
        (folder / "config.json").write_text("{}")
        save_file({"weight": np.ones(3)}, folder / "model.safetensors")  # leaves 0600
    assert _mode(tmp_path / "classifier") == 0o750
    assert {_mode(path) for path in (tmp_path / "classifier").iterdir()} == {0o640}


def test_files_keep_their_permissions_when_their_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "classifier").mkdir(0o700)
    (tmp_path / "classifier" / "weights").write_text("old")
    (tmp_path / "classifier" / "weights").chmod(0o600)
    with replace_folder(tmp_path / "classifier") as folder:
        (folder / "weights").write_text("new")
        (folder / "more").write_text("new")
    assert (tmp_path / "classifier" / "weights").read_text() == "new"
    assert (_mode(tmp_path / "classifier"), _mode(tmp_path / "classifier" / "weights")) == (0o700, 0o600)
    assert _names(tmp_path) == ["classifier"]


def test_a_name_of_the_greatest_length(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    with write_file(path) as file:
        file.write("scores")
    assert _names(tmp_path) == [path.name]


def test_the_target_of_a_link_to_a_folder_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("audit")
    with write_folder(tmp_path / "link") as folder:
        (folder / "rows.csv").write_text("1")
    assert (tmp_path / "link").is_symlink()
    assert _names(tmp_path / "audit") == ["rows.csv"]


def test_removing_a_link_to_a_folder_removes_only_the_link(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "link").symlink_to("plots")
    remove_folder(tmp_path / "link")
    assert _names(tmp_path) == ["plots"]


def test_a_folder_is_made_with_its_parents_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for folder in ("new", "old"):
        with refused("storage.cannot-write", match="File name too long"):
            make_folder(tmp_path / folder / "between" / ("x" * 300))
    assert _names(tmp_path) == ["old"]
    assert _names(tmp_path / "old") == []


def test_a_folder_instead_of_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    make_folder(tmp_path / "new" / "reports")
    make_folder(tmp_path / "new" / "reports")
    with refused("storage.cannot-write") as caught:
        make_folder(tmp_path / "pipe")
    assert (caught.value.message, caught.value.remedy) == (
        f"{tmp_path / 'pipe'}: cannot write: not a folder",
        "name a folder",
    )
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
