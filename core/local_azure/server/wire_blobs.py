"""Blobs as Azure Blob Storage's headers and XML."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from core.local_azure.server.errors import XML, BlobError
from core.local_azure.server.state_blobs import Blob, Description

METADATA = "x-ms-meta-"


def description(headers: Mapping[str, str]) -> Description:
    """Return what a request's headers say about its blob."""
    content_type = headers.get("x-ms-blob-content-type") or headers.get("content-type") or "application/octet-stream"
    return Description(metadata(headers), content_type)


def metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata in a request's headers."""
    return {name[len(METADATA) :]: value for name, value in headers.items() if name.lower().startswith(METADATA)}


def blob_headers(blob: Blob) -> dict[str, str]:
    """Return the headers that answer HEAD and GET."""
    said = blob.description
    headers = {
        "ETag": blob.etag,
        "Last-Modified": _date(blob.modified),
        "x-ms-creation-time": _date(blob.modified),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
        "Accept-Ranges": "bytes",
        "Content-Type": said.content_type,
    }
    if said.md5:
        headers["Content-MD5"] = _md5(said.md5)
    return headers | {METADATA + name: value for name, value in said.metadata.items()}


def written_headers(blob: Blob) -> dict[str, str]:
    """Return the headers that answer a PUT."""
    headers = {
        "ETag": blob.etag,
        "Last-Modified": _date(blob.modified),
        "x-ms-request-server-encrypted": "true",
    }
    return headers | ({"Content-MD5": _md5(blob.description.md5)} if blob.description.md5 else {})


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one behind the last that a Range header wants, or None; raises `BlobError` 416."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", header or "")
    if not found:
        return None
    start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
    if start >= size:
        message = "The range specified is invalid for the current size of the resource."
        raise BlobError(416, "InvalidRange", message, {"Content-Range": f"bytes */{size}"})
    return start, end


def block_list(body: bytes) -> list[str]:
    """Return the block ids of a Put Block List body; raises `BlobError` 400 if it is not one."""
    try:
        return [block.text or "" for block in ElementTree.fromstring(body)]
    except ElementTree.ParseError:
        raise BlobError(400, "InvalidXmlDocument", "XML specified is not syntactically valid.") from None


def listing(url: str, container: str, prefix: str, delimiter: str, blobs: list[Blob], next_marker: str) -> bytes:
    """Return the answer to List Blobs; blobs with `delimiter` behind the prefix are folded into one entry."""
    root = Element("EnumerationResults", ServiceEndpoint=f"{url}/", ContainerName=container)
    _text(root, "Prefix", prefix)
    if delimiter:
        _text(root, "Delimiter", delimiter)
    entries = SubElement(root, "Blobs")
    folded: set[str] = set()
    for blob in blobs:
        head, separator, _ = blob.name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if not separator:
            _entry(entries, blob)
        elif head not in folded:
            folded.add(head)
            _text(SubElement(entries, "BlobPrefix"), "Name", prefix + head + separator)
    _text(root, "NextMarker", next_marker)
    return XML.encode() + ElementTree.tostring(root)


def _entry(parent: Element, blob: Blob) -> None:
    entry = SubElement(parent, "Blob")
    _text(entry, "Name", blob.name)
    properties = SubElement(entry, "Properties")
    values = {
        "Creation-Time": _date(blob.modified),
        "Last-Modified": _date(blob.modified),
        "Etag": blob.etag.strip('"'),
        "Content-Length": str(blob.size),
        "Content-Type": blob.description.content_type,
        "Content-Encoding": "",
        "Content-MD5": _md5(blob.description.md5) if blob.description.md5 else "",
        "BlobType": "BlockBlob",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    for name, value in values.items():
        _text(properties, name, value)
    said = SubElement(entry, "Metadata")
    for name, value in blob.description.metadata.items():
        _text(said, name, value)
    SubElement(entry, "OrMetadata")


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _md5(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
