"""Student's t against scipy's, at few and many degrees of freedom, and against what tables print."""

import math

import pytest
from scipy import stats

from civility.metrics.paired_test import t_critical, t_two_sided

DOFS = (0.5, 1, 1.5, 2, 4, 7.3, 100, 1e5, 1e8)


@pytest.mark.parametrize("dof", DOFS)
def test_two_sided_chances_are_those_of_scipy(dof: float) -> None:
    for t in (0, 1e-9, 0.1, 1, 2.5, 5, 20, 100):
        expected = 2 * stats.t.sf(t, dof)
        assert t_two_sided(t, dof) == pytest.approx(expected, rel=3e-6, abs=1e-14)
        assert t_two_sided(-t, dof) == t_two_sided(t, dof)
    assert t_two_sided(2, dof) != pytest.approx(2 * stats.t.sf(2, 2 * dof), rel=1e-12), "the control"


@pytest.mark.parametrize("dof", DOFS)
def test_critical_values_are_those_of_scipy(dof: float) -> None:
    for p in (0.5, 0.1, 0.05, 0.001, 1e-9):
        found = t_critical(p, dof)
        assert found == pytest.approx(stats.t.isf(p / 2, dof), rel=1e-6)
        assert t_two_sided(found, dof) == pytest.approx(p, rel=1e-5)


def test_what_tables_print() -> None:
    # Student, The probable error of a mean, 1908, as every table since: 95 % two-sided.
    printed = {1: 12.706, 2: 4.303, 4: 2.776, 10: 2.228, 30: 2.042}
    assert {f: round(t_critical(0.05, f), 3) for f in printed} == printed
    assert round(t_critical(0.05, math.inf), 3) == 1.96


def test_the_ends() -> None:
    assert t_two_sided(0, 3) == 1
    assert t_two_sided(math.inf, 3) == 0
    assert t_two_sided(1e200, 3) == pytest.approx(0, abs=1e-12)
    assert t_two_sided(2, math.inf) == pytest.approx(math.erfc(math.sqrt(2)))
