"""The lock of a folder: one writer, whom the next one learns about. A killed process does not hold it."""

import errno
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from civility.errors import UserError
from civility.storage.lock import Owner, hold

from ..refusals import refused


def test_a_lock_is_there_while_it_is_held_and_names_its_owner(tmp_path: Path) -> None:
    with hold(tmp_path / "lock") as (lock, dead):
        assert dead is None
        lock.sign()
        content = json.loads((tmp_path / "lock").read_text())
        assert content["process"] == os.getpid()
        assert content["machine"] == platform.node()
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_learns_who_the_first_is(tmp_path: Path) -> None:
    with hold(tmp_path / "lock"):
        with refused("storage.locked") as caught, hold(tmp_path / "lock"):
            pass
        assert f"{tmp_path}: another run is writing there: process {os.getpid()} on " in caught.value.message
        assert "last sign of life 0 s ago" in caught.value.message
        assert (tmp_path / "lock").exists(), "a process that is refused removes nothing"
    with hold(tmp_path / "lock") as (_, dead):  # the control: a free lock can be taken
        assert dead is None


HOLDER = """
import sys, time
from pathlib import Path
from civility.storage.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with refused("storage.locked", match=f"process {holder.pid} on"), hold(path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert path.exists()
        with hold(path) as (_, dead):
            assert dead is not None
            assert dead.process == holder.pid


def _sign_as(path: Path, owner: Owner, age: float) -> None:
    path.write_text(json.dumps({"process": owner.process, "machine": owner.machine, "since": owner.since}))
    os.utime(path, (time.time() - age, time.time() - age))


def test_an_owner_on_another_machine_counts_as_alive_while_it_signs(tmp_path: Path) -> None:
    far = Owner(1, "another-machine", "2026-01-01T00:00:00+00:00")
    _sign_as(tmp_path / "lock", far, age=40)
    with refused("storage.locked") as caught, hold(tmp_path / "lock"):
        pass
    assert "process 1 on another-machine, since 2026-01-01T00:00:00+00:00" in caught.value.message
    assert "last sign of life 40 s ago" in caught.value.message
    assert caught.value.remedy == f"if that machine is gone, remove {tmp_path / 'lock'}; else choose another --out"
    _sign_as(tmp_path / "lock", far, age=4000)
    with hold(tmp_path / "lock") as (_, dead):
        assert dead == far


def test_an_empty_lock_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    with hold(tmp_path / "lock") as (_, dead):
        assert dead is None


def _count(path: Path, counter: Path, rounds: int) -> None:
    done = 0
    while done < rounds:
        try:
            with hold(path):
                number = int(counter.read_text())
                counter.write_text(str(number + 1))
                done += 1
        except UserError:
            continue


def test_two_processes_never_hold_it_at_once(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count, args=(tmp_path / "lock", counter, 100)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counter.read_text() == "200"


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    with (
        refused("storage.cannot-write", match="cannot write: the folder does not exist"),
        hold(tmp_path / "no" / "lock"),
    ):
        pass


def test_a_link_instead_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("mine")
    (tmp_path / "lock").symlink_to("private")
    with (
        refused("storage.cannot-write", match="a symbolic link that must not be followed, or leads in a circle"),
        hold(tmp_path / "lock"),
    ):
        pass
    assert (tmp_path / "private").read_text() == "mine"


def test_without_locks_in_the_file_system_the_signature_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with hold(tmp_path / "lock") as (_, dead):
        assert dead is None
        with refused("storage.locked", "last sign of life 0 s ago"), hold(tmp_path / "lock"):
            pass
        assert (tmp_path / "lock").exists()
    assert list(tmp_path.iterdir()) == []
