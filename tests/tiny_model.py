"""A very small Llama with random weights, made in place, so that tests train and serve a real model in seconds."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SENTENCES = (
    "The support line opens at nine and closes at five.",
    "Refunds are paid within 14 days of the return.",
    "What is the capital of France? It is Paris.",
    "def answer(question): return 'I do not know, but I can ask.'",
    "Der Himmel ist blau, l'été est chaud, 東京は大きい 🙂.",
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 400
HIDDEN, INTERMEDIATE, LAYERS, HEADS, KEY_VALUE_HEADS, HEAD = 64, 128, 2, 4, 2, 16
EMBEDDING_DEVIATION = 0.5
"""Large enough for adapters to reach every token, although the embeddings themselves stay as they are."""


def make_tiny_model(folder: Path, *, seed: int = 0, architecture: str = "LlamaForCausalLM") -> Path:
    """Write a model of 0.1 million parameters, built like SmolLM2-135M-Instruct, into `folder`, and return that.

    Neither torch nor transformers is needed, so it takes a fraction of a second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer().save(str(folder / "tokenizer.json"))
    end_of_text, start, end = SPECIAL_TOKENS
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": start,
            "eos_token": end,
            "pad_token": end,
            "unk_token": end_of_text,
            "model_max_length": 512,
        },
    )
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    write_json(folder / "config.json", config(architecture))
    write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
    save_file(weights(seed), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tokenizer() -> Tokenizer:
    """Return a byte-level BPE tokenizer that splits text as SmolLM2's does, trained on a few sentences."""
    made = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(SENTENCES, trainer)
    return made


def config(architecture: str) -> dict[str, object]:
    """Return config.json."""
    return {
        "architectures": [architecture],
        "model_type": "llama",
        "dtype": "float32",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_VALUE_HEADS,
        "head_dim": HEAD,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_theta": 100000.0, "rope_type": "default"},
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }


def weights(seed: int) -> dict[str, np.ndarray]:
    """Return random weights for every tensor of the model."""
    shapes = {
        "self_attn.q_proj": (HEADS * HEAD, HIDDEN),
        "self_attn.k_proj": (KEY_VALUE_HEADS * HEAD, HIDDEN),
        "self_attn.v_proj": (KEY_VALUE_HEADS * HEAD, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
        "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
        "mlp.up_proj": (INTERMEDIATE, HIDDEN),
        "mlp.down_proj": (HIDDEN, INTERMEDIATE),
    }
    random = np.random.default_rng(seed)

    def matrix(shape: tuple[int, int], deviation: float = 0.05) -> np.ndarray:
        return (random.standard_normal(shape) * deviation).astype(np.float32)

    ones = np.ones(HIDDEN, dtype=np.float32)
    embeddings = matrix((VOCABULARY, HIDDEN), EMBEDDING_DEVIATION)
    tensors = {"model.embed_tokens.weight": embeddings, "model.norm.weight": ones}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        tensors |= {f"{prefix}.{name}.weight": matrix(shape) for name, shape in shapes.items()}
        tensors |= {f"{prefix}.{name}.weight": ones.copy() for name in ("input_layernorm", "post_attention_layernorm")}
    return tensors


def write_json(file: Path, content: object) -> None:
    """Write a JSON file."""
    file.write_text(json.dumps(content, indent=1))
