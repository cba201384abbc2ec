"""A Llama-architecture model of a Hugging Face folder as one GGUF file in Q8_0, with ggml's own `gguf` library.

The metadata keys are those of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Models that llama.cpp would
read differently from what the folder says (another architecture, scaled rotary embeddings, a tokenizer whose
pre-tokenizer has no name in llama.cpp) are refused rather than written wrongly.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import deserialize

from core.errors import ModelError
from core.local_azure.engine.progress import Report

Q8_0 = gguf.GGMLQuantizationType.Q8_0
Floats = npt.NDArray[np.float32]

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
PRE_TOKENIZERS: list[tuple[str, list[dict[str, Any]]]] = [
    ("smollm", [DIGITS, BYTE_LEVEL]),
    ("gpt-2", [BYTE_LEVEL]),
]
"""llama.cpp's name for each chain of pre-tokenizers of a tokenizer.json that it splits text in the same way as."""


class NotServable(ModelError):
    """A model that is complete but that llama.cpp on this machine cannot be given."""


def write_gguf(folder: Path, file: Path, name: str, report: Report) -> None:
    """Write the model in `folder` as `file`; raises NotServable when llama.cpp would read it differently."""
    config = read_json(folder / "config.json")
    tokenizer = read_json(folder / "tokenizer.json")
    check_architecture(config)
    pre_tokenizer = name_of_pre_tokenizer(tokenizer)
    what = "Writing model.gguf (Q8_0)"
    report(what, 0.0)
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.LLAMA])
    writer.add_name(name)
    add_shape(writer, config)
    add_tokenizer(writer, tokenizer, pre_tokenizer, folder, config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    tensors = list(read_tensors(folder))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])

    def converted(tensor: tuple[str, Floats]) -> tuple[str, npt.NDArray[Any], gguf.GGMLQuantizationType | None]:
        target = names.get_name(tensor[0], try_suffixes=(".weight", ".bias"))
        if target is None:
            raise NotServable(f"llama.cpp has no place for the tensor {tensor[0]}.")
        return (target, *quantized(for_llama_cpp(*tensor, config)))

    # numpy leaves the interpreter's lock while it computes.
    with ThreadPoolExecutor() as pool:
        for done, (target, values, kind) in enumerate(pool.map(converted, tensors), start=1):
            writer.add_tensor(target, values, raw_dtype=kind)
            report(what, 0.9 * done / len(tensors))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    report(what, 1.0)


def read_json(file: Path) -> Any:
    """Return the content of a JSON file."""
    return msgspec.json.decode(file.read_bytes())


def check_architecture(config: dict[str, Any]) -> None:
    """Raise NotServable unless the model is a plain Llama."""
    architecture = (config.get("architectures") or ["unknown"])[0]
    if architecture != "LlamaForCausalLM":
        raise NotServable(f"Only Llama architectures can be served on this machine, and this is a {architecture}.")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise NotServable(f"Rotary embeddings of type {rope.get('rope_type')} cannot be served on this machine.")


def name_of_pre_tokenizer(tokenizer: dict[str, Any]) -> str:
    """Return llama.cpp's name for how a tokenizer splits text; raises NotServable when it is none of the known ones."""
    steps = tokenizer.get("pre_tokenizer") or {}
    chain = steps.get("pretokenizers", [steps])
    known = tokenizer["model"].get("type") == "BPE" and not tokenizer["model"].get("byte_fallback")
    for name, expected in PRE_TOKENIZERS:
        if known and chain == expected and tokenizer.get("normalizer") is None:
            return name
    raise NotServable("The tokenizer of this model splits text in a way that this machine cannot serve.")


def add_shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    """Add the sizes of the model."""
    heads = config["num_attention_heads"]
    head_size = config.get("head_dim") or config["hidden_size"] // heads
    rope_theta = (config.get("rope_parameters") or {}).get("rope_theta") or config.get("rope_theta", 10000.0)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(rope_theta)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def add_tokenizer(
    writer: gguf.GGUFWriter, tokenizer: dict[str, Any], pre_tokenizer: str, folder: Path, vocabulary_size: int
) -> None:
    """Add the vocabulary, merges, special tokens and chat template; ids without a token become unused tokens."""
    tokens = [f"[PAD{number}]" for number in range(vocabulary_size)]
    kinds = [gguf.TokenType.UNUSED] * vocabulary_size
    for token, number in tokenizer["model"]["vocab"].items():
        tokens[number], kinds[number] = token, gguf.TokenType.NORMAL
    for added in tokenizer.get("added_tokens", []):
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_add_space_prefix(False)
    writer.add_add_bos_token(False)
    settings = read_json(folder / "tokenizer_config.json")
    ids = {token: number for number, token in enumerate(tokens)}
    for setting, add in (
        ("bos_token", writer.add_bos_token_id),
        ("eos_token", writer.add_eos_token_id),
        ("unk_token", writer.add_unk_token_id),
        ("pad_token", writer.add_pad_token_id),
    ):
        token = settings.get(setting)
        token = token["content"] if isinstance(token, dict) else token
        if token in ids:
            add(ids[token])
    template = folder / "chat_template.jinja"
    writer.add_chat_template(template.read_text() if template.is_file() else settings["chat_template"])


def read_tensors(folder: Path) -> Iterator[tuple[str, Floats]]:
    """Yield every tensor of a folder's safetensors files in float32; numpy knows no bfloat16, so it is widened here."""
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in deserialize(file.read_bytes()):  # type: ignore[no-untyped-call]
            data, shape = tensor["data"], tensor["shape"]
            if tensor["dtype"] == "BF16":
                values = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
            else:
                values = np.frombuffer(data, {"F32": np.float32, "F16": np.float16}[tensor["dtype"]]).astype(np.float32)
            yield name, values.reshape(shape)


def for_llama_cpp(name: str, values: Floats, config: dict[str, Any]) -> Floats:
    """Return a tensor with its rows in llama.cpp's order: it rotates neighbours where Hugging Face rotates halves."""
    heads = config["num_attention_heads"]
    per_projection = {"q_proj": heads, "k_proj": config.get("num_key_value_heads", heads)}
    count = per_projection.get(name.split(".")[-2])
    if count is not None:
        half = values.shape[0] // count // 2
        values = values.reshape(count, 2, half, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
    return values


def quantized(values: Floats) -> tuple[npt.NDArray[Any], gguf.GGMLQuantizationType | None]:
    """Return matrices in Q8_0, or float16 when a row does not divide into blocks of 32; vectors as they are."""
    if values.ndim == 1:
        return values, None
    if values.shape[-1] % gguf.GGML_QUANT_SIZES[Q8_0][0]:
        return values.astype(np.float16), None
    return gguf.quants.quantize(np.ascontiguousarray(values), Q8_0), Q8_0
