"""Every check of the machine and its libraries: numbers that trigger it, and numbers that pass."""

import pytest

from civility.engine.hardware import Memory
from civility.models.model_size import ModelSize
from civility.recipe import Recipe
from civility.run.versions import library_versions
from civility.training.preflight.machine_checks import (
    FAULTS,
    Fault,
    check_disk,
    check_memory,
    check_precision,
    check_versions,
    further_bytes,
    own_requirements,
)

GIB = 2**30
SIZE = ModelSize(100_000_000, 60_000_000, 78_125, 768, 3072, 12, 12, 512)


def test_too_little_memory_warns_and_impossibly_little_fails() -> None:
    good = check_memory(8 * GIB, 4 * GIB, Memory(16 * GIB, 10 * GIB), "cpu", 1)
    assert good.state == "passed"
    assert (
        good.found
        == "about 8.0 GiB, 4.0 GiB of it for weights and optimizer; 10.0 GiB of 16.0 GiB free on this machine"
    )
    tight = check_memory(8 * GIB, 4 * GIB, Memory(16 * GIB, 7 * GIB), "cuda", 1)
    assert tight.state == "warned"
    assert "training.gradient_accumulation" in tight.remedy
    never = check_memory(8 * GIB, 4 * GIB, Memory(3 * GIB, 3 * GIB), "cuda", 1)
    assert never.state == "failed"
    assert "--model" in never.remedy


def test_memory_is_shared_by_processes_of_one_machine() -> None:
    memory = Memory(16 * GIB, 15 * GIB)
    assert check_memory(8 * GIB, 4 * GIB, memory, "cpu", 1).state == "passed"
    two = check_memory(8 * GIB, 4 * GIB, memory, "cpu", 2)
    assert two.state == "warned"
    assert two.found.startswith("about 8.0 GiB in each of 2 processes")
    assert check_memory(8 * GIB, 4 * GIB, memory, "cpu", 5).state == "failed"


def test_memory_that_nobody_tells_of_passes() -> None:
    check = check_memory(8 * GIB, 4 * GIB, None, "cuda", 1)
    assert check.state == "passed"
    assert check.found.endswith("how much is there is not known")


@pytest.mark.parametrize("average", ["none", "ema"])
def test_the_copy_of_a_checkpoint_counts_where_main_memory_trains(average: str) -> None:
    changes = {"data.files": ["none.csv"], "regularization.average": average}
    recipe = Recipe.load("baseline", changes)
    cpu, mps, gpu = (further_bytes(recipe, device, 1000, 8000) for device in ("cpu", "mps", "cuda"))
    kept = 4000 if average == "ema" else 0
    assert (cpu, mps, gpu) == (kept + 12_000 + kept, kept + 12_000 + kept, kept)
    never = Recipe.load("baseline", {**changes, "training.checkpoint_minutes": 0.0})
    assert further_bytes(never, "mps", 1000, 8000) == kept


def test_a_disk_that_fills_up_warns_and_one_without_room_fails() -> None:
    # 100 M parameters: four checkpoints of 1.2 GB at once, and a classifier of 0.4 GB.
    good = check_disk(SIZE, 6 * 10**9, "runs/x")
    assert (good.state, good.found) == (
        "passed",
        "up to 4.8 GiB for checkpoints and the classifier; 5.6 GiB free at runs/x",
    )
    assert check_disk(SIZE, 5 * 10**9, "runs/x").state == "warned"
    assert check_disk(SIZE, 15 * 10**8, "runs/x").state == "failed"


@pytest.mark.parametrize(
    ("precision", "device", "fast", "model", "state", "says"),
    [
        ("bf16", "cuda", True, "deberta-v2", "passed", "bf16 on cuda"),
        ("fp32", "cpu", False, "bert", "passed", "fp32 on cpu"),
        ("fp32", "cuda", False, "bert", "passed", "fp32 on cuda"),
        ("fp16", "cuda", False, "bert", "passed", "fp16 on cuda"),
        ("bf16", "cpu", False, "bert", "warned", "imitates"),
        ("bf16", "cuda", False, "bert", "warned", "imitates"),
        ("fp16", "cuda", True, "deberta-v2", "warned", "microsoft/DeBERTa#77"),
        ("fp32", "cuda", True, "bert", "warned", "though the hardware has bf16"),
    ],
)
def test_a_precision_that_does_not_suit_warns(
    precision: str, device: str, fast: bool, model: str, state: str, says: str
) -> None:
    check = check_precision(precision, device, fast_bf16=fast, model_type=model)
    assert check.state == state
    assert says in check.found


def test_an_overflowing_model_is_pointed_to_what_the_hardware_has() -> None:
    assert "precision=bf16" in check_precision("fp16", "cuda", fast_bf16=True, model_type="deberta-v2").remedy
    assert "precision=fp32" in check_precision("fp16", "cuda", fast_bf16=False, model_type="deberta-v2").remedy


GOOD = {"torch": "2.13.0+cpu", "transformers": "5.23.0", "accelerate": "1.15.0"}
MEETS = {
    "pytorch/pytorch#183861": ({"torch": "2.12.1"}, "rocm"),
    "CVE-2026-24747": ({"torch": "2.9.1"}, ""),
    "huggingface/transformers#44568": ({"transformers": "5.2.0"}, "deberta-v2"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.reference)
def test_every_known_fault_is_reported_to_whom_it_meets_only(fault: Fault) -> None:
    versions, trait = MEETS[fault.reference]
    check = check_versions({**GOOD, **versions}, {trait})
    assert check.state == "warned"
    assert check.found.startswith(f"{fault.library} {versions[fault.library]}: ")
    assert check.found.endswith(f" ({fault.reference})")
    assert fault.reference not in check_versions(GOOD, {trait}).found
    if fault.only_with:
        assert fault.reference not in check_versions({**GOOD, **versions}, {"bert", "cpu"}).found


def test_versions_without_a_fault_pass() -> None:
    check = check_versions(GOOD, {"deberta-v2", "cpu"})
    assert (check.state, check.found) == (
        "passed",
        "no known fault in torch 2.13.0+cpu, transformers 5.23.0, accelerate 1.15.0",
    )


def test_versions_that_civility_is_not_made_for_warn() -> None:
    check = check_versions({**GOOD, "transformers": "5.16.1"}, set(), needed=["torch>=2.11", "transformers>=5.17"])
    assert (check.state, check.found) == ("warned", "transformers 5.16.1: civility is made for >=5.17")
    unknown = check_versions({"torch": "not installed as a package"}, set(), needed=["torch>=2.11"])
    assert unknown.state == "passed", "what has no version cannot be judged"


def test_the_versions_of_the_tests_pass() -> None:
    needed = own_requirements()
    assert any(requirement.startswith("torch>=") for requirement in needed)
    assert not any("extra" in requirement for requirement in needed)
    assert check_versions(library_versions(), {"deberta-v2", "cpu"}, needed=needed).state == "passed"
