"""Report: what scores and decisions are worth. JSON is the truth; the pages and tables are drawn from it."""

from civility.report.document import Estimate, Report
from civility.report.scored import Scored

__all__ = ["Estimate", "Report", "Scored"]
