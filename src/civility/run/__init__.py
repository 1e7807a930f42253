"""The files that a run leaves on disk: their names, the logs, and the record of where the run ran."""

from civility.run.place import Begin, check_place, classifier_folder
from civility.run.run_directory import OWN_REPORT, ReportFiles, RunDirectory

__all__ = ["OWN_REPORT", "Begin", "ReportFiles", "RunDirectory", "check_place", "classifier_folder"]
