"""UserError, a mistake that the user can correct, with its stable code; and Interrupted, for signals."""

import difflib
from collections.abc import Iterable

CODES: dict[str, str] = {
    "audit.bad-max-length": "The maximum length of an audit is not a number of tokens.",
    "audit.cannot-write": "An audit cannot be written: the parent folder is missing or read-only.",
    "audit.folder-exists": "The folder of an audit exists already; an audit never overwrites another.",
    "audit.nothing-to-check": "A classifier has no comment to check the labels of, or was trained on all of them.",
    "bulk.same-file": "The file for the scores is the file of comments.",
    "bulk.spreadsheet-format": "Only CSV can be written safely for spreadsheets.",
    "cli.bad-usage": "The command line has an unknown command, option or value.",
    "cli.conflicting-options": "Two options exclude each other.",
    "cli.missing-package": "The command needs an optional package that is not installed.",
    "cli.no-training-data": "Neither the command line nor the recipe names files to train on.",
    "cli.out-of-memory": "There is not enough memory to load a library or to compute.",
    "cli.system-error": "The operating system refused something: a full disk, a name that is too long.",
    "combine.members": "Fewer than two classifiers to combine, or one is named twice.",
    "combine.nested-ensemble": "A classifier to combine is an ensemble itself.",
    "combine.not-a-run": "A classifier folder where a run directory is needed.",
    "combine.one-class": "No label of the labelled comments has both positive and negative comments.",
    "combine.other-labels": "Classifiers to combine have different labels.",
    "combine.other-validation": "Runs to combine held out different comments.",
    "combine.unlike-runs": "Runs that a soup cannot average: other pretrained weights, tokenizer or architecture.",
    "combine.weights": "Too few or too many weights of an ensemble, or one is out of range.",
    "data.ambiguous-column": "Two columns have one name, or several columns could hold the same thing.",
    "data.bad-cell": "A cell does not hold what its column needs: text, an id, a number from 0 to 1, a list of labels.",
    "data.bad-label": "The name of a label cannot be the name of a column.",
    "data.bad-output": "Scores cannot be written in this format, with these columns, or to this place.",
    "data.bad-row": "A row has too few or too many fields, an open quote, or invalid JSON.",
    "data.conflicting-settings": "Settings about labels, folds or the split contradict one another.",
    "data.damaged": "A data file is damaged, incomplete, encrypted, or cannot be read.",
    "data.duplicate-id": "Two rows have one id, so comments and labels cannot be joined by it.",
    "data.empty": "A data file has no bytes, no rows, or no comments with a text.",
    "data.encoding": "The bytes of a data file do not fit its encoding.",
    "data.no-column": "A column that is needed is missing.",
    "data.no-file": "A data file does not exist, is not a file, is named twice, or none is named.",
    "data.too-few": "There are too few comments to split, to learn a label, or to measure one.",
    "data.too-large": "A line, cell, header or compressed file is larger than the limit.",
    "data.unknown-format": "A file is of a kind that cannot be read, or its kind cannot be recognised.",
    "documents.damaged": "A document is damaged, or an entry in it has a value that it cannot have.",
    "documents.edited": "civility.json was edited after it was written: its digest does not match.",
    "documents.newer": "A document was written by a newer version of civility.",
    "documents.not-a-document": "A JSON file is of another kind: it has no schema number, or other entries.",
    "engine.damaged-checkpoint": "A checkpoint is truncated, edited, incomplete, or not a checkpoint.",
    "engine.foreign-engine": "accelerate is configured to use an engine of its own, such as DeepSpeed.",
    "engine.no-device": "The machine does not have the device of `training.device`.",
    "engine.no-precision": "The hardware does not have the precision of `training.precision`.",
    "engine.not-finite": "The loss, a gradient or a validation score is NaN or infinite.",
    "engine.nothing-to-train": "No parameter is left to train.",
    "engine.other-model": "A checkpoint belongs to another model, or to another optimizer.",
    "engine.out-of-memory": "The memory is too small to train on a single comment.",
    "engine.tracker": "An experiment tracker is unknown or not installed.",
    "evaluation.bad-augmentation": "The recipe names an unknown perturbation for augmentation, or one of them twice.",
    "evaluation.bad-cell": "A cell of a behaviour suite or of identity templates has no valid value.",
    "evaluation.bad-out": "The output of a comparison is neither a folder nor a JSON file.",
    "evaluation.bad-report-name": "The name of a report is not a plain file name, is too long, or is taken by the run.",
    "evaluation.bad-requirement": "A requirement is not a path to a number of the report, a comparison and a bound.",
    "evaluation.bad-suite": "A file is not a behaviour suite, or there is no built-in suite of this name.",
    "evaluation.bad-templates": "A file has no identity templates, or they name no known group.",
    "evaluation.no-classifier-folder": "Thresholds cannot be written, as the classifier is not a local folder.",
    "evaluation.no-held-out-comments": "The comments that a run held out cannot be read again; name a file instead.",
    "evaluation.no-such-label": "The classifier does not have a label that an option, requirement or suite names.",
    "evaluation.no-such-metric": "A comparison asks for an unknown metric.",
    "evaluation.not-comparable": "What is named for a comparison has no scores that can be compared.",
    "evaluation.not-measured": "A requirement asks for a part of the report that is not measured.",
    "evaluation.nothing-to-choose-by": "No label has both positive and negative comments to choose a threshold by.",
    "evaluation.other-comments": "Runs or reports to compare differ in their comments, targets or labels.",
    "evaluation.scores-damaged": "The scores beside a report are damaged, changed, or of another report.",
    "evaluation.scores-missing": "There are no scores beside a report.",
    "evaluation.unfinished-run": "A run to compare is not finished.",
    "metrics.policy": "The policy of a threshold cannot be understood.",
    "metrics.unknown-label": "A policy names a label that does not exist.",
    "models.config": "config.json holds a number that no model has, or does not match the weights.",
    "models.max-length": "A maximum length does not fit the model.",
    "models.not-a-classifier": "A model is not a multi-label classifier with distinct label names.",
    "models.not-found": "A folder holds no model, or a model is neither in a folder nor on the hub.",
    "models.starter-model": "The packaged starter model is not installed, or its weights were changed.",
    "models.tokenizer": "The tokenizer cannot be used: no fast form, padding token, vocabulary or unknown token.",
    "models.unknown-part": "A setting needs a part of the model that it does not have or that civility does not know.",
    "models.unreadable": "transformers cannot load a model folder.",
    "models.unsupported": "An architecture cannot be trained by civility.",
    "models.untrusted": "A model asks for code, kernels, quantised weights or an adapter, which civility does not run.",
    "models.weights": "Weights are missing, not the model's own, not floating-point numbers, or not finite.",
    "processes.bad-variable": "An environment variable for processes, GPUs, threads or accelerate is invalid.",
    "processes.incomplete-launch": "The variables of a launcher are set in part, or those of MPI without a launcher.",
    "recipe.bad-change": "A change with --set is not of the form section.key=value.",
    "recipe.invalid-setting": "A recipe has an unknown setting, or a value of the wrong type or out of range.",
    "recipe.unknown-recipe": "No built-in recipe has this name.",
    "run.damaged-log": "A log of a run cannot be read, or a line of it is damaged.",
    "run.finished": "The run to resume is finished.",
    "run.incomplete": "A run directory lacks its recipe or its environment file.",
    "run.linear-seeds": "A linear model is fitted without a seed, so runs with other seeds would be the same.",
    "run.no-such-folder": "The folder of a classifier does not exist.",
    "run.not-a-classifier": "A file is given where a run directory or a classifier folder is expected.",
    "run.not-a-folder": "The path of a run is a file.",
    "run.not-a-run": "A folder holds files that are not those of a run.",
    "run.not-empty": "A new run would overwrite what its folder holds.",
    "run.nothing-to-resume": "The folder of the run to resume is empty or does not exist.",
    "run.other-repeats": "The folder holds a single run, or folds in place of seeds, or the other way round.",
    "run.repeats-number": "The number of seeds or folds is outside its range, or contradicts the recipe.",
    "run.repeats-restart": "Repeats cannot be put aside with --restart.",
    "run.seeds-and-folds": "Seeds and folds cannot be combined in one command.",
    "run.unfinished": "The run has no classifier yet.",
    "scoring.changed-member": "A member of an ensemble has changed since the ensemble was made.",
    "scoring.damaged": "The weights of a linear model, or a member of an ensemble, are missing or damaged.",
    "scoring.fixed-calibration": "A calibration is part of the weights and cannot be removed.",
    "scoring.not-a-score": "A number that was passed as a score is not from 0 to 1.",
    "scoring.not-finite-score": "A classifier gives a score that is NaN or infinite.",
    "scoring.other-labels": "civility.json names other labels than the model.",
    "search.all-trials-failed": "The first trials of a sweep all failed.",
    "search.bad-database": "The database of a sweep's study cannot be used.",
    "search.bad-folder": "The folder of a sweep holds something else, or cannot have this name.",
    "search.bad-space": "A space file has an unknown table or setting, or a range or choices that it cannot have.",
    "search.must-not-vary": "A sweep varies a setting that would make the scores of its trials incomparable.",
    "search.other-sweep": "The study in the folder is of another sweep: its recipe, space or comments differ.",
    "search.unknown-run": "The folder of a sweep holds a run that its study does not know.",
    "search.worker-failed": "A worker of --jobs failed or was killed.",
    "storage.bad-name": "A path has bytes that are not UTF-8, and the libraries that write models cannot open it.",
    "storage.bad-toml": "A text is not valid TOML, nests too deeply, or has an integer beyond 64 bits.",
    "storage.cannot-read": "A file does not exist, is not a file, or cannot be read.",
    "storage.cannot-write": "A file or folder cannot be written: permission, space, or something else is in its place.",
    "storage.damaged": "A file is not what was written: its digest differs, or it is not the JSON it should be.",
    "storage.link-circle": "The symbolic links of a path lead in a circle.",
    "storage.locked": "Another process is writing to the same folder.",
    "training.another-run": "The run to resume differs from the one that is asked for, in settings or comments.",
    "training.augment": "A function that augments the training comments returns other labels, or no comments.",
    "training.best-epoch-lost": "The weights of the best epoch fit neither on the disk nor into memory.",
    "training.conflicting-settings": "Two settings of a recipe cannot be combined.",
    "training.failed-check": "A preflight check failed, so the run did not start.",
    "training.linear-option": "A linear model does not support an option.",
    "training.max-length": "The maximum length of a text exceeds that of the model.",
    "training.missing-package": "A package that a setting needs is not installed.",
    "training.no-terms": "The training comments have no words or characters for a linear model.",
    "training.no-usable-checkpoint": "Every checkpoint of the run to resume is damaged or of another run.",
    "training.not-a-training-run": "A soup or an ensemble cannot be resumed by the command train.",
    "training.one-class": "A label has no negative training comment, so a linear model cannot learn it.",
    "training.other-scores": "The scores of a fold are of other comments.",
    "training.repeats-under-launcher": "Repeats with seeds or folds were started under torchrun or accelerate.",
    "training.too-little-memory": "The memory is too small to train on a single comment.",
    "training.unknown-memory": "--fit cannot find out how much memory there is.",
}
"""The code of each `UserError`, with its meaning. The reference page of errors is generated from it."""


