"""Why a number of the page is undefined."""

from civility.documents.report import Report


def reason(report: Report, *path: str) -> str:
    """Return why a number is undefined: the reason of its path, or of the nearest part that holds it."""
    for length in range(len(path), 0, -1):
        found = report.undefined.get(".".join(path[:length]))
        if found:
            return found
    return "undefined on these comments"
