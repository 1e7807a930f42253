"""The words of the preflight checks: what each has found, and what to do about it."""

from collections.abc import Callable, Mapping
from typing import Any

from civility.plain_text import count, gib, listed

Facts = Mapping[str, Any]
_OTHER_MODEL = "choose another model, such as BERT, RoBERTa or DeBERTa (docs/explanation/models.md)"
_OTHER_WEIGHTS = "--set training.weight_power=0.5 takes the root of the weights"
_SMALLER_BATCH = "halve training.batch_size and double training.gradient_accumulation"
_FAULTS = {
    "pytorch/pytorch#183861": "wrong gradients of LayerNorm on AMD RDNA GPUs, without an error",
    "CVE-2026-24747": "a prepared .bin file can run code though weights_only is set",
    "huggingface/transformers#44568": "the tokenizer of mDeBERTa sets no [CLS] and [SEP]",
}


def check_words(name: str, state: str, facts: Facts) -> tuple[str, str]:
    """Return what a check has found and what to do about it; the latter is empty if the check passed.

    Parameters
    ----------
    name, state, facts : of a `RecordedCheck`
    """
    # Schemas 1 and 2 of environment.json stored the sentences themselves.
    if "found" in facts:
        return facts["found"], facts["remedy"]
    found, remedy = _WORDS[name](facts, state)
    return found, "" if state == "passed" else remedy


def _label_order(facts: Facts, state: str) -> tuple[str, str]:
    remedy = "name the labels in one order everywhere (data.labels)"
    if state == "failed":
        return "; ".join(f"{side}: {', '.join(labels)}" for side, labels in facts["labels"].items()), remedy
    return f"{count(len(facts['labels']['recipe']), 'label')} in one order in recipe, training and validation", remedy


def _label_counts(facts: Facts, state: str) -> tuple[str, str]:
    training, validation = facts["training"], facts["validation"]
    few = [f"{label} has {count(training[label], 'positive comment')} in training" for label in facts["few"]]
    counts = " · ".join(f"{label} {num:,} + {validation[label]:,}" for label, num in training.items())
    found = listed(few, most=3) if few else f"{counts} (training + validation)"
    return found, "find more comments that have the label, or leave it out (data.labels)"


def _measurable_labels(facts: Facts, state: str) -> tuple[str, str]:
    undefined = [f"{label} undefined (no {side} comment)" for label, side in facts["undefined"].items()]
    wide = [
        (one["half_width"], f"{label} ± {one['half_width']:.2f} ({count(one['num'], one['side'])})")
        for label, one in facts["wide"].items()
    ]
    problems = undefined + [text for _, text in sorted(wide, reverse=True)]
    found = listed(problems, most=6) if problems else f"all to ± {facts['widest']:.3f} or better"
    remedy = "a larger validation share (--validation 0.2), or more comments that have the label"
    return f"AUC in validation: {found}", remedy


def _unknown_targets(facts: Facts, state: str) -> tuple[str, str]:
    shares = sorted(((share, label) for label, share in facts["unknown"].items() if share), reverse=True)
    parts = [f"{label} unknown for {share:.1%}" for share, label in shares]
    if facts["num_idle"]:
        parts.append(f"{count(facts['num_idle'], 'comment')} without any known target")
    found = listed(parts, most=4) if parts else "none: every target is a number"
    return found, "a comment trains its known labels only: look whether the columns were meant to be empty"


def _equal_texts(facts: Facts, state: str) -> tuple[str, str]:
    found = f"{facts['num_shared']:,} of {facts['num_validation']:,} validation comments are also in training"
    if not facts["num_shared"]:
        found = f"none on both sides of the split; {count(facts['num_repeated'], 'repeat')} inside training"
    return found, "the validation numbers will be too high: give other comments, or a share (--validation 0.1)"


def _contradicting_labels(facts: Facts, state: str) -> tuple[str, str]:
    remedy = "no model can learn both: let a person decide, or leave these comments out"
    if not facts["num_texts"]:
        return "equal texts have equal labels", remedy
    most = sorted(((num, label) for label, num in facts["by_label"].items()), reverse=True)
    by_label = listed([f"{label} {num:,}" for num, label in most], most=3)
    texts = f"{count(facts['num_texts'], 'text')} ({facts['share']:.2%})"
    return f"{texts} with labels that contradict each other: {by_label}", remedy


