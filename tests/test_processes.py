"""What a launcher says of its processes: taken where it makes sense, told in one line where it does not."""

import pytest

from civility.errors import UserError
from civility.processes import Processes, processes_of, settle_accelerate, settle_environment

from .conftest import LAUNCHED

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
def test_what_makes_sense_is_taken(environment: dict[str, str], expected: Processes) -> None:
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
def test_what_is_no_whole_number_is_told(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"the environment variable {name} is .*, expected a whole number") as error:
        processes_of({**LAUNCHED, name: value})
    assert "\x1b" not in error.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORLD_SIZE", "0"), ("RANK", "2"), ("LOCAL_RANK", "2"), ("LOCAL_WORLD_SIZE", "0"), ("MASTER_PORT", "65536")],
)
def test_what_is_out_of_range_is_told(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"the environment variable {name} is '{value}'"):
        processes_of({**LAUNCHED, name: value})


@pytest.mark.parametrize("missing", ["RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_what_a_launcher_would_have_set_is_told(missing: str, how: str) -> None:
    environment = {**LAUNCHED, missing: ""} if how == "empty" else {k: v for k, v in LAUNCHED.items() if k != missing}
    with pytest.raises(
        UserError, match=f"WORLD_SIZE is 2, and {missing} is not set: a launcher sets them all"
    ) as error:
        processes_of(environment)
    assert "torchrun" in error.value.remedy


def test_a_rank_without_a_number_of_processes_is_told() -> None:
    with pytest.raises(UserError, match="the environment variable RANK is '3', and WORLD_SIZE is not set"):
        settle_environment({"RANK": "3"})
    assert settle_environment({"RANK": "0"}) == Processes()


def test_a_local_rank_alone_is_told() -> None:
    with pytest.raises(
        UserError, match="LOCAL_RANK is set, and WORLD_SIZE, RANK, MASTER_ADDR, MASTER_PORT are not set"
    ):
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
def test_threads_and_gpus_that_libraries_would_pass_over_are_told(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"the environment variable {name} is '{value}'"):
        settle_environment({name: value})


def test_what_accelerate_would_fail_on_or_heed_before_the_recipe_is_removed() -> None:
    """Empty flags, another accumulation, and processes of MPI that torchrun's variables say better."""
    left = {"ACCELERATE_USE_CPU": "True", "WORLD_SIZE": "4", "PMI_RANK": "0"}
    gone = {"ACCELERATE_DEBUG_MODE": "", "ACCELERATE_TORCH_DEVICE": " ", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "x"}
    environment = {**left, **gone, "PMI_SIZE": "2", "OMPI_COMM_WORLD_SIZE": ""}
    settle_accelerate(environment)
    assert environment == left


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ACCELERATE_USE_CPU", "abc", "is 'abc', expected true or false"),
        ("FORK_LAUNCHED", "2", "is '2', expected true or false"),
        ("ACCELERATE_TORCH_DEVICE", "meta", "is 'meta': the recipe says on which device a run is"),
        ("PMI_SIZE", "abc", "is 'abc', expected a whole number from 0"),
        ("OMPI_COMM_WORLD_SIZE", "2", "is 2, and WORLD_SIZE is not set"),
    ],
)
def test_a_variable_of_accelerate_that_is_wrong_is_refused(name: str, value: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        settle_accelerate({name: value})
    assert f"{name} {told}" in caught.value.message
