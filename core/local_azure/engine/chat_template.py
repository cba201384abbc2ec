"""The chat template for training: the model's own, with the assistant's words marked, since only those are learned."""

from typing import Any

CHATML_TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
MARKED_CHATML_TURN = (
    "{% if message['role'] == 'assistant' %}"
    "{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{{ '\n' }}"
    "{% else %}" + CHATML_TURN + "{% endif %}"
)


def for_training(tokenizer: Any) -> str | None:
    """Return the tokenizer's chat template with the assistant's turns marked, None when it cannot be marked.

    ChatML templates as SmolLM2's are marked here; trl knows those of the other model families.
    """
    template: str = tokenizer.chat_template
    if CHATML_TURN in template:
        return template.replace(CHATML_TURN, MARKED_CHATML_TURN)
    from trl.chat_template_utils import get_training_chat_template

    try:
        marked: str | None = get_training_chat_template(tokenizer)
    except ValueError:
        return None
    return marked or template
