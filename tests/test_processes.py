"""The variables of a launcher: used if they make sense, refused in one line if not."""

import pytest

from civility.processes import Processes, processes_of, settle_accelerate, settle_environment, settle_waiting

from .conftest import LAUNCHED
from .refusals import refused

ONE = {**LAUNCHED, "WORLD_SIZE": "1"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Processes()),
        ({"WORLD_SIZE": "1"}, Processes()),
        (ONE, Processes()),
        (LAUNCHED, Processes(num=2)),
        ({**LAUNCHED, "RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, Processes(2, 1, 1, 2)),
        ({**LAUNCHED, "WORLD_SIZE": " 2 "}, Processes(num=2)),
        ({"LOCAL_WORLD_SIZE": "3"}, Processes(num_here=3)),  # of the workers of a sweep
        ({"OMP_NUM_THREADS": "4,2", "MKL_NUM_THREADS": "1"}, Processes()),
        *(({"CUDA_VISIBLE_DEVICES": gpus}, Processes()) for gpus in ("", "0", "0, 1", "-1", "GPU-8932f937-d72c-4106")),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, Processes()),
    ],
)
def test_valid_variables_are_used(environment: dict[str, str], expected: Processes) -> None:
    assert settle_environment(dict(environment)) == expected
    assert processes_of(environment) == expected


def test_empty_is_unset() -> None:
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    environment = {**dict.fromkeys(names, ""), "OMP_NUM_THREADS": " ", "CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    assert processes_of(environment) == Processes()
    assert settle_environment(environment) == Processes()
    assert environment == {"CUDA_VISIBLE_DEVICES": "", "PATH": ""}, "an empty list of GPUs hides them all"


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT"])
@pytest.mark.parametrize("value", ["abc", "1.0", "-1", "1e3", "99999999999999999999", "\u0661", "\x1b[31m"])
def test_a_value_that_is_not_an_integer_is_refused(name: str, value: str) -> None:
    with refused("processes.bad-variable", f"the environment variable {name} is .*, expected a whole number") as error:
        processes_of({**LAUNCHED, name: value})
    assert "\x1b" not in error.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORLD_SIZE", "0"), ("RANK", "2"), ("LOCAL_RANK", "2"), ("LOCAL_WORLD_SIZE", "0"), ("MASTER_PORT", "65536")],
)
def test_a_value_out_of_range_is_refused(name: str, value: str) -> None:
    with refused("processes.bad-variable", f"the environment variable {name} is '{value}'"):
        processes_of({**LAUNCHED, name: value})


@pytest.mark.parametrize("missing", ["RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_a_variable_that_a_launcher_sets_must_not_be_missing(missing: str, how: str) -> None:
    environment = {**LAUNCHED, missing: ""} if how == "empty" else {k: v for k, v in LAUNCHED.items() if k != missing}
    found = f"WORLD_SIZE is 2 without {missing}: a launcher sets them all"
    with refused("processes.incomplete-launch", found) as error:
        processes_of(environment)
    assert "torchrun" in error.value.remedy


def test_a_rank_without_a_number_of_processes_is_refused() -> None:
    with refused("processes.incomplete-launch", "the environment variable RANK is '3' without WORLD_SIZE"):
        settle_environment({"RANK": "3"})
    assert settle_environment({"RANK": "0"}) == Processes()


def test_a_local_rank_alone_is_refused() -> None:
    found = "LOCAL_RANK is set without WORLD_SIZE, RANK, MASTER_ADDR, MASTER_PORT"
    with refused("processes.incomplete-launch", found):
        processes_of({"LOCAL_RANK": "0"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMP_NUM_THREADS", "many"),
        ("OMP_NUM_THREADS", "0"),
        ("OMP_NUM_THREADS", "2,"),
        ("MKL_NUM_THREADS", "1.5"),
        ("CUDA_VISIBLE_DEVICES", "all"),
        ("CUDA_VISIBLE_DEVICES", "0,,1"),
        ("CUDA_VISIBLE_DEVICES", "0;1"),
        ("CUDA_VISIBLE_DEVICES", "cuda:0"),
    ],
)
def test_threads_and_gpus_that_libraries_would_ignore_are_refused(name: str, value: str) -> None:
    with refused("processes.bad-variable", f"the environment variable {name} is '{value}'"):
        settle_environment({name: value})


def test_variables_that_break_accelerate_or_override_the_recipe_are_removed() -> None:
    """Empty flags, another accumulation, and the number of MPI processes next to torchrun's variables."""
    left = {"ACCELERATE_USE_CPU": "True", "WORLD_SIZE": "4", "PMI_RANK": "0"}
    gone = {"ACCELERATE_DEBUG_MODE": "", "ACCELERATE_TORCH_DEVICE": " ", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "x"}
    environment = {**left, **gone, "PMI_SIZE": "2", "OMPI_COMM_WORLD_SIZE": ""}
    settle_accelerate(environment)
    assert environment == left


@pytest.mark.parametrize(
    ("name", "value", "code", "found"),
    [
        ("ACCELERATE_USE_CPU", "abc", "processes.bad-variable", "is 'abc', expected true or false"),
        ("FORK_LAUNCHED", "2", "processes.bad-variable", "is '2', expected true or false"),
        ("ACCELERATE_TORCH_DEVICE", "meta", "processes.bad-variable", "is 'meta', expected no such variable"),
        ("PMI_SIZE", "abc", "processes.bad-variable", "is 'abc', expected a whole number from 0"),
        ("OMPI_COMM_WORLD_SIZE", "2", "processes.incomplete-launch", "is 2 without WORLD_SIZE"),
    ],
)
def test_an_invalid_variable_of_accelerate_is_refused(name: str, value: str, code: str, found: str) -> None:
    with refused(code, f"{name} {found}"):
        settle_accelerate({name: value})


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "20000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
    ids=["nothing set", "the user's count", "the user's policy"],
)
def test_threads_spin_briefly_unless_the_user_has_chosen(given: dict[str, str], spins: str | None) -> None:
    settle_waiting(given)
    assert given.get("GOMP_SPINCOUNT") == spins
