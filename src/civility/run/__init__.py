"""The files that a run leaves on disk: their names, the logs, and the record of where the run ran."""

from civility.run.report_paths import OWN_REPORT, ReportFiles
from civility.run.run_directory import Begin, RunDirectory, classifier_folder

__all__ = ["OWN_REPORT", "Begin", "ReportFiles", "RunDirectory", "classifier_folder"]
