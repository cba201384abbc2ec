"""Block Kit's rules: which blocks, elements and fields there are, and how much they may hold.

From https://docs.slack.dev/reference/block-kit; the limits are the same as those that slackblocks 3.0.0 collects.
slackblocks itself cannot judge blocks that come as JSON: its `from_dict` has no interactive elements.
"""

from collections.abc import Iterator
from typing import Any

from bot.local_slack.model import Json
from bot.local_slack.schema import Check, anything, boolean, by_type, items, number, one_of, problem, record, string

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
MESSAGE_CHARTS = 2
MARKDOWN_CHARACTERS = 12_000
# Not documented; measured between 13,172 and 13,297 characters (slackapi/bolt-js issue 2509).
MESSAGE_CHARACTERS = 13_100

_action = {"action_id": string(255)}
_url = string(3000)
_text_options: dict[str, Check] = {"emoji": boolean, "verbatim": boolean}


def _plain(longest: int) -> Check:
    return by_type({"plain_text": record({"text": string(longest)}, {"emoji": boolean})})


def _text(longest: int, shortest: int = 1) -> Check:
    fields = {"text": string(longest, shortest)}
    return by_type({"plain_text": record(fields, _text_options), "mrkdwn": record(fields, _text_options)})


_confirm = record(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": one_of("primary", "danger")},
)
_option = record({"text": _text(75), "value": string(150)}, {"description": _text(75), "url": _url})
_group = record({"label": _plain(75), "options": items(_option, 100)})
_common: dict[str, Check] = {**_action, "confirm": _confirm, "focus_on_load": boolean}
_field: dict[str, Check] = {**_common, "placeholder": _plain(150)}
_image_source: dict[str, Check] = {"image_url": _url, "slack_file": anything}
_image = record({"alt_text": string(2000)}, _image_source, any_of=("image_url", "slack_file"))
_feedback = record({"text": _plain(75), "value": string(2000)}, {"accessibility_label": string(75)})


def _select(kind: str) -> dict[str, Check]:
    """Return the single and the multiple select that choose from `kind`."""
    own: dict[str, tuple[dict[str, Check], dict[str, Check], tuple[str, ...]]] = {
        "static": (
            {},
            {"options": items(_option, 100), "option_groups": items(_group, 100)},
            ("options", "option_groups"),
        ),
        "external": ({}, {"min_query_length": number}, ()),
        "users": ({}, {"initial_user": string(255), "initial_users": anything}, ()),
        "conversations": (
            {},
            {
                "initial_conversation": string(255),
                "initial_conversations": anything,
                "default_to_current_conversation": boolean,
                "filter": anything,
                "response_url_enabled": boolean,
            },
            (),
        ),
        "channels": (
            {},
            {"initial_channel": string(255), "initial_channels": anything, "response_url_enabled": boolean},
            (),
        ),
    }
    required, optional, any_of = own[kind]
    initial: dict[str, Check] = {"initial_option": _option, "initial_options": items(_option, 100)}
    return {
        f"{kind}_select": record(required, {**_field, **initial, **optional}, any_of),
        f"multi_{kind}_select": record(
            required, {**_field, **initial, **optional, "max_selected_items": number}, any_of
        ),
    }


