"""Report: what scores and decisions are worth. JSON is the truth; the pages and tables are drawn from it."""

from civility.documents.label_report import Estimate
from civility.documents.report import Report
from civility.evaluation.scored_comments import Scored

__all__ = ["Estimate", "Report", "Scored"]