def _memory(facts: Facts, state: str) -> tuple[str, str]:
    if "batch_size" in facts:
        return _fit(facts), ""
    processes = facts["num_processes"]
    each = f" in each of {processes} processes" if processes > 1 else ""
    found = f"about {gib(facts['needed'])}{each}, {gib(facts['certain'])} of it for weights and optimizer"
    if facts["total"] is None:
        return f"{found}; how much is there is not known", ""
    where = "the GPU" if facts["device"] == "cuda" else "this machine"
    found += f"; {gib(facts['available'])} of {gib(facts['total'])} free on {where}"
    if state == "failed":
        return found, "choose a smaller model (--model), or a machine with more memory"
    return found, f"{_SMALLER_BATCH}: the steps stay the same; or cut comments at a smaller data.max_length"


def _fit(facts: Facts) -> str:
    size = facts["batch_size"]
    if facts["fitting"] != size:
        found = f"a micro-batch of {size:,} is the most that every process has the memory for"
    else:
        takes = "is estimated to take" if facts["is_estimated"] else "takes up to"
        found = (
            f"a micro-batch of {size:,} {takes} {gib(facts['peak'])} of the {gib(facts['room'])} that there are for it"
        )
        if facts["next_peak"] is not None:
            found += f", one of {facts['next_size']:,} would take {gib(facts['next_peak'])}"
    return f"{found}; {facts['accumulation']:,} to a step on each process"


def _disk(facts: Facts, state: str) -> tuple[str, str]:
    needed, free = gib(facts["needed"]), gib(facts["free"])
    found = f"up to {needed} for checkpoints and the classifier; {free} free at {facts['path']}"
    return found, "make room, or put the run on another disk (--out)"


def _precision(facts: Facts, state: str) -> tuple[str, str]:
    problem = {
        "imitated": ", which this hardware only imitates: several times slower than fp32",
        "overflows": ": DeBERTa is known to overflow in fp16 (microsoft/DeBERTa#77)",
        "slow": ", though the hardware has bf16: two to four times slower",
        "": "",
    }[facts["problem"]]
    remedy = "--set training.precision=auto"
    if facts["problem"] == "overflows":
        better = "bf16" if facts["fast_bf16"] else "fp32"
        remedy = f"--set training.precision={better}; or go on: steps that overflow are skipped and counted"
    return f"{facts['precision']} on {facts['device']}{problem}", remedy


def _versions(facts: Facts, state: str) -> tuple[str, str]:
    versions = facts["versions"]
    found = [f"{name} {versions[name]}: {_FAULTS[fault]} ({fault})" for fault, name in facts["faults"].items()]
    found += [
        f"{name} {versions[name]}: civility is made for {specifier}" for name, specifier in facts["made_for"].items()
    ]
    named = [f"{name} {versions[name]}" for name in ("torch", "transformers", "accelerate") if name in versions]
    words = "; ".join(found) if found else f"no known fault in {listed(named, most=3)}"
    return words, "pip install --upgrade 'civility[train]'"


def _parameter_type(facts: Facts, state: str) -> tuple[str, str]:
    found = " and ".join(f"{num:,} {name}" for name, num in facts["num_parameters"].items())
    return found, "load the model in float32 (huggingface/sentence-transformers#3773)"


def _problem_type(facts: Facts, state: str) -> tuple[str, str]:
    return facts["problem_type"], f"set problem_type to {facts['expected']} in the model's config.json"


def _model_labels(facts: Facts, state: str) -> tuple[str, str]:
    found = f"{len(facts['model'])} outputs in the order of the data"
    if state == "failed":
        found = f"{', '.join(facts['model'])}; data: {', '.join(facts['data'])}"
    return found, "the logits would be taken for other labels: name the labels in the model's order (data.labels)"


def _head(facts: Facts, state: str) -> tuple[str, str]:
    own, remedy = ", ".join(facts["own"]), "to continue with the trained head, name the same labels (data.labels)"
    match facts["head"]:
        case "kept":
            return "the checkpoint's own, kept", remedy
        case "reordered":
            return f"the checkpoint's own, kept, its rows moved from the order {own}", remedy
        case "none":
            return "new: the checkpoint has none", remedy
    kind = "labels" if facts["head"] == "labels" else f"classes ({facts['problem_type'] or 'no problem type'})"
    return f"new: the checkpoint's own has other {kind}: {own}; this run: {', '.join(facts['labels'])}", remedy


