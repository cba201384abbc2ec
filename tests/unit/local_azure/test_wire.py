"""The pure parts of the local Azure ML server's wire."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.local_azure.server import datastores, errors, sas, state_blobs, wire_blobs
from core.local_azure.server.datastores import DatastorePath
from core.local_azure.server.errors import BlobError, MfeError
from core.local_azure.server.sizes import find_size, sizes
from core.local_azure.server.wire import mfe_time
from core.local_azure.server.workspace import new_workspace

NOW = datetime(2026, 11, 24, 12, 30, 5, 123456, tzinfo=UTC)
WORKSPACE = new_workspace(8443, lambda: NOW)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_range_is_what_was_asked_and_exists(start, length, size):
    """Any range of any blob: inside of it, or refused because it begins behind the end."""
    header = f"bytes={start}-{start + length}"
    if start >= size:
        with pytest.raises(BlobError) as caught:
            wire_blobs.byte_range(header, size)
        assert caught.value.headers["Content-Range"] == f"bytes */{size}"
    else:
        assert wire_blobs.byte_range(header, size) == (start, min(start + length + 1, size))


@given(st.text(max_size=30), st.sampled_from(["azureml", "..", ".", "x"]))
def test_no_name_leads_out_of_the_blobs(tmp_path_factory, name, container):
    """Whatever a blob is called, its file is inside of its container, or the name is refused."""
    blobs = tmp_path_factory.getbasetemp() / "blobs"
    try:
        path = state_blobs.locate(SimpleNamespace(blobs=blobs), container, name)
    except BlobError as error:
        assert (error.status, error.code) == (400, "InvalidUri")
    else:
        assert path.is_relative_to(blobs / container)
        assert path.parts[: len(blobs.parts) + 1] == (*blobs.parts, container)


@given(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.from_regex(r"[a-z]{1,4}(/[a-z]{1,4}){0,3}", fullmatch=True))
def test_datastore_paths_come_back_from_their_uri(name, path):
    """A place written as a full or a short URI is read as the same place."""
    place = DatastorePath(name, path)
    assert datastores.parse(datastores.full_uri(WORKSPACE, place)) == place
    assert datastores.parse(f"azureml://datastores/{name}/paths/{path}/") == place


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=30)))
def test_a_signature_ends_when_it_says(lifetime):
    """A signature is valid before its end, and not at it."""
    query = dict(pair.split("=", 1) for pair in sas.sas(WORKSPACE, lambda: NOW, lifetime).split("&"))
    query = {name: value.replace("%3A", ":") for name, value in query.items()}
    end = (NOW + lifetime).replace(microsecond=0)
    sas.check(WORKSPACE, query, lambda: end - timedelta(seconds=1))
    with pytest.raises(BlobError, match="not valid in the specified time frame"):
        sas.check(WORKSPACE, query, lambda: end)


def test_errors_have_the_front_ends_form():
    """An error carries code, message, where it happened and the chain of inner codes, as recorded from Azure."""
    body = errors.mfe_body(errors.job_not_found("blue"))["error"]
    assert (body["code"], body["message"]) == ("UserError", "Job blue not found.")
    inner = {extra["type"]: extra["info"]["value"] for extra in body["additionalInfo"]}
    assert inner["InnerError"] == {"code": "NotFound", "innerError": {"code": "JobNotFound", "innerError": None}}
    assert set(inner) == {"ComponentName", "Correlation", "Environment", "Location", "Time", "InnerError"}


def test_an_unforeseen_error_tells_nothing_of_the_inside():
    """A bug in the server is Azure's InternalServerError, without its own text."""
    answer = errors.response(ValueError("a secret"))
    assert answer.status_code == 500
    assert b"InternalServerError" in answer.body
    assert b"a secret" not in answer.body


def test_details_are_told():
    """An error about a part of the request names it in the details."""
    body = errors.mfe_body(MfeError(400, "BadRequest", "The request is invalid.", details=(("Code", "why"),)))
    assert [(d["code"], d["message"]) for d in body["error"]["details"]] == [("Code", "why")]


def test_times_have_seven_digits():
    """The front end writes times with seven fractional digits and an offset."""
    assert mfe_time(NOW) == "2026-11-24T12:30:05.1234560+00:00"


def test_this_machine_is_the_only_size_with_quota():
    """I see Azure's sizes with their real GPUs, and only my own machine can be had."""
    assert [size.name for size in sizes() if size.quota] == [sizes()[0].name]
    big = find_size("standard_nd96amsr_a100_v4")
    assert (big.gpus, big.vcpus, big.price) == (8, 96, 32.77)
