"""The outcome of a check, and the error that names every failed one."""

from civility.training.preflight import Check, State, outcome, refuse_failed

from ...refusals import refused


def _disk(state: State, free: int = 2**30) -> Check:
    return Check("disk", state, {"needed": 2**31, "free": free, "path": "runs"})


def test_a_failure_outweighs_a_warning_and_a_passed_check_has_no_remedy() -> None:
    facts = _disk("passed").facts
    assert outcome("disk", **facts) == _disk("passed")
    assert outcome("disk", warns=True, **facts) == _disk("warned")
    assert outcome("disk", warns=True, fails=True, **facts) == _disk("failed")
    assert _disk("passed").remedy == ""
    assert _disk("warned").remedy == "make room, or put the run on another disk (--out)"


def test_failed_checks_stop_the_run_and_warnings_do_not() -> None:
    padding = Check("padding", "warned", {"is_packed": False, "share": 0.6, "group_by_length": True})
    refuse_failed([_disk("passed"), padding])
    with refused("training.failed-check") as one:
        refuse_failed([_disk("failed"), padding])
    assert one.value.message == (
        "a check failed, so the run was not started\n"
        "       disk: up to 2.0 GiB for checkpoints and the classifier; 1.0 GiB free at runs"
    )
    assert one.value.remedy == _disk("failed").remedy
    problem = Check("problem type", "failed", {"problem_type": "None", "expected": "multi_label_classification"})
    with refused("training.failed-check") as two:
        refuse_failed([_disk("failed"), problem])
    assert two.value.message.startswith("2 checks failed")
    assert two.value.remedy == f"{_disk('failed').remedy}\n{problem.remedy}"
