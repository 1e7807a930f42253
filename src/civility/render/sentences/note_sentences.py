"""The sentences of notes."""

from civility.documents.note import Note
from civility.metrics.small_samples import FEWEST
from civility.render.sentences.report_sentences import MEASURABLE, METRIC_NAMES, other_scores

ASTERISK = "*"
"""Marks a verdict that holds for these very classifiers, not for their settings."""


def note_sentence(note: Note) -> str:
    """Return the sentence of a note, after the names of the runs that it is about."""
    match note.code:
        case "text" | "seen_in_training" | "seen_in_validation" | "unknown_training" | "other_scores_in_pipeline":
            return f"{', '.join(note.names)}: {_on_comments(note)}" if note.names else _on_comments(note)
        case "chosen_here":
            return _chosen_here(note)
        case "not_measurable" | "not_measurable_in_macro" | "undefined" | "undefined_macro":
            return _too_few(note)
        case _:
            return _on_rows(note)


def _on_comments(note: Note) -> str:
    match note.code:
        case "seen_in_training":
            return (
                f"{note.num:,} of {note.total:,} comments are among those that the run was trained on, up to case and "
                "spaces: it knows their labels, so its numbers on them are too good"
            )
        case "seen_in_validation":
            return (
                f"{note.num:,} of {note.total:,} comments are among those that chose the run's best epoch, its "
                "calibration and its thresholds: its numbers on them are a little optimistic"
            )
        case "unknown_training":
            return "not a run directory, so it may have been trained on some of these comments"
        case "other_scores_in_pipeline":
            return other_scores(note.labels)
    return note.text


def _chosen_here(note: Note) -> str:
    of_names: dict[int, list[str]] = {}
    for name, num in zip(note.names, note.epochs, strict=True):
        of_names.setdefault(num, []).append(name)
    chosen = [
        f"{', '.join(names)} ({f'the best of {num} epochs' if num else 'members, or their epochs'})"
        for num, names in sorted(of_names.items())
    ]
    return (
        f"chosen on these very comments: {'; '.join(chosen)}. Such a choice flatters a run, the more so the more there "
        "was to choose from, and verdicts do not allow for it: --data FILE scores all on comments that took no part"
    )


def _too_few(note: Note) -> str:
    few = f"fewer than {FEWEST} positive or negative comments of {', '.join(note.labels)}"
    metrics = ", ".join(METRIC_NAMES[metric] for metric in note.metrics)
    if note.code in ("undefined", "undefined_macro"):
        rest = (
            "macro averages are over the other labels" if note.code == "undefined" else "the macro average is undefined"
        )
        return f"{few}: {metrics} not defined; {rest}"
    rest = f'; "{MEASURABLE}" is the mean over the other labels' if note.code == "not_measurable_in_macro" else ""
    of = f" ({metrics})" if metrics else ""
    return f"{few}: not measurable{of}, nor are the macro averages, which rest on them{rest}"


def _on_rows(note: Note) -> str:
    names = ", ".join(note.names)
    match note.code:
        case "one_row":
            return "all runs have the same settings: there is nothing to compare, only the standard deviation over runs"
        case "two_runs":
            return (
                f"only two runs of {names}: their standard deviation is so uncertain that only large differences can "
                "be shown; three seeds show more, five much more"
            )
        case "no_seed":
            return (
                f"the runs of {names} are one linear model, which has no seed: their standard deviation says nothing "
                "about how much a result varies; train on folds for that (--folds)"
            )
        case "missing_runs":
            return (
                f"{names} {'is' if len(note.names) == 1 else 'are'} missing: the folder has {note.num} of the "
                f"{note.total} planned seeds; repeat the command that trains them with --resume"
            )
        case "different_training":
            return f"the runs of {names} were trained on different comments: their standard deviation covers these too"
    verdicts = "verdicts" if note.code == "single_runs" else f"verdicts on {'it' if len(note.names) == 1 else 'them'}"
    return (
        f"{ASTERISK} a single run of {names}: {verdicts} hold for these very classifiers on other comments, not for "
        "the settings; another seed may reverse them. To judge settings, train several seeds of both sides"
    )
