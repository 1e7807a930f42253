"""The outcome of a check, and the error that names every failed one."""

from civility.training.preflight import Check, outcome, refuse_failed

from ...refusals import refused


def test_a_failure_outweighs_a_warning_and_a_passed_check_has_no_remedy() -> None:
    assert outcome("disk", "much", remedy="make room") == Check("disk", "passed", "much")
    assert outcome("disk", "little", warns=True, remedy="make room") == Check("disk", "warned", "little", "make room")
    assert outcome("disk", "none", warns=True, fails=True, remedy="make room").state == "failed"


def test_failed_checks_stop_the_run_and_warnings_do_not() -> None:
    refuse_failed([Check("disk", "passed", "much"), Check("padding", "warned", "60%", "group")])
    with refused("training.failed-check") as one:
        refuse_failed([Check("disk", "failed", "1 GiB free", "make room"), Check("padding", "warned", "60%", "group")])
    assert one.value.message == "a check failed, so the run was not started\n       disk: 1 GiB free"
    assert one.value.remedy == "make room"
    with refused("training.failed-check") as two:
        refuse_failed([Check("disk", "failed", "full", "make room"), Check("memory", "failed", "small", "buy more")])
    assert two.value.message.startswith("2 checks failed")
    assert two.value.remedy == "make room\nbuy more"
