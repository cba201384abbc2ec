"""What the SDK and HTTP raise becomes one of two errors, with Azure's code and without secrets."""

import traceback

import httpx
import pytest
from azure.core import PipelineClient
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest
from hypothesis import given
from hypothesis import strategies as st

from core.azure.errors import calling, is_not_found, scrub
from core.azure.remedies import remedy
from core.errors import AzureRefused, AzureUnavailable, InputError
from tests.unit.azure.conftest import Reply

SECRET = st.text("0123456789ABCDEFabcdef", min_size=16, max_size=40)


def refused(serve, status, body):
    """Return the SDK's own exception for an answer."""
    served = serve(lambda _: Reply(status, body, {"x-ms-request-id": "r-7"}))
    client = PipelineClient(served.url, policies=[])
    answer = client.send_request(HttpRequest("GET", served.url))
    try:
        answer.raise_for_status()
    except Exception as error:
        return error
    raise AssertionError("the answer was good")


def judged(error):
    with pytest.raises((AzureRefused, AzureUnavailable)) as caught, calling("read the job j"):
        raise error
    return caught.value


QUOTA = "Not enough quota available for Standard_NC4as_T4_v3. Current usage/limit: 0/6. Additional needed: 8"
BUSY = "Cannot create a deployment in endpoint e because it is in Updating provisioning state"


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "advice"),
    [
        (400, "BadRequest", QUOTA, AzureRefused, "quota"),
        (400, "UserError", "The pipeline is invalid.", AzureRefused, ""),
        (401, "InvalidAuthenticationToken", "The access token is invalid.", AzureRefused, "credential"),
        (403, "AuthorizationFailed", "The client does not have authorization.", AzureRefused, "role"),
        (404, "UserError", "Job j not found.", AzureRefused, "deleted"),
        (409, "Conflict", "The name is already in use.", AzureRefused, "another name"),
        (409, "Conflict", BUSY, AzureUnavailable, "again"),
        (429, "TooManyRequests", "Slow down.", AzureUnavailable, "again"),
        (500, "ServiceError", "InternalServerError", AzureUnavailable, "again"),
        (503, "", "", AzureUnavailable, "again"),
        (504, "TransientError", "Timeout", AzureUnavailable, "again"),
    ],
)
def test_answers_are_judged_once(serve, status, code, message, kind, advice):
    """Every refusal says whether trying again may help, why, and what to do, with Azure's code and request id."""
    error = judged(refused(serve, status, {"error": {"code": code, "message": message}} if code else ""))
    assert type(error) is kind
    assert (error.code, error.request_id) == (code, "r-7")
    assert message in error.why
    assert f"HTTP {status}" in error.why
    assert advice in error.next
    assert "read the job j" in error.what


def test_details_of_a_refusal_are_told(serve):
    """The reason that Azure hides in the details of an error is part of why."""
    details = [{"code": "NoSuchEndpoint", "message": "No endpoint e in region eastus."}]
    body = {"error": {"code": "NotFound", "message": "The specified resource was not found.", "details": details}}
    assert "No endpoint e in region eastus." in judged(refused(serve, 404, body)).why


@pytest.mark.parametrize(
    "error",
    [
        ServiceRequestError("connection refused"),
        ServiceResponseError("read timed out"),
        ClientAuthenticationError("the identity endpoint did not answer"),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        ConnectionResetError("reset"),
        TimeoutError("slow"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_answer_is_unavailable(error):
    """Whatever gave no answer at all may be asked again."""
    assert type(judged(error)) is AzureUnavailable


def test_traceback_holds_no_secret():
    """A logged traceback shows the bot's own sentence only, not the signed address in what the SDK raised."""
    signed = "Max retries exceeded with url: /container/blob?sv=2023&sig=0123456789abcdef"
    error = judged(ServiceRequestError(signed))
    assert "0123456789abcdef" not in "".join(traceback.format_exception(error))


def test_sdk_validation_is_refused():
    """What the SDK itself rejects is refused for good, without its colours."""
    from azure.ai.ml.exceptions import ErrorTarget, ValidationException

    error = ValidationException("\x1b[31mbad name\x1b[39m", "bad", target=ErrorTarget.MODEL)
    found = judged(error)
    assert type(found) is AzureRefused
    assert found.why == "bad name"


def test_other_errors_pass():
    """The bot's own errors and mistakes in its code are not called Azure's."""
    with pytest.raises(InputError), calling("read"):
        raise InputError("no")
    with pytest.raises(ZeroDivisionError), calling("read"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"error": {"code": "UserError", "message": "Job j not found."}}, True),
        ("", True),
        (
            {
                "error": {
                    "code": "ResourceNotFound",
                    "message": "The Resource 'Microsoft.MachineLearningServices/workspaces/w' under resource group 'g' "
                    "was not found.",
                }
            },
            False,
        ),
        ({"error": {"code": "ResourceGroupNotFound", "message": "Resource group 'g' could not be found."}}, False),
    ],
    ids=["job", "compute, no body", "workspace", "resource group"],
)
def test_missing_thing_is_not_a_missing_workspace(serve, body, missing):
    """A job that is not there is None; a workspace that is not there is an error."""
    assert is_not_found(refused(serve, 404, body)) is missing


@given(secret=SECRET)
def test_secrets_are_scrubbed(secret):
    """No key, token or shared access signature survives in a message, in any of the forms Azure and we write them."""
    forms = [
        f"https://a.blob.core.windows.net/c/b?sv=2023&sr=b&sig={secret}&se=2027",
        f"Authorization: Bearer {secret}",
        f'{{"primaryKey": "{secret}", "x": 1}}',
        f'{{"access_token":"{secret}"}}',
        f"AccountName=a;AccountKey={secret};EndpointSuffix=x",
        f"token eyJ{secret}.eyJ{secret}.{secret} end",
    ]
    for form in forms:
        assert secret not in scrub(form)


@given(text=st.text())
def test_scrubbing_is_final(text):
    """Scrubbing a scrubbed text changes nothing."""
    assert scrub(scrub(text)) == scrub(text)


def test_failure_words_have_advice():
    """The words of Azure's troubleshooting pages lead to something a person can do."""
    assert "log" in remedy("ResourceNotReady", "User container has crashed")
    assert "quota" in remedy("None", "OutOfQuota: Not enough cluster CPU quota.")
    assert "smaller batch" in remedy("UserError", "CUDA out of memory")
    assert remedy("Strange", "Nobody knows.") == ""
