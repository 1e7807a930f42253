"""The lock of a run directory: one writer, named to whoever comes second; the dead hold nothing."""

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


def test_a_lock_is_there_while_it_is_held_and_names_its_owner(tmp_path: Path) -> None:
    with hold(tmp_path / "lock") as (lock, dead):
        assert dead is None
        lock.sign()
        content = json.loads((tmp_path / "lock").read_text())
        assert content["process"] == os.getpid()
        assert content["machine"] == platform.node()
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with hold(tmp_path / "lock"):
        with pytest.raises(UserError) as caught, hold(tmp_path / "lock"):
            pass
        assert f"{tmp_path}: another run is writing there: process {os.getpid()} on " in caught.value.message
        assert "last sign of life 0 s ago" in caught.value.message
        assert (tmp_path / "lock").exists(), "who is refused takes nothing away"
    with hold(tmp_path / "lock") as (_, dead):  # the control: once it is free, it can be had
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
        with pytest.raises(UserError, match=f"process {holder.pid} on"), hold(path):
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
    with pytest.raises(UserError) as caught, hold(tmp_path / "lock"):
        pass
    assert "process 1 on another-machine, since 2026-01-01T00:00:00+00:00" in caught.value.message
    assert "last sign of life 40 s ago" in caught.value.message
    assert caught.value.remedy == f"if that machine is gone, remove {tmp_path / 'lock'}; else choose another --out"
    _sign_as(tmp_path / "lock", far, age=4000)
    with hold(tmp_path / "lock") as (_, dead):
        assert dead == far


def test_a_lock_that_says_nothing_is_taken_over(tmp_path: Path) -> None:
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


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write: the folder does not exist"), hold(tmp_path / "no" / "lock"):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("mine")
    (tmp_path / "lock").symlink_to("private")
    with (
        pytest.raises(UserError, match="a symbolic link that may not be followed, or leads in a circle"),
        hold(tmp_path / "lock"),
    ):
        pass
    assert (tmp_path / "private").read_text() == "mine"
