"""What the forms' menus offer while a person types: records and what Azure has, nearest to what was typed first."""

from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process

from bot.cards import endpoint as endpoints
from bot.cards.blocks import MAX_OPTION, MAX_OPTIONS
from bot.cards.untrusted import clip, neutralise
from bot.forms import Entered, Option
from bot.requests import Dependencies
from core.records.tables import Endpoint

MAX_VALUE = 150
"""Characters of an option's value (docs.slack.dev/reference/block-kit/composition-objects/option-object)."""
_NEAR = 60


def fitting(typed: str, options: Iterable[Option]) -> Sequence[Option]:
    """Return the options that fit what was typed: those that contain it, else those that are spelt nearly so."""
    legal = [
        Option(clip(neutralise(one.label), MAX_OPTION), one.value) for one in options if len(one.value) <= MAX_VALUE
    ]
    sought = typed.strip().casefold()
    within = [one for one in legal if sought in one.label.casefold() or sought in one.value.casefold()]
    if within or not sought:
        return within[:MAX_OPTIONS]
    labels = {at: one.label for at, one in enumerate(legal)}
    near = process.extract(sought, labels, scorer=fuzz.partial_ratio, score_cutoff=_NEAR, limit=MAX_OPTIONS)
    return [legal[at] for _, _, at in near]


def offer_endpoints(typed: str, entered: Entered, dependencies: Dependencies) -> Sequence[Option]:
    """Offer the endpoints that are up or coming up, each with its state and what it costs."""
    return fitting(typed, map(endpoint_option, _there(dependencies)))


def endpoint_option(endpoint: Endpoint) -> Option:
    """Return an endpoint as a choice."""
    return Option(f"{endpoint.id} · {endpoints.state_of(endpoint)} · {endpoints.per_day(endpoint)}/day", endpoint.id)


def _there(dependencies: Dependencies) -> Sequence[Endpoint]:
    return dependencies.services.store.find(Endpoint, Endpoint.wanted == "up", Endpoint.state != "Gone")
