"""The end of a run: calibrate the best epoch's classifier, choose its thresholds, measure it, and write the result."""

from collections.abc import Iterable, Mapping
from typing import Any

from civility.arrays import Logits
from civility.data.dataset import count_targets
from civility.data.prepare import PreparedData
from civility.documents.report import ClassifierFacts
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.evaluation import Report
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.curves import training_curves
from civility.evaluation.labelled_comments import Labelled, fit_on, optimistic
from civility.evaluation.report_files import write_report
from civility.metrics.policy import parse_policies
from civility.models.encoder import EncoderScorer
from civility.models.model_source import public_name
from civility.models.vocabulary import give_back_whole
from civility.plain_text import one_line
from civility.recipe import Recipe
from civility.render.markdown.model_card import CardFacts, model_card
from civility.render.sentences.report_sentences import other_scores
from civility.run import OWN_REPORT, RunDirectory
from civility.run.versions import LINEAR_LIBRARIES, library_versions
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import write_folder
from civility.training.session import Session


def finish_run(session: Session) -> Report | None:
    """Write the report and the classifier of the best epoch; return None on all processes but the first.

    Raises
    ------
    UserError : the disk refuses the result; the run can be resumed to write it
    """
    parts, checkpoints, logs = session.parts, session.checkpoints, session.logs
    if checkpoints is None or logs is None:
        return None
    epochs = parts.stopping.best_epoch, parts.stopping.last_epoch
    try:
        checkpoints.remove_superseded()
        logits = checkpoints.load_best(parts.encoder.model)
        parts.trainer.optimizer.state.clear()  # frees the memory for the whole embedding
        give_back_whole(parts.encoder.model.cpu())
        classifier = Classifier(EncoderScorer(parts.encoder, parts.recipe.scoring_length))
        logs.flush()
        checkpoints.save_best()
        # The logits that chose the epoch are, to rounding, what the classifier computes: no need to score again.
        report = write_result(
            parts.run, parts.recipe, parts.data, classifier, logits, log=parts.run.read_metrics(), epochs=epochs
        )
    except UserError as error:
        raise UserError(
            error.code,
            f"{error.found}; training is complete, but its result is not written",
            where=error.where,
            expected=error.expected,
            remedy=f"{error.remedy}\nthen: civility train --resume --out {parts.run.path}",
        ) from error
    if outside := classifier.not_in_weights:
        parts.emit(Warned(parts.trainer.progress.step, other_scores(outside)))
    return report


def write_result(
    run: RunDirectory,
    recipe: Recipe,
    data: PreparedData,
    classifier: Classifier,
    logits: Logits,
    *,
    log: Iterable[Mapping[str, Any]] = (),
    epochs: tuple[int, int] = (0, 0),
) -> Report:
    """Calibrate a classifier, choose its thresholds, and write its report and then itself, which finishes the run.

    Parameters
    ----------
    classifier : of the best epoch; changed in place
    logits : (N, L) of the validation comments
    log : lines of the log of steps and epochs
    epochs : the best one, and how many there were; 0 for a linear model
    """
    dataset, is_encoder = data.validation, classifier.kind == "encoder"
    if is_encoder:
        classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": dataset.comments_digest})
    policies = parse_policies(recipe.evaluation.policy, dataset.labels)
    scored = fit_on(classifier, dataset, logits, policies, recipe.evaluation.calibration)
    base_model = public_name(recipe.model.name) if is_encoder else ""
    own = Labelled(
        dataset,
        data.validation_files,
        (*data.notes, *(f"training has {added}" for added in data.added)),
        None,
        is_own=True,
    )
    facts = ClassifierFacts(
        name=f"{base_model}, fine-tuned" if is_encoder else "TF-IDF and logistic regression",
        max_length=classifier.max_length,
    )
    subject = Subject(OWN_REPORT, own.files, facts, optimistic(classifier, own), own.notes, training_curves(log))
    report = report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
    positive, known = (counts.tolist() for counts in count_targets(data.training.targets))
    card = CardFacts(
        name=one_line(run.path.name),
        base_model=base_model,
        recipe=recipe.to_toml(),
        num_training=len(data.training),
        counts=dict(zip(data.training.labels, zip(positive, known, strict=True), strict=True)),
        training_digest=data.training.digest,
        training_files=data.files,
        max_length=classifier.max_length,
        best_epoch=epochs[0],
        epochs_run=epochs[1],
        versions=library_versions() if is_encoder else library_versions(LINEAR_LIBRARIES),
        kind=classifier.kind,
        not_in_weights=classifier.not_in_weights if is_encoder else (),
    )
    write_report(report, scored, run.reports, [str(run.path)])
    with write_folder(run.classifier) as folder:
        classifier.save(folder, model_card(card, report))
    return report
