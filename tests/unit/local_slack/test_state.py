"""The rules of time in a workspace: timestamps, triggers, response URLs and rates."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.local_slack.errors import SlackError
from bot.local_slack.limits import RateLimiter, RateLimits, Tier
from bot.local_slack.model import Stream, StreamState
from bot.local_slack.state import Workspace
from core.clock import AdjustableClock

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> AdjustableClock:
    """A clock that stands still unless it is moved."""
    return AdjustableClock(lambda: NOON)


@pytest.fixture
def workspace(tmp_path: Path, clock: AdjustableClock) -> Iterator[Workspace]:
    """A new workspace."""
    found = Workspace(tmp_path, clock, "tuner")
    yield found
    found.close()


def test_timestamps_only_grow(workspace: Workspace, clock: AdjustableClock) -> None:
    """No two messages have the same timestamp, even when time stands still."""
    assert [workspace.next_ts() for _ in range(2)] == ["1795521600.000000", "1795521600.000001"]
    clock.advance(timedelta(seconds=-5))
    assert workspace.next_ts() == "1795521600.000002"


def test_response_url_lasts_five_uses_and_thirty_minutes(workspace: Workspace, clock: AdjustableClock) -> None:
    """A response_url answers five times, and not after half an hour."""
    channel = workspace.channel("general").id
    url = workspace.new_response_url(channel, "U0ADA")
    for _ in range(5):
        workspace.use_response_url(url)
    with pytest.raises(SlackError, match="used_url"):
        workspace.use_response_url(url)
    late = workspace.new_response_url(channel, "U0ADA")
    clock.advance(timedelta(minutes=31))
    with pytest.raises(SlackError, match="expired_url"):
        workspace.use_response_url(late)


def test_trigger_is_used_once(workspace: Workspace) -> None:
    """A trigger_id opens one modal."""
    trigger = workspace.new_trigger("U0ADA")
    assert workspace.use_trigger(trigger) == "U0ADA"
    with pytest.raises(SlackError, match="exchanged_trigger_id"):
        workspace.use_trigger(trigger)


def test_stream_ends_once() -> None:
    """A stream that has ended cannot end in another way."""
    stream = Stream("plan", NOON)
    stream.move(StreamState.EXPIRED)
    with pytest.raises(ValueError, match="cannot become stopped"):
        stream.move(StreamState.STOPPED)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=150))
def test_no_minute_has_more_calls_than_the_tier(waits: list[float]) -> None:
    """However calls are spread, none of the admitted ones is the 21st within a minute; waiting as told always helps."""
    limiter, now, admitted = RateLimiter(RateLimits()), NOON, []
    for wait in waits:
        now += timedelta(seconds=wait)
        if seconds := limiter.retry_after("chat.startStream", Tier.TWO, now):
            now += timedelta(seconds=seconds)
            assert limiter.retry_after("chat.startStream", Tier.TWO, now) == 0
        admitted.append(now)
    assert all(later - earlier >= timedelta(minutes=1) for earlier, later in zip(admitted, admitted[20:], strict=False))


@given(st.lists(st.floats(0, 3), min_size=1, max_size=100), st.integers(1, 5))
def test_messages_of_a_channel_average_one_a_second(waits: list[float], burst: int) -> None:
    """Beyond a short burst, a channel takes one message a second; other channels have their own."""
    limiter, now, admitted = RateLimiter(RateLimits(burst=burst)), NOON, 0
    for wait in waits:
        now += timedelta(seconds=wait)
        admitted += limiter.retry_posting_after("C1", now) == 0
    assert admitted <= burst + (now - NOON).total_seconds() + 1
    assert limiter.retry_posting_after("C2", now) == 0
