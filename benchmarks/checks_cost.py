"""What the checks before a run cost, against reading and tokenising the same comments.

    python benchmarks/checks_cost.py [--comments 160000] [--json FILE]

The comments are those of `read_speed.py`; model and tokenizer are the starter's. Seconds are of CPU time, so that
a busy machine does not change them much. What counts is the ratio: a run lasts many times longer than its tokenising.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from read_speed import LABELS, write_comments  # found beside the script

from civility.data.prepare import PreparedData, Wanted, prepare
from civility.data.reading import Columns
from civility.engine.hardware import device_memory, free_disk
from civility.engine.step_plan import BatchShape, Schedule
from civility.models.encoder import load_config, load_encoder
from civility.models.model_size import ModelSize
from civility.models.model_source import STARTER_MODEL
from civility.models.tokenizer import tokenise
from civility.run.versions import library_versions
from civility.training.preflight import data_checks, model_checks, plan_checks
from civility.training.preflight.machine_checks import check_versions, own_requirements


def timed(seconds: dict[str, float], name: str, call: Callable[[], object]) -> None:
    """Call something, and note the CPU time that it took."""
    started = time.process_time()
    call()
    seconds[name] = time.process_time() - started


def time_checks(data: PreparedData, seconds: dict[str, float]) -> None:
    """Tokenise the comments, and make every check whose cost could grow with them or with the model."""
    training, validation = data.training, data.validation
    encoder = load_encoder(STARTER_MODEL, LABELS)  # first, since it imports what a run imports anyway
    config = load_config(STARTER_MODEL, None)
    timed(seconds, "size of the model (meta device)", lambda: ModelSize.of(config, len(LABELS)))
    timed(seconds, "memory and disk", lambda: (device_memory("cpu"), free_disk(Path.cwd())))
    timed(seconds, "versions", lambda: check_versions(library_versions(), (), needed=own_requirements()))
    timed(seconds, "label counts", lambda: data_checks.check_label_counts(training, validation))
    timed(seconds, "measurable labels", lambda: data_checks.check_measurable(validation))
    timed(seconds, "unknown targets", lambda: data_checks.check_unknown_targets(training))
    timed(seconds, "equal texts, contradictions", lambda: data_checks.check_texts(training, validation))
    started = time.process_time()
    tokens = tokenise(encoder.tokenizer, training.texts, 256)
    seconds["tokenise"] = time.process_time() - started
    shape = BatchShape.of(16)
    num_steps = 6 * shape.num_steps(len(tokens))
    schedule = Schedule(2e-5, num_steps // 10, num_steps)
    rows = encoder.model.get_input_embeddings().num_embeddings
    timed(seconds, "parameter type", lambda: model_checks.check_parameter_type(encoder.model))
    timed(seconds, "vocabulary", lambda: model_checks.check_vocabulary(encoder.tokenizer, rows))
    timed(seconds, "special tokens", lambda: model_checks.check_special_tokens(encoder.tokenizer))
    unknown = encoder.tokenizer.unk_token_id
    timed(seconds, "unknown tokens", lambda: model_checks.check_unknown_tokens(tokens, unknown))
    timed(seconds, "truncation", lambda: plan_checks.check_truncation(tokens, training.targets, LABELS, 256, 512))
    timed(
        seconds,
        "padding",
        lambda: plan_checks.check_padding(tokens.lengths, shape, 42, group_by_length=True, packed=False),
    )
    timed(seconds, "schedule", lambda: plan_checks.check_schedule(schedule, shape, len(tokens), 6, 0.1))


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=160_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        write_comments(path, options.comments)
        started = time.process_time()
        data = prepare(Wanted([str(path)], 0.1, Columns(labels=LABELS), 42))
        seconds["read and split"] = time.process_time() - started
        time_checks(data, seconds)
    base = seconds.pop("read and split"), seconds.pop("tokenise")
    checks = sum(seconds.values())
    print(f"{options.comments:,} comments: {base[0]:.1f} s to read and split, {base[1]:.1f} s to tokenise\n")
    for name, value in seconds.items():
        print(f"  {name:<34} {value:>7.3f} s   {value / sum(base):>6.1%}")
    print(f"  {'all checks':<34} {checks:>7.3f} s   {checks / sum(base):>6.1%} of reading and tokenising")
    if options.json:
        content = {"comments": options.comments, "read": base[0], "tokenise": base[1], "checks": seconds}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
