"""GGUF files are read by llama.cpp as the Hugging Face folder says."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import xllamacpp
from tokenizers import Tokenizer

from core.local_azure.engine.progress import to_log
from core.local_azure.engine.serve import Servable, start_llama_cpp
from core.local_azure.engine.to_gguf import NotServable, write_gguf
from tests.tiny_model import make_tiny_model

TEXTS = [
    "Hello",
    " leading and trailing ",
    "two  spaces\tand\ttabs",
    "line\nbreaks\n\n\nand more\r\n",
    "Refunds are paid within 14 days of the return.",
    "1234567890",
    "in 2026, 3.14 and 1,000,000",
    "a1b2c3",
    "I'm you're it's they'll we've he'd don't",
    "I'M YOU'RE",
    "def f(x):\n    return {'a': [1, 2]}  # comment",
    "https://example.org/a?b=c&d=%20#e",
    "l'été à Besançon, où naïf",
    "Straße Übermut größer",
    "東京は大きい。",
    "中文字符测试",
    "한국어 텍스트",
    "Привет, мир!",
    "مرحبا بالعالم",
    "שלום עולם",
    "हिन्दी पाठ",
    "emoji 🙂👍🏽 👩‍👩‍👧 🇮🇹",
    "½ ² ٣ Ⅷ",
    "“quotes” – dashes — … ellipsis",
    "\u00a0no-break\u00a0space\u2003em\u2003space",
    "zero\u200bwidth\ufeff",
    "$%^&*()_+-=[]{};':\",./<>?\\|`~",
    "...!!!???",
    "e\u0301 combining",
    "<|im_start|>user\nHi<|im_end|>\n",
    "<|im_start|><|im_end|><|endoftext|>",
    "almost <|im_start |> special",
    "x" * 300,
    " " * 40,
    "\n" * 20,
    "CamelCaseAndsnake_case and kebab-case",
    "¿Qué? ¡Sí!",
    "a\x01b\x7f",
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder with its GGUF file."""
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    write_gguf(folder, folder / "model.gguf", "tiny", to_log())
    return folder


@pytest.fixture(scope="module")
def llama(tiny: Path) -> Iterator[httpx.Client]:
    """llama.cpp's own server with the tiny model."""
    server: xllamacpp.Server = start_llama_cpp(Servable(tiny / "model.gguf", 512))
    with httpx.Client(base_url=server.listening_address) as client:
        yield client


def test_llama_cpp_splits_text_into_the_same_tokens(tiny: Path, llama: httpx.Client) -> None:
    """What the model learned with one tokenizer it is asked with the same one."""
    tokenizer = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    generator = random.Random(7)
    alphabet = "abc XYZ 0123 \n\t.,!é東🙂"
    texts = TEXTS + ["".join(generator.choices(alphabet, k=30)) for _ in range(20)]
    for text in texts:
        answer = llama.post("/tokenize", json={"content": text, "parse_special": True}).json()
        assert answer["tokens"] == tokenizer.encode(text, add_special_tokens=False).ids, repr(text)


def test_llama_cpp_renders_the_models_chat_template(tiny: Path, llama: httpx.Client) -> None:
    """A conversation reaches the model in the form that it was tuned with."""
    messages = [{"role": "user", "content": "Hi"}]
    answer = llama.post("/apply-template", json={"messages": messages}).json()
    assert answer["prompt"] == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        ("config.json", ("architectures",), ["Phi3ForCausalLM"], "this is a Phi3ForCausalLM"),
        ("config.json", ("rope_parameters", "rope_type"), "llama3", "Rotary embeddings of type llama3"),
        ("tokenizer.json", ("normalizer",), {"type": "NFC"}, "splits text in a way that this machine cannot serve"),
        ("tokenizer.json", ("pre_tokenizer",), {"type": "Whitespace"}, "splits text in a way"),
    ],
)
def test_a_model_that_llama_cpp_would_read_differently_is_refused(
    tmp_path: Path, file: str, path: tuple[str, ...], value: object, message: str
) -> None:
    """No model is served that would answer differently from the one that was tuned."""
    folder = make_tiny_model(tmp_path / "model")
    content = json.loads((folder / file).read_text())
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(NotServable, match=message):
        write_gguf(folder, tmp_path / "model.gguf", "tiny", to_log())
