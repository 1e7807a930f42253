"""Identity templates: the same sentences about many groups, half of them toxic, to measure bias with.

Three formats are read: the sentences of Dixon et al. (``Text``, ``Label``), their later ones in other languages
(``template``, ``toxicity``, ``phrase``), and civility's own (``text``, ``target``, ``group``). The first two do not say
which group a sentence is about, so its term is looked up in a list.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s, Targets
from civility.data.dialects import Headers
from civility.data.reading.cells import TargetCells, TextCells
from civility.data.reading.opening import open_table
from civility.data.reading.tables import Chunk, Table
from civility.errors import UserError, did_you_mean
from civility.evaluation.suites import name_in
from civility.plain_text import listed, shown

GROUP_SEPARATOR = ";"
OWN_COLUMNS = ("text", "target", "group")

# The 50 terms of Dixon, Li, Sorensen, Thain and Vasserman, Measuring and Mitigating Unintended Bias in Text
# Classification, 2018: bias_madlibs_data/adjectives_people.txt of conversationai/unintended-ml-bias-analysis,
# spelled as there.
_ENGLISH = (
    "lesbian|gay|bisexual|transgender|trans|queer|lgbt|lgbtq|homosexual|straight|heterosexual|male|female|nonbinary"
    "|african|african american|black|white|european|hispanic|latino|latina|latinx|mexican|canadian|american|asian"
    "|indian|middle eastern|chinese|japanese|christian|muslim|jewish|buddhist|catholic|protestant|sikh|taoist|old"
    "|older|young|younger|teenage|millenial|middle aged|elderly|blind|deaf|paralyzed"
)
ENGLISH_TERMS = tuple(_ENGLISH.split("|"))
# The terms in the German sentences of the same authors, as they stand before an ending.
_GERMAN = (
    "afghanisch|afrikanisch|afroamerikanisch|alt|amerikanisch|arabisch|asiatisch|bisexuell|blind|buddhistisch"
    "|chinesisch|christlich|europäisch|evangelisch|gelähmt|heterosexuell|homosexuell|indisch|italienisch|japanisch"
    "|jugendlich|jung|jüdisch|jünger|katholisch|lesbisch|marokkanisch|muslimisch|männlich|non-binär|orientalisch"
    "|polnisch|schwarz|schwul|spanisch|taub|transsexuell|türkisch|weiblich|weiß|älter"
)
_GERMAN_STEMS = tuple(_GERMAN.split("|"))
_GERMAN_FIXED = ("latina", "latino", "lgbt", "lgbtq", "millenial", "mittleren alters", "queer", "sikh", "trans")
_GERMAN_ENDINGS = ("", "e", "em", "en", "er", "es")
# Spellings of those files, and short forms.
_GERMAN_VARIANTS = {
    "bisexuel": "bisexuell",
    "hetero": "heterosexuell",
    "marrokanisch": "marokkanisch",
    "polisch": "polnisch",
    "transexuell": "transsexuell",
}


def _german_forms() -> dict[str, str]:
    stems = {stem: stem for stem in _GERMAN_STEMS} | _GERMAN_VARIANTS
    inflected = {stem + ending: group for stem, group in stems.items() for ending in _GERMAN_ENDINGS}
    return inflected | {term: term for term in _GERMAN_FIXED}


# Language -> each form of a term, in lower case -> its group.
_FORMS: Mapping[str, Mapping[str, str]] = {
    "English": {term: term for term in ENGLISH_TERMS},
    "German": _german_forms(),
}


@dataclass(frozen=True, eq=False)
class Templates:
    """Sentences about groups, with their targets.

    Parameters
    ----------
    texts : (N,)
    targets : (N,) float32 in [0, 1]; NaN if unknown, in civility's own format only
    groups : (N, G) bool, whether the sentence is about the group; sentences about none are background
    group_names : (G,) unique, each with at least one sentence
    name : of the file, as given
    """

    texts: tuple[str, ...]
    targets: Targets
    groups: npt.NDArray[np.bool_]
    group_names: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class _Published:
    """The columns of a published kind, and what its labels mean."""

    text: str
    label: str
    targets: Mapping[str, float]


_PUBLISHED = (
    _Published("Text", "Label", {"BAD": 1.0, "NOT_BAD": 0.0}),
    _Published("phrase", "toxicity", {"toxic": 1.0, "nontoxic": 0.0}),
)


def read_templates(file: str | Path) -> Templates:
    """Read identity templates of any of the three formats, in any compression.

    Groups that the file does not name are found by their terms: whole words in any case, the longest first, so that
    "african american" does not mention "american". The list of terms, English or German, is the one that finds terms
    in more sentences; German terms may be inflected.

    Raises
    ------
    UserError : the file has another format, a cell has no valid value, or no group is found
    """
    table = open_table(file)
    headers = Headers(table.name, table.all_columns())
    text, target, group = map(headers.find, OWN_COLUMNS)
    if text and target and group:
        return _read_own(table, text, target, group)
    for kind in _PUBLISHED:
        text, label = headers.find(kind.text), headers.find(kind.label)
        if text and label:
            return _read_published(table, replace(kind, text=text, label=label))
    found = f"not a file of identity templates (its columns: {listed(headers.names)})"
    expected = f"the columns {', '.join(OWN_COLUMNS)}; or those of a published file, Text, Label or phrase, toxicity"
    remedy = "rename the columns; docs/reference/probes.md explains them"
    raise UserError("evaluation.bad-templates", found, where=table.name, expected=expected, remedy=remedy)


def _read_published(table: Table, kind: _Published) -> Templates:
    texts: list[str] = []
    targets: list[float] = []
    for chunk in table.chunks((kind.text, kind.label)):
        texts += _texts_of(table.name, chunk, kind.text)
        targets += [_target(table.name, chunk, row, kind) for row in range(len(chunk))]
    mentions = _find_terms(table.name, texts)
    return _templates(table.name, texts, np.array(targets, dtype=np.float32), mentions)


def _read_own(table: Table, text: str, target: str, group: str) -> Templates:
    texts: list[str] = []
    mentions: list[tuple[str, ...]] = []
    blocks: list[Float32s] = []
    targets = TargetCells()
    for chunk in table.chunks((text, target, group)):
        texts += _texts_of(table.name, chunk, text)
        blocks.append(targets.convert(chunk, target))
        mentions += [_split_groups(name_in(table.name, chunk, row, group)) for row in range(len(chunk))]
    return _templates(table.name, texts, np.concatenate(blocks), mentions)


def _texts_of(name: str, chunk: Chunk, column: str) -> list[str]:
    texts = TextCells().convert(chunk, column)
    if "" in texts:
        where = f"{name}, {chunk.place(texts.index(''))}"
        remedy = "write a text, or remove the row"
        raise UserError("evaluation.bad-cell", f"{column} is empty", where=where, remedy=remedy)
    return texts


def _target(name: str, chunk: Chunk, row: int, kind: _Published) -> float:
    cell = chunk.columns[kind.label][row]
    if isinstance(cell, str) and cell in kind.targets:
        return kind.targets[cell]
    known = tuple(kind.targets)
    found = f"{kind.label} = {shown(cell)}"
    where = f"{name}, {chunk.place(row)}"
    expected = f"{' or '.join(known)}{did_you_mean(str(cell), known)}"
    remedy = f"or rename the columns to {', '.join(OWN_COLUMNS)}, with numbers from 0 to 1 as targets"
    raise UserError("evaluation.bad-cell", found, where=where, expected=expected, remedy=remedy)


def _split_groups(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in names.split(GROUP_SEPARATOR) if part.strip()))


def _find_terms(name: str, texts: list[str]) -> list[tuple[str, ...]]:
    """Return the groups whose terms stand in each text, by the list that finds terms in the most of them."""
    found = {language: _mentions(texts, forms) for language, forms in _FORMS.items()}
    shares = {language: sum(map(bool, groups)) / len(texts) for language, groups in found.items()}
    best = max(shares, key=shares.__getitem__)
    if shares[best] < 0.5:
        listed = ", ".join(f"{language} in {share:.0%}" for language, share in shares.items())
        raise UserError(
            "evaluation.bad-templates",
            f"too few sentences contain a known identity term ({listed})",
            where=name,
            expected="half of them",
            remedy=f"name the groups in the columns {', '.join(OWN_COLUMNS)}; docs/reference/probes.md explains them",
        )
    return found[best]


def _mentions(texts: list[str], forms: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the groups of the forms of terms that stand in each text."""
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    alternatives = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in longest_first)
    pattern = re.compile(rf"\b(?:{alternatives})\b")
    # Not re.IGNORECASE, by which letters match that no form of a term holds, as the long s does.
    return [tuple(forms[" ".join(match.split())] for match in pattern.findall(text.lower())) for text in texts]


def _templates(name: str, texts: list[str], targets: Targets, mentions: list[tuple[str, ...]]) -> Templates:
    names = tuple(sorted({group for groups in mentions for group in groups}))
    if not names:
        remedy = "write the group into the column group"
        raise UserError("evaluation.bad-templates", "no sentence names a group", where=name, remedy=remedy)
    place = {group: index for index, group in enumerate(names)}
    groups = np.zeros((len(texts), len(names)), dtype=np.bool_)
    for row, found in enumerate(mentions):
        groups[row, [place[group] for group in found]] = True
    return Templates(tuple(texts), targets, groups, names, name)
