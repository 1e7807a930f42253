"""What a person is told of each finding: a title of a few words and a sentence on what to do, by importance."""

from civility.audit.signs import LONG_COMMENT, LONG_WORD

_FINDINGS = {
    "leak_equal": (
        "comments in more than one file",
        "Take them out of one of the files: a test that shares comments with training reads too high.",
    ),
    "leak_near": (
        "nearly equal comments in more than one file",
        "Look at the pairs: where they are copies with small changes, take them out of one of the files.",
    ),
    "contradicting_labels": (
        "equal comments, contradicting labels",
        "Decide each text by hand, or empty the cells that contradict: what is unknown trains nothing.",
    ),
    "near_contradicting_labels": (
        "nearly equal comments, contradicting labels",
        "Look at the pairs: one word can change a label, but often one of the two is a mistake.",
    ),
    "label_errors": (
        "likely label errors",
        "Look at the most likely first; correct the cell, or empty it where you cannot tell.",
    ),
    "few_positives": (
        "labels with few positives",
        "Collect more, or leave the label out: what few comments teach and measure is mostly chance.",
    ),
    "no_negatives": (
        "labels without a negative",
        "Give comments that do not have the label: nothing can be learned or measured without.",
    ),
    "no_labels": (
        "no labels found",
        "Name the label columns (--labels NAME …), if there are any: only the texts were looked at.",
    ),
    "no_known_label": (
        "comments without any known label",
        "They train nothing: leave them out, or label them.",
    ),
    "truncated": (
        "comments longer than the maximum length",
        "Raise data.max_length if a label loses much; what is beyond it is neither learned nor scored.",
    ),
    "equal_copies": (
        "copies of an earlier comment",
        "Keep one of each, unless frequency matters to you; the split of 'civility train' keeps copies together.",
    ),
    "near_copies": (
        "comments with a nearly equal one",
        "Look for templates and spam: near copies may end up on both sides of a split and flatter the result.",
    ),
    "blank": ("comments without text", "Leave them out: 'civility train' does."),
    "mojibake": (
        "garbled characters, as in 'Ã©' for 'é'",
        "Read the source again as UTF-8, or repair the text (the library ftfy does): it was decoded wrongly once.",
    ),
    "replacement_character": (
        "U+FFFD, where a character was lost",
        "Get the source again: the character cannot be had back.",
    ),
    "lone_surrogates": (
        "lone surrogates, half a character each",
        "Get the source again; they are read as U+FFFD.",
    ),
    "nul_characters": ("NUL characters", "Find what wrote them; they are read as spaces."),
    "control_characters": ("control characters", "Take them out: nobody typed them."),
    "invisible_characters": (
        "invisible characters, as zero-width ones",
        "Look at a few: some scripts need them; elsewhere they hide words from filters.",
    ),
    "html_entities": (
        "HTML entities, as '&quot;'",
        "Unescape them, if the comments to be scored later will not have them.",
    ),
    "byte_order_mark": ("files that begin with a byte order mark", "Nothing to do here; other programs may stumble."),
    "mixed_scripts": (
        "Latin next to Cyrillic or Greek in one word",
        "Look at a few: letters that look alike hide words from filters.",
    ),
    "repeats_itself": (
        "one word or phrase over and over",
        "Look at a few: they fill the maximum length, and teach one phrase.",
    ),
    "only_url": ("only addresses of the web", "Leave them out, unless the classifier is to judge addresses."),
    "no_letters": ("no letters at all", "Leave them out, unless numbers and signs alone carry a label."),
    "long_word": (f"a word of {LONG_WORD} characters or more", "Look at a few: encoded data, or letters held down."),
    "very_long": (f"{LONG_COMMENT:,} characters or more", "Look whether several comments ran into one."),
}

TITLES = {name: title for name, (title, _) in _FINDINGS.items()}
ADVICE = {name: advice for name, (_, advice) in _FINDINGS.items()}
ORDER = {name: place for place, name in enumerate(_FINDINGS)}
"""The place of each finding in what is shown: what spoils a result first, what is odd last."""
