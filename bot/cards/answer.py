"""A row of the test split with the model's answer beside the reference."""

from bot.cards.amounts import duration
from bot.cards.blocks import Card, context, fields, section
from bot.cards.untrusted import code, mrkdwn
from core.operations.query_endpoint import TestAnswer
from core.records.tables import Endpoint


def tested_row_card(endpoint: Endpoint, tested: TestAnswer) -> Card:
    """Show what was asked, what the row answers and what the model answered."""
    question = tested.messages[-1].content if tested.messages else ""
    earlier = f" after {len(tested.messages) - 1} earlier messages" if len(tested.messages) > 1 else ""
    told = [
        f"row {tested.row:,} of the test split{earlier}",
        code(endpoint.id),
        f"answered in {duration(tested.answer.seconds)}",
    ]
    if tested.answer.completion_tokens:
        told.append(f"{tested.answer.completion_tokens:,} tokens")
    return Card.of(
        f"Row {tested.row} of the test split",
        [
            section(f":question: {mrkdwn(question, 2_400)}"),
            fields([("Reference", mrkdwn(tested.reference, 1_500)), ("The model", mrkdwn(tested.answer.text, 1_500))]),
            context(" · ".join(told)),
        ],
    )
