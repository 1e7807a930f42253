"""What a run leaves on disk: the map of its files, its logs, and the lock that gives them one writer."""

from civility.run.run_directory import OWN_REPORT, Begin, RunDirectory, classifier_folder

__all__ = ["OWN_REPORT", "Begin", "RunDirectory", "classifier_folder"]