_selects: dict[str, Check] = {
    name: check
    for kind in ("static", "external", "users", "conversations", "channels")
    for name, check in _select(kind).items()
}
_button = record(
    {"text": _plain(75)},
    {
        **_common,
        "url": _url,
        "value": string(2000),
        "style": one_of("primary", "danger"),
        "accessibility_label": string(75),
        "visible_to_user_ids": items(string(255), 10),
        "agent_prompt": string(4000),
    },
)
_choices: dict[str, Check] = {
    "checkboxes": record({"options": items(_option, 10)}, {**_common, "initial_options": items(_option, 10)}),
    "radio_buttons": record({"options": items(_option, 10)}, {**_common, "initial_option": _option}),
    "datepicker": record({}, {**_field, "initial_date": string(10)}),
    "timepicker": record({}, {**_field, "initial_time": string(5), "timezone": string(255)}),
    "datetimepicker": record({}, {**_common, "initial_date_time": number}),
}
_interactive: dict[str, Check] = {
    **_selects,
    **_choices,
    "button": _button,
    "overflow": record({"options": items(_option, 5)}, {**_common}),
    "workflow_button": record({"text": _plain(75), "workflow": anything}, {**_common, "style": anything}),
}
_dispatch: dict[str, Check] = {"dispatch_action_config": anything}
_inputs: dict[str, Check] = {
    **_selects,
    **_choices,
    "plain_text_input": record(
        {},
        {
            **_field,
            **_dispatch,
            "initial_value": string(3000, 0),
            "multiline": boolean,
            "min_length": number,
            "max_length": number,
        },
    ),
    "number_input": record(
        {"is_decimal_allowed": boolean},
        {**_field, **_dispatch, "initial_value": string(255), "min_value": anything, "max_value": anything},
    ),
    "email_text_input": record({}, {**_field, **_dispatch, "initial_value": string(3000)}),
    "url_text_input": record({}, {**_field, **_dispatch, "initial_value": string(3000)}),
    "rich_text_input": record({}, {**_field, **_dispatch, "initial_value": anything}),
    "file_input": record({}, {**_common, "filetypes": items(string(255), 100), "max_files": number}),
}
_context_action: dict[str, Check] = {
    "feedback_buttons": record({"positive_button": _feedback, "negative_button": _feedback}, _action),
    "icon_button": record(
        {"icon": string(255), "text": _plain(75)},
        {
            **_common,
            "value": string(2000),
            "accessibility_label": string(75),
            "visible_to_user_ids": items(string(255), 10),
        },
    ),
}
_cell = by_type(
    {
        "raw_text": record({"text": string(20_000, 0)}),
        "raw_number": record({"value": number}, {"text": string(255)}),
        "rich_text": record({"elements": items(anything, 100)}),
    }
)
_point = record({"label": string(20), "value": number})
_series = items(record({"name": string(20), "data": items(_point, 20)}), 6)
_axes = record({"categories": items(string(20), 20)}, {"x_label": string(50), "y_label": string(50)})
_chart = by_type(
    {
        "pie": record({"segments": items(_point, 12)}),
        **{kind: record({"series": _series, "axis_config": _axes}) for kind in ("bar", "line", "area")},
    }
)
_task = {
    "task_id": string(255),
    "title": string(255),
    "status": one_of("pending", "in_progress", "complete", "error"),
}
_task_more: dict[str, Check] = {"details": anything, "output": anything, "sources": items(anything, 50, 0)}
_card: dict[str, Check] = {
    "title": _text(150),
    "subtitle": _text(150),
    "body": _text(200),
    "subtext": _text(200),
    "icon": anything,
    "hero_image": anything,
    "actions": items(by_type({"button": _button}), 3, unique="action_id"),
}


def _block(required: dict[str, Check], optional: dict[str, Check] | None = None, any_of: tuple[str, ...] = ()) -> Check:
    return record(required, {"block_id": string(255), **(optional or {})}, any_of)


