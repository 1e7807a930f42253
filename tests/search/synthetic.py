"""Invented results of sweeps."""

import random

from civility.documents.sweep_result import SweepResult, TrialEnd, TrialLine

SPACE = {
    "training.learning_rate": {"low": 1e-5, "high": 3e-4, "log": True, "step": None},
    "training.epochs": {"low": 2, "high": 4, "log": False, "step": None},
    "regularization.layer_decay": {"low": 0.7, "high": 1.0, "log": False, "step": 0.1},
    "training.loss": ["bce", "weighted_bce", "focal"],
}
SEARCH = {"sampler": "tpe", "pruner": "median", "warmup_epochs": 1, "warmup_trials": 5, "random_trials": 10, "seed": 0}


def make_trial(number: int, chance: random.Random) -> TrialLine:
    """Return a trial; a few fail or are pruned."""
    rate = 10 ** chance.uniform(-5, -3.53)
    epochs = chance.randint(2, 4)
    settings = {
        "training.learning_rate": rate,
        "training.epochs": epochs,
        "regularization.layer_decay": chance.choice([0.7, 0.8, 0.9, 1.0]),
        "training.loss": chance.choice(["bce", "weighted_bce", "focal"]),
    }
    top = 0.985 - 0.02 * abs(rate - 1e-4) / 1e-4 + chance.gauss(0, 0.002)
    scores = {epoch: top - 0.03 * 0.4**epoch for epoch in range(1, epochs + 1)}
    if number % 9 == 4:
        why = "step 31: the loss is not finite\n       its comments: 1, 2, 3"
        return TrialLine(number=number, state="failed", settings=settings, epochs=epochs, why=TrialEnd.of_words(why))
    if number > 8 and number % 3 == 0:
        scores = {1: scores[1] - 0.01}
        pruned = TrialEnd(code="pruned", epoch=1)
        best = {"best": scores[1], "best_epoch": 1, "seconds": 61.0}
        return TrialLine(
            number=number, state="pruned", settings=settings, scores=scores, epochs=epochs, why=pruned, **best
        )
    best_epoch = max(scores, key=lambda epoch: scores[epoch])
    ends = {"low": scores[best_epoch] - 0.004, "high": scores[best_epoch] + 0.0035}
    return TrialLine(
        number=number,
        state="finished",
        settings=settings,
        scores=scores,
        epochs=epochs,
        **{"best": scores[best_epoch], "best_epoch": best_epoch, "seconds": 61.0 * epochs, **ends},
    )


def make_result(num: int = 30, name: str = "first") -> SweepResult:
    """Return a sweep of ``num`` trials, the last of which is running."""
    chance = random.Random(3)
    trials = [make_trial(number, chance) for number in range(num)]
    if num > 3:
        last = {"state": "unfinished", "step": 310, "steps": 1200, "seconds_left": 340.0, "low": None, "high": None}
        trials[-1] = trials[-1].model_copy(update={**last, "why": None})
    shares = {"training.learning_rate": 0.62, "training.loss": 0.21, "training.epochs": 0.11}
    return SweepResult(
        name=name,
        recipe={"model.name": "all-MiniLM-L6-v2"},
        metric="macro_roc_auc",
        search=SEARCH,
        space=SPACE,
        num_planned=40,
        trials=tuple(trials),
        importance={**shares, "regularization.layer_decay": 0.06} if num > 8 else {},
        why_no_importance=None if num > 8 else "few_trials",
        num_training=143_613,
        num_validation=15_958,
    )
