"""A tiny random model of every architecture of transformers that classifies texts, and a tokenizer for it."""

import inspect
from pathlib import Path
from typing import Any

LONGEST = 64
"""Positions of the tiny models, where they have a table of them."""

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # in RoBERTa's order, whose positions begin behind the padding's

_SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "d_model": 32,
    "n_embd": 32,
    "emb_dim": 32,
    "dim": 32,
    "embedding_size": 32,
    "intermediate_size": 64,
    "d_ff": 64,
    "d_inner": 64,
    "dff": 64,
    "hidden_dim": 64,
    "ffn_dim": 64,
    "ffn_hidden_size": 64,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "n_inner": 64,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "n_layer": 2,
    "n_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "num_attention_heads": 4,
    "num_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "d_kv": 8,
    "d_head": 8,
    "num_experts": 4,
    "n_routed_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "max_position_embeddings": LONGEST,
    "n_positions": LONGEST,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
_LATENT = {  # attention over latent vectors, as of DeepSeek
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "n_group": 2,
    "topk_group": 1,
}
_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
_LINEAR = {"layer_types": ["linear_attention", "full_attention"]}
_OWN: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("axk1", "axk2", "deepseek_v2", "deepseek_v3", "minicpm3", "mistral4"), _LATENT),
    **dict.fromkeys(("qwen3_5_text", "qwen3_next"), _LINEAR),
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": dict.fromkeys(("sliding_attention", "full_attention"), _ROPE),
    },
    "esmc": {"num_key_value_heads": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "gptj": {"rotary_dim": 8},
    "t5": {"decoder_start_token_id": 1},
    "lilt": {"hidden_size": 48},
    "layoutlmv3": {"coordinate_size": 4, "shape_size": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "reformer": {"axial_pos_embds_dim": [8, 24], "axial_pos_shape": [8, 8], "attn_layers": ["local", "lsh"]},
    "zamba": {"num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid"] * 2},
    "zamba2": {"num_hidden_layers": 2, "layers_block_type": ["mamba", "hybrid"]},
}
"""What single architectures need beside the rest."""


_PADDING = "mixes padding into the text"
REFUSED = {
    "canine": "a canine model cannot be trained here: NotImplementedError",
    "fnet": _PADDING,
    "funnel": "a funnel model cannot score a short text",
    "nystromformer": _PADDING,
    "perceiver": "a perceiver model cannot be trained here: AttributeError",
    "reformer": "make sure that config.axial_pos_shape factors",
    "t5gemma": _PADDING,
    "t5gemma2": _PADDING,
    "xmod": "Input language unknown",
    "yoso": _PADDING,
}
"""With what words of the error; all others train."""
NOT_BUILT = {"layoutlmv2": "detectron2"}
"""What needs another library, and which."""
REPRESENTATIVE = (
    *(
        "bart",
        "camembert",
        "canine",
        "distilbert",
        "fnet",
        "funnel",
        "gpt2",
        "llama",
        "mpnet",
        "reformer",
        "t5",
        "xlnet",
    ),
)
"""A dozen that differ in what they need, for every run of the tests."""


def classifying_architectures() -> dict[str, str]:
    """Return the class of the classifier by ``model_type``, for all that transformers maps."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

    return dict(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)


def build_tiny(model_type: str, folder: Path) -> Path:
    """Write a random model of this architecture and its tokenizer; raises whatever transformers does."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

    tokenizer = byte_level_tokenizer()
    config = tiny_config(CONFIG_MAPPING[model_type], len(tokenizer))
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_config(kind: Any, vocabulary: int) -> Any:
    """Return a configuration of this class with every size that it has shrunk, nested configurations too."""
    has = inspect.signature(kind.__init__).parameters
    settings = {key: value for key, value in {**_SMALL, "vocab_size": vocabulary}.items() if key in has}
    if getattr(kind, "sub_configs", {}):
        whole = kind()  # a nested class may be named by its model_type alone
        nested = {key: getattr(whole, key) for key in kind.sub_configs}
        settings |= {
            key: tiny_config(type(one), vocabulary).to_dict() for key, one in nested.items() if one is not None
        }
    return kind(**{**settings, **_OWN.get(kind.model_type, {})})


def byte_level_tokenizer() -> Any:
    """Return a byte-level BPE without merges: a token a byte, whatever the script."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*_SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