def _vocabulary(facts: Facts, state: str) -> tuple[str, str]:
    found = f"{facts['num_ids']:,} token ids, {facts['num_rows']:,} embedding rows"
    if facts["added"]:
        return (
            f"{found}: the model has no embedding for the added tokens {listed(facts['added'], most=3)}",
            'set "pad_token" and the like in tokenizer_config.json to tokens that the model has, or resize its '
            "embedding (transformers: resize_token_embeddings)",
        )
    return found, "this looks like the tokenizer of another model: get model and tokenizer from one place"


def _special_tokens(facts: Facts, state: str) -> tuple[str, str]:
    found = "the tokenizer has no marks for the ends of a text"
    if facts["missing"]:
        found = f"no mark is set as the {' and the '.join(facts['missing'])} token"
    elif facts["marks"]:
        found = f"each text stands between {' and '.join(facts['marks'])}"
    return found, "update transformers (huggingface/transformers#44568), or replace the tokenizer's files"


def _unknown_tokens(facts: Facts, state: str) -> tuple[str, str]:
    found = f"{facts['share']:.2%} of {facts['num_tokens']:,} tokens"
    return found, "the model cannot read what is unknown: choose one made for the language of the comments"


def _trial_step(facts: Facts, state: str) -> tuple[str, str]:
    precision = facts["precision"]
    tried = f"{count(facts['num_comments'], 'comment')} of up to {count(facts['num_tokens'], 'token')}"
    if state == "passed":
        return f"loss and gradients are finite in {precision}, for {tried}", ""
    found = f"in {precision}, for {tried}: "
    if state == "warned":
        return (
            f"{found}the memory is too small for them at once",
            f"{_SMALLER_BATCH}; training does it by itself where it can",
        )
    better = facts["better_precision"]
    remedy = f"--set training.precision={better}: with it the step is finite" if better else _OTHER_MODEL
    return f"{found}{facts['trouble']}", remedy


def _padded_scores(facts: Facts, state: str) -> tuple[str, str]:
    model = f"a {facts['model_type']} model"
    if state == "passed":
        return "a text has the same logits alone and beside a longer one", ""
    if state == "warned":
        return (
            f"{model} mixes padding into texts of one or two tokens "
            f"(by {facts['short_difference']:.1%} of the range of the logits)",
            "the score of such a text depends a little on the comments beside it; others keep theirs",
        )
    if facts["trouble"]:
        return f"{model} cannot score a short text: {facts['trouble']}", _OTHER_MODEL
    return (
        f"{model} mixes padding into the text: a score would depend on the comments beside it "
        f"(by {facts['difference']:.1%} of the range of the logits)",
        _OTHER_MODEL,
    )


def _truncation(facts: Facts, state: str) -> tuple[str, str]:
    longest, longer = facts["longest"], min(2 * facts["max_length"], facts["longest"])
    found = f"{facts['share']:.1%} of the comments are truncated at {facts['max_length']} tokens"
    if facts["share_of_label"]:
        found += f", of {facts['label']} {facts['share_of_label']:.1%}"
    remedy = f"{longest} is the most that this model can read: choose one for longer texts"
    if longer > facts["max_length"]:
        remedy = f"--set data.max_length={longer} reads more of them, and takes longer"
    return found, remedy


def _padding(facts: Facts, state: str) -> tuple[str, str]:
    if facts["is_packed"]:
        return "none: the forward pass takes texts one after the other", ""
    remedy = "--set training.group_by_length=true puts comments of like length together"
    if facts["group_by_length"]:
        remedy = "use a smaller training.batch_size with more training.gradient_accumulation"
    return f"{facts['share']:.1%} of the tokens in a batch", remedy


