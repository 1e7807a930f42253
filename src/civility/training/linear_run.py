"""Train the linear model: a recipe and data become a run directory, as for an encoder, without epochs and checkpoints.

Fitted in one go, in memory: a run that is interrupted begins again at its beginning.
"""

import os
import time
from collections.abc import Sequence

from civility.data.prepare import PreparedData
from civility.engine.hardware import peak_memory
from civility.engine.logistic_regression import LinearPlan, check_both_classes, fit_linear
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.evaluation import Report
from civility.evaluation.report_files import write_report
from civility.metrics.policy import parse_policies
from civility.plain_text import one_line
from civility.processes import processes_of
from civility.recipe import Recipe
from civility.render.markdown.model_card import CardFacts, model_card
from civility.run import Begin, RunDirectory
from civility.run.log import LineLog
from civility.run.versions import LINEAR_LIBRARIES, describe_environment, library_versions
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import write_folder
from civility.training.events import (
    LinearPlanned,
    Listener,
    RunChecked,
    RunFinished,
    ValidationScored,
    ValidationStarted,
)
from civility.training.finalize import fit_to_validation, report_of_run
from civility.training.finished_run import check_same_settings
from civility.training.preflight import Check, checks_of_the_comments, refuse_failed
from civility.training.provenance import counts_of, environment


def train_linear(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    *,
    command: Sequence[str],
    tracker: str,
    begin: Begin,
    listen: Listener,
) -> None:
    """Fit a linear model as the recipe says, and leave it in a run directory with its report.

    Parameters
    ----------
    recipe : its model is "tf-idf"
    data : the comments
    run : where; nothing may be there for a new run
    command : what the user typed, for the record
    tracker : none: there are no steps to log
    begin : "resume" begins at the beginning, since nothing is kept on the way
    listen : told every fact as it happens

    Raises
    ------
    UserError : whatever the user can mend
    """
    started = time.monotonic()
    checks = check_linear(recipe, data, run, tracker=tracker, begin=begin, listen=listen, in_full=False)
    if begin == "restart" and (aside := run.put_aside()) is not None:
        listen(Warned(0, f"what was in {run.path} is in {aside} now"))
    run.create()
    with run.locked():
        if begin != "resume":
            run.check_free()  # now that nobody else can begin there
        run.remove_leftovers()
        session = {**describe_environment(command, LINEAR_LIBRARIES), "device": "CPU"}
        run.write_first_files(recipe, environment(session, data, checks))
        report = _fit_and_judge(recipe, data, run, listen)
    listen(RunFinished(run, report, 0, 0, False, time.monotonic() - started))


def check_linear(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    *,
    tracker: str,
    begin: Begin,
    listen: Listener,
    in_full: bool,
) -> list[Check]:
    """Tell what is about to happen and what the checks found; write nothing.

    Raises
    ------
    UserError : whatever the user can mend, a failed check among it
    """
    run.check_place(begin)
    if begin == "resume":
        run.check_unfinished()
        if run.recipe_file.is_file():
            check_same_settings(run, recipe)
    parse_policies(recipe.evaluation.policy, data.training.labels)
    _refuse_what_has_no_part(recipe, tracker)
    check_both_classes(data.training)
    listen(_planned(recipe, data, run))
    checks = checks_of_the_comments(recipe.data.labels, data.training, data.validation)
    listen(RunChecked(tuple(checks), in_full=in_full))
    refuse_failed(checks)
    return checks


def _refuse_what_has_no_part(recipe: Recipe, tracker: str) -> None:
    """Raise a UserError for options that a linear model cannot follow."""
    if tracker:
        raise UserError(
            "training.todo",
            f"--tracker {tracker}: a linear model is fitted in one go, and has no steps to log",
            remedy="leave it out",
        )
    if recipe.training.fit:
        raise UserError(
            "training.todo",
            "a linear model has no micro-batches to fit to the memory",
            where="--fit",
            remedy="leave it out",
        )
    if processes_of(os.environ).num > 1:
        raise UserError(
            "training.todo",
            "a linear model is fitted by one process, on its processor",
            remedy="leave out torchrun or accelerate launch",
        )


def _planned(recipe: Recipe, data: PreparedData, run: RunDirectory) -> LinearPlanned:
    settings, notes = recipe.linear, list(data.notes)
    if recipe.without_effect:
        notes.append(
            f"these settings have no part in a linear model: {', '.join(recipe.without_effect)}; "
            "it has those of [data], [linear] and [evaluation]"
        )
    return LinearPlanned(
        len(data.training),
        len(data.validation),
        data.training.labels,
        tuple(notes),
        data.added,
        f"logistic regression over TF-IDF · 1 to {settings.word_ngrams} words · 2 to {settings.character_ngrams} "
        f"characters · up to {settings.max_features:,} terms of each · C {settings.c:g}",
        run.path,
    )


def _fit_and_judge(recipe: Recipe, data: PreparedData, run: RunDirectory, listen: Listener) -> Report:
    """Fit, score the validation comments, and write report and classifier, in this order."""
    plan, started = LinearPlan(**recipe.linear.model_dump()), time.monotonic()
    fitted = fit_linear(data.training, plan)
    if fitted.unsettled:
        listen(Warned(0, f"the fit of {', '.join(fitted.unsettled)} has not settled: a smaller linear.c would"))
    classifier = Classifier(fitted.model)
    texts = data.validation.texts
    listen(ValidationStarted(1, len(texts)))
    logits = classifier.logits(texts, on_scored=lambda number: listen(ValidationScored(number)))
    _log(run, time.monotonic() - started)
    scored = fit_to_validation(classifier, data, logits, recipe)
    report = report_of_run(classifier, scored, data, recipe, ())
    write_report(report, scored, run.reports, [str(run.path)])
    with write_folder(run.classifier) as folder:
        classifier.save(folder, model_card(_card(recipe, data, run), report))
    return report


def _log(run: RunDirectory, seconds: float) -> None:
    """Write how long the fit and its validation took, and the memory: as the epochs of an encoder are logged."""
    log, peak = LineLog(run.timing), peak_memory("cpu")
    log.truncate(0)
    log.write({"kind": "fit", "step": 0, "seconds": round(seconds, 4)})
    if peak is not None:
        log.write({"kind": "memory", "step": 0, "peak": peak})
    log.flush()


def _card(recipe: Recipe, data: PreparedData, run: RunDirectory) -> CardFacts:
    return CardFacts(
        name=one_line(run.path.name),
        base_model="",
        recipe=recipe.to_toml(),
        num_training=len(data.training),
        counts=counts_of(data.training),
        training_digest=data.training.digest,
        training_files=data.files,
        max_length=0,
        best_epoch=0,
        epochs_run=0,
        versions=library_versions(LINEAR_LIBRARIES),
        kind="linear",
    )
