"""Only the assistant's words are learned."""

from pathlib import Path

from core.local_azure.engine.chat_template import for_training
from core.local_azure.engine.data_preprocess import fitting, load_tokenizer
from core.local_azure.engine.rows import Message, Row
from tests.tiny_model import make_tiny_model

CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "When?"},
    {"role": "assistant", "content": "At nine."},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": "At five."},
]


def test_the_marked_tokens_are_the_answers(tmp_path: Path) -> None:
    """The labels are exactly the answers with the token that ends each; the text itself is unchanged."""
    tokenizer = load_tokenizer(make_tiny_model(tmp_path))
    own = tokenizer.apply_chat_template(CONVERSATION, tokenize=False)
    template = for_training(tokenizer)
    assert tokenizer.apply_chat_template(CONVERSATION, tokenize=False, chat_template=template) == own
    encoded = tokenizer.apply_chat_template(
        CONVERSATION, chat_template=template, return_dict=True, return_assistant_tokens_mask=True
    )
    marked = [number for number, answer in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if answer]
    assert tokenizer.decode(marked) == "At nine.<|im_end|>At five.<|im_end|>"


def test_rows_without_a_visible_answer_are_left_out(tmp_path: Path) -> None:
    """A row whose prompt alone fills max_seq_length would teach nothing."""
    tokenizer = load_tokenizer(make_tiny_model(tmp_path))
    short = Row([Message("user", "Hi"), Message("assistant", "Yes")])
    long = Row([Message("user", "nine " * 100), Message("assistant", "Yes")])
    assert fitting([short, long, short], tokenizer, 40, 2, "train") == [short, short]
