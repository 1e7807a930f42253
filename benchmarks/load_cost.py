"""What it costs that a classifier's files are compared with their recorded sha256 when it is loaded.

    python benchmarks/load_cost.py [--repeat 5] [--out DIR] [--json FILE]

Two classifiers are saved and loaded again, with and without digests in civility.json, by turns: one of the packaged
starter model (91 MB), one of mDeBERTa-v3-base's true size (1.1 GB, random weights; see true_size.py).
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from true_size import write_model  # found beside the script

from civility import Classifier
from civility.data.dialects import LABELS
from civility.documents.classifier_file import CLASSIFIER_FILE
from civility.models.encoder import EncoderScorer, load_encoder
from civility.models.model_source import STARTER_MODEL
from civility.storage.atomic_files import digests_of


def main() -> None:
    """Time both, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, help="the disk to write to; default: a temporary folder")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.out) as name:
        write_model(Path(name) / "mdeberta")
        models = {"starter": STARTER_MODEL, "mdeberta": str(Path(name) / "mdeberta")}
        result = {which: _measure(model, Path(name) / "saved", options.repeat) for which, model in models.items()}
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _measure(model: str, folder: Path, repeat: int) -> dict[str, float]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    Classifier(EncoderScorer(load_encoder(model, LABELS), 128)).save(folder, "# A card\n")
    with_digests = (folder / CLASSIFIER_FILE).read_text(encoding="utf-8")
    content = json.loads(with_digests)
    files = content.pop("files")
    del content["digest"]
    times: dict[str, list[float]] = {"with": [], "without": [], "hash": []}
    for _ in range(repeat):
        for which, text in (("with", with_digests), ("without", json.dumps(content))):
            (folder / CLASSIFIER_FILE).write_text(text, encoding="utf-8")
            started = time.perf_counter()
            Classifier.load(folder)
            times[which].append(time.perf_counter() - started)
        started = time.perf_counter()
        digests_of(folder, files)
        times["hash"].append(time.perf_counter() - started)
    median = {which: statistics.median(values) for which, values in times.items()}
    return {
        "megabytes": sum((folder / name).stat().st_size for name in files) / 1e6,
        **{f"{which}_seconds": round(seconds, 3) for which, seconds in median.items()},
        "ratio": round(median["with"] / median["without"], 3),
    }


if __name__ == "__main__":
    main()
