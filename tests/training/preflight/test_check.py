"""A check's verdict, and the error that names every failed one."""

import pytest

from civility.errors import UserError
from civility.training.preflight.check import Check, judge, refuse_failed


def test_the_worst_verdict_counts_and_only_trouble_has_a_remedy() -> None:
    assert judge("disk", "much", remedy="make room") == Check("disk", "passed", "much")
    assert judge("disk", "little", warns=True, remedy="make room") == Check("disk", "warned", "little", "make room")
    assert judge("disk", "none", warns=True, fails=True, remedy="make room").state == "failed"


def test_failed_checks_stop_the_run_and_warnings_do_not() -> None:
    refuse_failed([Check("disk", "passed", "much"), Check("padding", "warned", "60%", "group")])
    with pytest.raises(UserError) as one:
        refuse_failed([Check("disk", "failed", "1 GiB free", "make room"), Check("padding", "warned", "60%", "group")])
    assert one.value.message == "a check failed, so the run was not started\n       disk: 1 GiB free"
    assert one.value.remedy == "make room"
    with pytest.raises(UserError) as two:
        refuse_failed([Check("disk", "failed", "full", "make room"), Check("memory", "failed", "small", "buy more")])
    assert two.value.message.startswith("2 checks failed")
    assert two.value.remedy == "make room\nbuy more"