class UserError(Exception):
    """A mistake that the user can correct: reported in two sentences, without a traceback.

    ``str(error)`` is ``WHERE: FOUND, expected EXPECTED`` with the remedy on the next line. Empty parts are left out.
    The command line prints ``error:`` before it, indents the remedy, and exits with 2.

    Parameters
    ----------
    code : stable name of the kind of error, such as ``data.no-column``; one of `CODES`
    found : what was found
    where : the file, setting or option
    expected : what should be there
    remedy : what to do about it
    """

    def __init__(self, code: str, found: str, *, where: object = "", expected: str = "", remedy: str = "") -> None:
        self.code = code
        self.found = found
        self.where = str(where)
        self.expected = expected
        self.remedy = remedy
        super().__init__(self.message if not remedy else f"{self.message}\n{remedy}")

    @property
    def message(self) -> str:
        """The error without its remedy."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.found}" + (f", expected {self.expected}" if self.expected else "")


class Interrupted(Exception):
    """A signal asked the command to stop, and it stopped cleanly; the message says where, and how to resume.

    The command line prints the message and exits as shells expect, with 128 plus the number of the signal.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.message = message
        self.signal_number = signal_number


def closest(word: str, known: Iterable[str], similarity: float = 0.6) -> str | None:
    """Return the known word that is most like ``word``, or None if none has this similarity, from 0 to 1."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=similarity)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``' (did you mean X?)'`` for the known word closest to ``word``, or an empty string."""
    found = closest(word, known)
    return f" (did you mean {found}?)" if found else ""


def did_you_mean_file(name: str, siblings: Iterable[str]) -> str:
    """Return ``' (did you mean X?)'`` for the file or folder with nearly this name, or an empty string.

    Compares the names up to the first dot: with their suffixes, ``nothere.csv`` would be like ``scored.csv``.
    """
    with_stem: dict[str, list[str]] = {}
    for sibling in siblings:
        with_stem.setdefault(_stem(sibling), []).append(sibling)
    stem = closest(_stem(name), with_stem, similarity=0.75)
    return "" if stem is None else f" (did you mean {closest(name, with_stem[stem], similarity=0)}?)"


def _stem(name: str) -> str:
    return name.partition(".")[0]
