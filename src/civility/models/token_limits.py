"""How many tokens a model can take. Knows models and tokenizers by their attributes."""

import math
from typing import Any

_NO_LIMIT = 1_000_000


def longest_text(model: Any, tokenizer: Any) -> int:
    """Return how many tokens a model can take, special ones included; 1,000,000 where nothing limits them.

    Parameters
    ----------
    model : a sequence classifier of transformers
    tokenizer : its own
    """
    limits = (_limit(tokenizer.model_max_length), _limit_of_configuration(model.config), *_limits_of_tables(model))
    return min((limit for limit in limits if limit is not None), default=_NO_LIMIT)


def _limit_of_configuration(config: Any) -> int | None:
    if getattr(config, "relative_attention", False) and not config.position_biased_input:
        return None  # DeBERTa counts distances, not places: longer texts only share buckets
    text = config.get_text_config()
    return _limit(getattr(text, "max_position_embeddings", None))


def _limits_of_tables(model: Any) -> list[int]:
    """Return how many tokens the tables of positions have rows for that begin behind the padding's own row.

    RoBERTa and its kin give the first token the position ``padding_idx + 1``, so that a table of 514 rows holds texts
    of 512 tokens.
    """
    found = []
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.rpartition(".")[2] == "position_embeddings" and padding is not None:
            found.append(len(module.weight) - padding - 1)
    return found


def _limit(told: Any) -> int | None:
    """Return a number of tokens; None where it is not one: XLNet says -1 for no limit, tokenizers 1e30."""
    if not isinstance(told, int | float) or not math.isfinite(told) or told < 1 or told > _NO_LIMIT:
        return None
    return int(told)
