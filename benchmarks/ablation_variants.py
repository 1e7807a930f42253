"""What `ablation.py` varies: settings by the name of the variant, on top of the common ones, the baseline's.

The encoder is the starter model, and a few settings are scaled to it and to a short run; all else is the baseline.
"""

BASE = {
    "model.name": "all-MiniLM-L6-v2",
    "data.max_length": "64",
    "evaluation.max_length": "128",
    "training.epochs": "2",
    "training.batch_size": "32",
    "training.learning_rate": "3e-4",
    "training.checkpoint_minutes": "0",
}
"""Of every variant; of the learning rates screened with one seed this was the best."""

_AROUND_THE_BASELINE: dict[str, dict[str, str]] = {
    "baseline": {},
    "linear": {"model.name": "tf-idf"},
    # losses: what to do about rare labels
    "bce": {"training.loss": "bce"},
    "pos_weight": {"training.loss": "pos_weight_bce"},
    "pos_weight_root": {"training.loss": "pos_weight_bce", "training.weight_power": "0.5"},
    "weighted_root": {"training.weight_power": "0.5"},
    "effective_number": {"loss.class_weights": "effective_number", "loss.effective_beta": "0.999"},
    "focal": {"training.loss": "focal"},
    "asymmetric": {"training.loss": "asymmetric"},
    # learning rates
    "rate_1e-4": {"training.learning_rate": "1e-4"},
    "rate_2e-4": {"training.learning_rate": "2e-4"},
    "rate_6e-4": {"training.learning_rate": "6e-4"},
    "bce_rate_6e-4": {"training.loss": "bce", "training.learning_rate": "6e-4"},
}
_SETTLED = _AROUND_THE_BASELINE["pos_weight_root"]
_AROUND_THE_SETTLED_LOSS: dict[str, dict[str, str]] = {
    # data
    "class_aware": {"training.sampling": "class_aware"},
    "label_smoothing": {"loss.label_smoothing": "0.05"},
    # schedule
    "cosine": {"training.schedule": "cosine"},
    "one_cycle": {"training.schedule": "one_cycle"},
    "constant": {"training.schedule": "constant"},
    "batch_16": {"training.batch_size": "16"},
    "epochs_4": {"training.epochs": "4"},
    # optimizers
    "muon": {"training.optimizer": "muon"},
    "adafactor": {"training.optimizer": "adafactor", "training.learning_rate": "3e-3"},  # a share of each weight's size
    "schedule_free": {"training.optimizer": "schedule_free", "training.schedule": "constant"},
    "beta2_98": {"training.adam_beta2": "0.98"},
    "decay_on_matrices": {"training.weight_decay_on": "matrices"},
    # regularizers
    "no_dropout": {
        "regularization.dropout": "0",
        "regularization.attention_dropout": "0",
        "regularization.head_dropout": "0",
    },
    "layer_decay": {"regularization.layer_decay": "0.9"},
    "gradual_unfreezing": {"regularization.unfreeze_fraction": "0.3"},
    "r_drop": {"regularization.r_drop": "1"},
    "ema": {"regularization.average": "ema", "regularization.ema_decay": "0.99"},
    "swa": {"regularization.average": "swa", "regularization.swa_start": "0.5"},
    "fgm": {"regularization.adversarial": "fgm", "regularization.adversarial_size": "0.5"},
}
_BEST = _SETTLED | _AROUND_THE_SETTLED_LOSS["muon"]
_AROUND_MUON: dict[str, dict[str, str]] = {
    "muon_rate_1e-4": {"training.learning_rate": "1e-4"},
    "muon_rate_6e-4": {"training.learning_rate": "6e-4"},
    "muon_rate_1e-3": {"training.learning_rate": "1e-3"},
    "muon_bce": {"training.loss": "bce"},
    "muon_weighted_bce": {"training.loss": "weighted_bce"},
    "muon_pos_weight": {"training.weight_power": "1"},
    "muon_batch_16": {"training.batch_size": "16"},
    "muon_epochs_4": {"training.epochs": "4"},
    "muon_no_dropout": _AROUND_THE_SETTLED_LOSS["no_dropout"],
    "muon_layer_decay": _AROUND_THE_SETTLED_LOSS["layer_decay"],
    "muon_ema": _AROUND_THE_SETTLED_LOSS["ema"],
    "muon_class_aware": _AROUND_THE_SETTLED_LOSS["class_aware"],
    "muon_label_smoothing": _AROUND_THE_SETTLED_LOSS["label_smoothing"],
    "muon_r_drop": _AROUND_THE_SETTLED_LOSS["r_drop"],
}
VARIANTS = (
    _AROUND_THE_BASELINE
    | {name: _SETTLED | one for name, one in _AROUND_THE_SETTLED_LOSS.items()}
    | {name: _BEST | one for name, one in _AROUND_MUON.items()}
)
"""One factor at a time: losses and rates around the baseline, all others around the loss that these have settled, and a
choice of these around the optimizer that turned out best.

At the baseline's rate seeds of the baseline's own loss differ by more than any other factor could bring; those of
``pos_weight_root`` agree to a few thousandths, so that a single run of a factor means something.
"""