BLOCKS: dict[str, Check] = {
    "section": _block(
        {},
        {
            "text": _text(3000),
            "fields": items(_text(2000), 10),
            "accessory": by_type({**_interactive, "image": _image}),
            "expand": boolean,
        },
        any_of=("text", "fields"),
    ),
    "header": _block({"text": _plain(150)}, {"level": number}),
    "divider": _block({}),
    "actions": _block({"elements": items(by_type(_interactive), 25, unique="action_id")}),
    "context": _block(
        {
            "elements": items(
                by_type(
                    {
                        "image": _image,
                        "mrkdwn": record({"text": string(3000)}, _text_options),
                        "plain_text": record({"text": string(3000)}, _text_options),
                    }
                ),
                10,
            )
        }
    ),
    "context_actions": _block({"elements": items(by_type(_context_action), 5, unique="action_id")}),
    "image": _block({"alt_text": string(2000)}, {**_image_source, "title": _plain(2000)}, any_of=tuple(_image_source)),
    "input": _block(
        {"label": _plain(2000), "element": by_type(_inputs)},
        {"hint": _plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "markdown": _block({"text": string(MARKDOWN_CHARACTERS)}),
    "rich_text": _block({"elements": items(anything, 1000)}),
    "video": _block(
        {"title": _plain(200), "alt_text": string(2000), "video_url": _url, "thumbnail_url": _url},
        dict.fromkeys(("description", "title_url", "author_name", "provider_name", "provider_icon_url"), anything),
    ),
    "file": _block({"external_id": string(255), "source": one_of("remote")}),
    "table": _block({"rows": items(items(_cell, 20), 100)}, {"column_settings": items(anything, 20)}),
    "data_table": _block(
        {"rows": items(items(_cell, 20), 201, 2), "caption": string(255)},
        {"page_size": number, "row_header_column_index": number},
    ),
    "data_visualization": _block({"title": string(50), "chart": _chart}),
    "task_card": _block(_task, _task_more),
    "plan": _block({"title": string(255)}, {"tasks": items(anything, 50, 0)}),
    "card": _block({}, _card, any_of=("title", "body", "hero_image", "actions")),
    "carousel": _block({"elements": items(by_type({"card": _block({}, _card)}), 10)}),
    "container": _block(
        {"child_blocks": items(anything, 10)},
        {
            "title": _text(150),
            "subtitle": _text(150),
            "icon": anything,
            "width": anything,
            "is_collapsible": boolean,
            "default_collapsed": boolean,
        },
    ),
    "alert": _block({"text": _text(200)}, {"level": anything}),
}
_MODAL = ("actions", "alert", "card", "context", "divider", "header", "image", "input", "rich_text", "section", "video")
_HOME = (*_MODAL, "carousel", "container", "data_table", "data_visualization", "table")
_FOR_MESSAGES = by_type({kind: check for kind, check in BLOCKS.items() if kind != "alert"})
_SURFACES = {
    "modal": by_type({kind: BLOCKS[kind] for kind in _MODAL}),
    "home": by_type({kind: BLOCKS[kind] for kind in _HOME if kind != "alert"}),
}
_view_fields: dict[str, Check] = {
    "private_metadata": string(3000, 0),
    "callback_id": string(255, 0),
    "external_id": string(255, 0),
}
_VIEWS: dict[str, Check] = {
    "modal": record(
        {"title": _plain(24), "blocks": items(_SURFACES["modal"], VIEW_BLOCKS, 0, unique="block_id")},
        {
            **_view_fields,
            "close": _plain(24),
            "submit": _plain(24),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
            "submit_disabled": boolean,
        },
    ),
    "home": record({"blocks": items(_SURFACES["home"], VIEW_BLOCKS, 0, unique="block_id")}, _view_fields),
}


_SUGGESTED = record({}, {"options": items(_option, 100, 0), "option_groups": items(_group, 100, 0)})


def suggestion_problems(answer: Any) -> Iterator[str]:
    """Yield what Slack would not accept about the options that an app offers while a person types."""
    yield from _SUGGESTED(answer, "")


def message_problems(blocks: Any) -> Iterator[str]:
    """Yield what Slack would not accept about a message's blocks."""
    yield from items(_FOR_MESSAGES, MESSAGE_BLOCKS, 0, unique="block_id")(blocks, "/blocks")
    if isinstance(blocks, list):
        known = [block for block in blocks if isinstance(block, dict)]
        if sum(block.get("type") == "data_visualization" for block in known) > MESSAGE_CHARTS:
            yield problem(f"no more than {MESSAGE_CHARTS} data_visualization blocks allowed", "/blocks")
        written = sum(len(str(block.get("text"))) for block in known if block.get("type") == "markdown")
        if written > MARKDOWN_CHARACTERS:
            yield problem(f"markdown blocks must have less than {MARKDOWN_CHARACTERS + 1} characters", "/blocks")


def view_problems(view: Any) -> Iterator[str]:
    """Yield what Slack would not accept about a modal or a home tab."""
    yield from by_type(_VIEWS)(view, "/view")
    if isinstance(view, dict) and view.get("type") == "modal" and not view.get("submit"):
        blocks = view.get("blocks")
        for index, block in enumerate(blocks if isinstance(blocks, list) else []):
            if isinstance(block, dict) and block.get("type") == "input":
                yield problem(
                    "`submit` is required when an input block is in the blocks array", f"/view/blocks/{index}"
                )


def written_characters(blocks: list[Json]) -> int:
    """Return how many characters of text the blocks hold; tables and charts have their own limits."""

    def count(value: Any) -> int:
        if isinstance(value, list):
            return sum(map(count, value))
        if isinstance(value, dict):
            return sum(
                len(entry) if name == "text" and isinstance(entry, str) else count(entry)
                for name, entry in value.items()
            )
        return 0

    return count([b for b in blocks if b.get("type") not in ("table", "data_table", "data_visualization")])
