"""Every number of an evaluation, and the pages drawn from it. The JSON is the truth."""

from civility.report.measure import LabelNumbers, Report

__all__ = ["LabelNumbers", "Report"]