def _schedule(facts: Facts, state: str) -> tuple[str, str]:
    rates, steps, warmup = facts["learning_rates"], facts["num_steps"], facts["num_warmup_steps"]
    found = (
        f"{count(steps, 'step')} of {facts['comments_per_step']:,} comments; learning rate {rates[0]:.3g} → "
        f"{rates[1]:.3g} at step {warmup + 1:,} → {rates[2]:.2g} → {rates[3]:.2g}"
    )
    if facts["end"] != steps:
        found = f"the schedule ends at step {facts['end']:,}, training at step {steps:,}; {found}"
    if facts["warmup_fraction"] > 0 and not warmup:
        found += f"; warm-up of {facts['warmup_fraction']:.1%} is less than a step"
    if warmup >= steps:
        return (
            f"{found}; the warm-up of {count(warmup, 'step')} leaves nothing of the run",
            "--set training.warmup_steps=0 warms up over training.warmup_fraction of the steps",
        )
    return found, "so few steps hardly train: more training.epochs, or a smaller training.batch_size"


def _optimizer(facts: Facts, state: str) -> tuple[str, str]:
    rate = f"{facts['learning_rate']:.3g}"
    return {
        "adafactor": (
            f"Adafactor: a step is at most {rate} of each parameter's root mean square",
            "so small a share hardly trains: --set training.learning_rate=1e-3 is usual",
        ),
        "schedule_free": (
            f"schedule-free AdamW: at {rate} to the end, and the mean of the weights is validated",
            "its authors never go without a warm-up: --set training.warmup_fraction=0.1",
        ),
        "muon": (f"Muon for the layers' matrices, with steps as large as AdamW's at {rate}", ""),
    }[facts["optimizer"]]


def _loss_weights(facts: Facts, state: str) -> tuple[str, str]:
    heaviest = facts["heaviest"]
    if "positive_weight" in facts:
        times = f"{facts['positive_weight']:.3g} times as much as a negative one"
        return f"a positive comment counts up to {times} ({heaviest})", _OTHER_WEIGHTS
    found = "every label weighs the same"
    if facts["ratio"] > 1:
        times = f"{facts['ratio']:.3g} times as much as {facts['lightest']}"
        found = f"{heaviest} weighs {times}, {facts['share']:.0%} of the whole"
    return found, _OTHER_WEIGHTS


def _regularization(facts: Facts, state: str) -> tuple[str, str]:
    found = []
    if facts["r_drop"]:
        same = "" if facts["drops"] else "; nothing is dropped, so that both passes are the same"
        passes = "R-Drop passes every comment twice: about twice the time, and the memory of activations"
        found.append(passes + same)
    if facts["adversarial"] != "none":
        start, bytes_needed = facts["adversarial_start"], gib(facts["adversarial_bytes"])
        from_step = f" from {start:.0%} of the steps on" if start else ""
        found.append(
            f"{facts['adversarial']} takes every step twice{from_step}: about twice the time, and up to "
            f"{bytes_needed} for gradients set aside and a copy of the embedding"
        )
    if facts["average"] != "none":
        found.append(f"{facts['average']} keeps {gib(facts['average_bytes'])} of averaged weights")
    return "; ".join(found), "R-Drop needs dropout: raise regularization.dropout"


def _no_effect(facts: Facts, state: str) -> tuple[str, str]:
    found = f"changed, and read by nothing that this recipe chooses: {', '.join(facts['settings'])}"
    return found, "choose what reads them (docs/reference/methods.md), or leave them out"


_WORDS: dict[str, Callable[[Facts, str], tuple[str, str]]] = {
    "label order": _label_order,
    "label counts": _label_counts,
    "measurable labels": _measurable_labels,
    "unknown targets": _unknown_targets,
    "equal texts": _equal_texts,
    "contradicting labels": _contradicting_labels,
    "memory": _memory,
    "disk": _disk,
    "precision": _precision,
    "versions": _versions,
    "parameter type": _parameter_type,
    "problem type": _problem_type,
    "model labels": _model_labels,
    "head": _head,
    "vocabulary": _vocabulary,
    "special tokens": _special_tokens,
    "unknown tokens": _unknown_tokens,
    "trial step": _trial_step,
    "padded scores": _padded_scores,
    "truncation": _truncation,
    "padding": _padding,
    "schedule": _schedule,
    "optimizer": _optimizer,
    "loss weights": _loss_weights,
    "regularization": _regularization,
    "no effect": _no_effect,
}
"""By name of the check; each takes facts and state."""
