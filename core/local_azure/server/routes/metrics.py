"""Azure Monitor's metrics of endpoints (https://learn.microsoft.com/rest/api/monitor/metrics/list)."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.local_azure.server.addresses import route
from core.local_azure.server.durations import seconds
from core.local_azure.server.errors import GatewayError
from core.local_azure.server.routes.endpoints import ENDPOINTS
from core.local_azure.server.services import services
from core.local_azure.server.state_endpoints import find_endpoint
from core.local_azure.server.state_requests import per_minute
from core.local_azure.server.wire_endpoints import endpoint_id

NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
METRIC = "RequestsPerMinute"
AGGREGATIONS = ("total", "average", "minimum", "maximum", "count")
GRAINS = frozenset({"PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D"})
MOST_POINTS = 100_000


async def get_metrics(request: Request) -> Response:
    """GET metrics of an endpoint: the requests in each interval of the timespan, zero where there were none."""
    parts, query = services(request), request.query_params
    endpoint = find_endpoint(parts.store, request.path_params["endpoint"])
    names = [name for name in query.get("metricnames", METRIC).split(",") if name]
    if names != [METRIC]:
        raise _refused(f"Failed to find metric configuration for provider: {NAMESPACE}, metrics: {','.join(names)}.")
    start, end = _timespan(query.get("timespan"), parts.clock())
    interval = query.get("interval", "PT1M")
    if interval not in GRAINS:
        raise _refused(f"Invalid time grain duration: {interval}, supported ones are: {','.join(sorted(GRAINS))}.")
    asked = [name.strip().lower() for name in query.get("aggregation", "average").split(",")]
    if unknown := [name for name in asked if name not in AGGREGATIONS]:
        raise _refused(f"Aggregation type is not supported: {','.join(unknown)}.")
    minutes = per_minute(parts.store, endpoint.name, start, end)
    data = _points(minutes, start, end, timedelta(seconds=seconds(interval)), asked)
    value = {
        "id": f"{endpoint_id(endpoint.name, parts.workspace)}/providers/Microsoft.Insights/metrics/{METRIC}",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": METRIC, "localizedValue": "Requests Per Minute"},
        "displayDescription": "The number of requests sent to online endpoint within a minute",
        "unit": "Count",
        "timeseries": [{"metadatavalues": [], "data": data}],
        "errorCode": "Success",
    }
    return JSONResponse(
        {
            "cost": 0,
            "timespan": f"{_text(start)}/{_text(end)}",
            "interval": interval,
            "value": [value],
            "namespace": NAMESPACE,
            "resourceregion": parts.workspace.location,
        }
    )


def _points(
    minutes: dict[datetime, int], start: datetime, end: datetime, grain: timedelta, asked: list[str]
) -> list[dict[str, Any]]:
    if (end - start) / grain > MOST_POINTS:
        raise _refused("The timespan has too many intervals.")
    length = grain / timedelta(minutes=1)
    counted: dict[int, list[int]] = {}
    for minute, count in minutes.items():
        counted.setdefault((minute - start) // grain, []).append(count)
    points = []
    for index in range(math.ceil((end - start) / grain)):
        counts = counted.get(index, [])
        known = {
            "total": float(sum(counts)),
            "average": sum(counts) / length,
            "minimum": float(min(counts)) if len(counts) == length else 0.0,
            "maximum": float(max(counts, default=0)),
            "count": length,
        }
        points.append({"timeStamp": _text(start + index * grain), **{name: known[name] for name in asked}})
    return points


def _timespan(text: str | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the whole minutes of ``start/end``, the last hour when nothing is asked for."""
    try:
        first, last = (_moment(part) for part in text.split("/")) if text else (now - timedelta(hours=1), now)
    except ValueError:
        raise _refused(f"Invalid timespan: {text}.") from None
    if last < first:
        raise _refused(f"The start time of the timespan {text} is later than its end.")
    return first.replace(second=0, microsecond=0), last


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refused(message: str) -> GatewayError:
    return GatewayError(400, "BadRequest", message)


routes = [route("GET", ENDPOINTS + "/{endpoint}/providers/Microsoft.Insights/metrics", get_metrics)]
