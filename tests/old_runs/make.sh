#!/bin/bash
# Writes runs.tar.xz with the code of commit 0fb4332: see README.md.
# Usage: make.sh SRC OUT   SRC is the src folder of that commit, OUT a new folder; runs.tar.xz appears beside OUT.
# PYTHON names the interpreter.
set -eu
export PYTHONPATH="$1" OMP_NUM_THREADS=1 CIVILITY_CACHE=off HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
mkdir "$2" && cd "$2"  # so that the documents hold relative paths

"${PYTHON:-python}" - <<'PROGRAM'
import collections, csv, json, os, platform, re, shutil, signal, sqlite3
from pathlib import Path

platform.platform = lambda: "Linux"  # keep the machine's kernel out of the documents
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from civility import Classifier
from civility.cli import main
from civility.data.starter import starter_corpus
from civility.metrics.calibration import LabelCalibration
from civility.train.session import Session

LABELS = ["toxic", "insult"]
corpus = starter_corpus("held-out")
columns = [corpus.labels.index(label) for label in LABELS]
with open("comments.csv", "w", encoding="utf-8", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["id", "comment_text", *LABELS])
    for i in range(0, 360, 3):
        rows.writerow([corpus.ids[i], corpus.texts[i], *corpus.targets[i, columns].astype(int)])

words = collections.Counter(re.findall(r"\w+|[^\w\s]", " ".join(corpus.texts[0:360:3]).lower()))
vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *sorted(word for word, num in words.items() if num > 1)]
plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
plain.normalizer, plain.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
plain.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_object=plain, cls_token="<s>", pad_token="<pad>", sep_token="</s>", unk_token="<unk>"
)
settings = transformers.DebertaV2Config(
    vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
    max_position_embeddings=64, max_relative_positions=-1, position_buckets=16, relative_attention=True,
    pos_att_type=["p2c", "c2p"], share_att_key=True, norm_rel_ebd="layer_norm", position_biased_input=False,
    type_vocab_size=0, pooler_dropout=0.0, pad_token_id=1, initializer_range=1.0,
)
torch.manual_seed(0)
transformers.DebertaV2Model(settings).save_pretrained("encoder")
tokenizer.save_pretrained("encoder")


def civility(*arguments, set=()):
    options = [part for one in set for part in ("--set", one)]
    try:
        main([*arguments, *options])
    except SystemExit as stop:
        return int(stop.code or 0)


DATA = ("--data", "comments.csv")
SPLIT = (f"data.labels={json.dumps(LABELS)}", "data.validation=0.3")
# A large epsilon: with the usual one, Adam turns rounding errors, which differ between processors, into whole steps.
TINY = (*SPLIT, "data.max_length=48", "training.epochs=2", "training.batch_size=8", "training.adam_epsilon=1e-5",
        "training.learning_rate=1e-2", "training.log_every=1", "training.precision=fp32", "training.device=cpu",
        "training.threads=1")
LINEAR = (*SPLIT, "linear.max_features=60")
train = ("train", "baseline", *DATA, "--model", "encoder", "--out")
assert civility(*train, "finished", set=TINY) == 0
assert civility(*train, "other", set=(*TINY, "training.learning_rate=3e-3")) == 0

after_step, steps = Session.after_step, []
def stop_at_15(session):
    after_step(session)
    steps.append(session)
    if len(steps) == 15:
        os.kill(os.getpid(), signal.SIGTERM)
Session.after_step = stop_at_15
assert civility(*train, "interrupted", set=TINY) == 143
Session.after_step = after_step

assert civility("train", "fast", *DATA, "--out", "linear", set=LINEAR) == 0
assert civility("train", "fast", *DATA, "--folds", "2", "--out", "folds", set=LINEAR) == 0
assert civility("ensemble", "finished", "linear", "--out", "ensemble") == 0
with open("space.toml", "w") as file:
    file.write('[sweep]\nsampler = "grid"\n[space]\n"linear.c" = [0.1, 1.0, 10.0]\n')
sweep = ("sweep", "fast", *DATA, "--space", "space.toml", "--out", "sweep")
assert civility(*sweep, "--trials", "2", set=LINEAR) == 0
assert civility("compare", "finished", "other", "--metrics", "roc_auc", "f1", "--out", "comparison") == 0
assert civility("audit", "comments.csv", "--with", "finished", "--labels", *LABELS, "--out", "audit") == 0

classifier = Classifier.load("other")
bent = LabelCalibration("isotonic", x=(0.0, 2.0, 4.0, 8.0), y=(0.05, 0.2, 0.7, 0.9))
classifier.calibrate({"toxic": bent, "insult": LabelCalibration("platt", 1.5, -0.25)}, "")
os.mkdir("isotonic")
classifier.save(Path("isotonic"), "")

texts = corpus.texts[1:60:6]
expected = {"texts": texts, "classifiers": {}}
for target in ("finished", "other", "linear", "isotonic", "ensemble", "folds/fold-1", "sweep/trials/0000"):
    loaded = Classifier.load(target)
    expected["classifiers"][target] = {"thresholds": dict(loaded.thresholds), "scores": loaded.score(texts).tolist()}
with open("expected.json", "w", encoding="utf-8") as file:
    json.dump(expected, file, indent=1, ensure_ascii=False)

# Pages, plots and the checkpoints of finished runs would be nine tenths of the archive; "finished" keeps its pages.
drawn = ("*-plots", "reports/*.html", "reports/*.md", "folds/report.*[ml]", "sweep/sweep.*[ml]", "*/comparison.[sm]*")
for path in [path for pattern in drawn for path in Path().rglob(pattern)] + [*Path().glob("*/checkpoints")]:
    if "finished" in path.parts and path.name != "checkpoints" or path.parts[0] == "interrupted":
        continue
    shutil.rmtree(path) if path.is_dir() else path.unlink()
database = sqlite3.connect("sweep/study.db")
database.execute("pragma page_size=512")
database.execute("vacuum")
database.close()
PROGRAM
tar --sort=name --owner=0 --group=0 --numeric-owner -cJf "$(dirname "$PWD")/runs.tar.xz" *
