"""Turn what the SDK and HTTP raise into `AzureRefused` or `AzureUnavailable`, with Azure's code, without secrets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import HttpResponseError

from core.azure.remedies import remedy
from core.errors import AzureError, AzureRefused, AzureUnavailable, UserError

_SECRETS = (
    (re.compile(r"(?i)(?<![a-z])(sig|sas|sastoken)=[^&\s\"'<>]+"), r"\1=***"),
    (re.compile(r"(?i)\bbearer\s+[^\s\"',;]+"), "Bearer ***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),
    (re.compile(r"(?i)\b(AccountKey|SharedAccessSignature|SharedAccessKey)=[^;\s\"']+"), r"\1=***"),
    (
        re.compile(
            r"(?i)(\"?(?:primary_?key|secondary_?key|access_?token|sas_?token|client_?secret|key)\"?\s*[:=]\s*)\"[^\"]*\""
        ),
        r'\1"***"',
    ),
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# Statuses after which the same request may succeed; azure-core's own retry policy has the same list.
_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset({"TransientError", "ServiceError", "OperationCanceled", "TooManyRequests", "ServerBusy"})
_BUSY = re.compile(
    r"(?i)in (\w+) provisioning state|another operation|operation is (already )?in progress"
    r"|is being (created|updated|deleted)"
)
# Azure Resource Manager names the workspace itself, not something in it.
_WORKSPACE = re.compile(r"'Microsoft\.MachineLearningServices/workspaces/[^/']+'")
_OTHER_MISSING = frozenset({"ResourceGroupNotFound", "SubscriptionNotFound", "InvalidResourceType"})
# The SDK puts its reasons among advice about YAML files and command lines.
_SDK_REASONS = re.compile(r"\(x\)\s*(.+?)\s*(?=\(x\)|Resolutions:|\Z)", re.DOTALL)
_LONGEST_WHY = 600


def scrub(text: str) -> str:
    """Return `text` without keys, bearer tokens, shared access signatures and colour codes."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _COLOUR.sub("", text)


def is_not_found(error: BaseException) -> bool:
    """Return whether Azure said that this one thing does not exist (its workspace does)."""
    if not isinstance(error, HttpResponseError) or error.status_code != 404:
        return False
    code, message = _code_and_message(error)
    return code not in _OTHER_MISSING and not _WORKSPACE.search(message)


@contextmanager
def calling(doing: str) -> Iterator[None]:
    """Turn whatever the SDK raises inside into an `AzureError`; `doing` completes "Azure refused to ..."."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        known = as_azure_error(error, doing)
        if known is None:
            raise
        # Not chained: the SDK's own text may hold a signed address, and a traceback would log it.
        raise known from None


def as_azure_error(error: Exception, doing: str) -> AzureError | None:
    """Return the `AzureError` that says what `error` means for `doing`; None when it is no error of Azure's."""
    if isinstance(error, httpx.HTTPStatusError):
        return http_refusal(error.response, doing)
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        code, message = _code_and_message(error)
        return _judged(doing, error.status_code, code, message, _request_id(getattr(error.response, "headers", {})))
    if type(error).__module__.startswith(("azure.ai.ml", "marshmallow")):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, SdkError) and not type(cause).__module__.startswith("azure.ai.ml"):
            return as_azure_error(cause, doing)
        # The SDK's own validation, before anything was sent.
        text = str(getattr(error, "message", "") or error)
        found = _SDK_REASONS.findall(scrub(text))
        why = _short(" ".join(found) or text)
        return AzureRefused(
            f"Azure ML's SDK refused to {doing}.", why=why, next=remedy("", why), code=type(error).__name__
        )
    # No answer, a broken one, or no token: azure-identity's errors carry a response when Microsoft Entra ID refused.
    if isinstance(error, SdkError | httpx.HTTPError | ConnectionError | TimeoutError):
        why = _short(str(error)) or type(error).__name__
        return AzureUnavailable(f"Azure did not answer a request to {doing}.", why=why, next="It is tried again.")
    return None


def http_refusal(response: httpx.Response, doing: str) -> AzureError:
    """Return the `AzureError` for an answer of our own requests whose status says failure; its body must be read."""
    code, message = "", ""
    try:
        body: Any = response.json()
    except ValueError:
        body = response.text
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            code, message = str(inner.get("code") or ""), str(inner.get("message") or "")
        else:
            message = str(inner)
    return _judged(doing, response.status_code, code, message or str(body), _request_id(response.headers))


def _judged(doing: str, status: int, code: str, message: str, request_id: str) -> AzureError:
    why = f"{_short(message) or 'Azure gave no reason.'} (HTTP {status}{f', {code}' if code else ''})"
    if status in _PASSING_STATUSES or code in _PASSING_CODES or _BUSY.search(message):
        what = f"Azure could not {doing} right now."
        return AzureUnavailable(what, why=why, next="It is tried again.", code=code, request_id=request_id)
    next_step = remedy(code, message, status)
    return AzureRefused(f"Azure refused to {doing}.", why=why, next=next_step, code=code, request_id=request_id)


def _code_and_message(error: HttpResponseError) -> tuple[str, str]:
    given = error.error
    if given is None:
        return "", error.message.splitlines()[0] if error.message else ""
    details = " ".join(str(detail.message) for detail in given.details or () if detail.message)
    message = str(given.message or "")
    return str(given.code or ""), f"{message} {details}".strip() if details not in message else message


def _request_id(headers: Any) -> str:
    for name in ("x-ms-request-id", "x-request-id", "x-ms-correlation-request-id"):
        if value := headers.get(name):
            return str(value)
    return ""


def _short(text: str) -> str:
    one_line = " ".join(scrub(text).split())
    return one_line if len(one_line) <= _LONGEST_WHY else one_line[: _LONGEST_WHY - 1] + "…"
