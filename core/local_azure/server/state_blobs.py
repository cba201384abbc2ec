"""The blob store: each blob is a file under ``blobs/CONTAINER/``, so that the engine's files are blobs at once.

What a client says about a blob (metadata, MD5) is kept in the store; files that the engine wrote have none.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from core.local_azure.server.errors import BlobError
from core.local_azure.server.services import Services

KIND = "blob"


class Description(msgspec.Struct, frozen=True):
    """What a client has said about a blob."""

    metadata: dict[str, str] = {}
    content_type: str = "application/octet-stream"
    md5: str | None = None


@dataclass(frozen=True)
class Blob:
    """One blob: its name within its container, its file and the file's state when it was looked at."""

    name: str
    path: Path
    size: int
    modified: datetime
    etag: str
    description: Description


def locate(services: Services, container: str, name: str) -> Path:
    """Return the file of a blob; raises `BlobError` 400 for a name that leads out of its container."""
    root = services.blobs / container
    path = Path(os.path.normpath(root / name))
    if container in (".", "..") or "\0" in name or root not in path.parents:
        raise BlobError(400, "InvalidUri", "The requested URI does not represent any resource on the server.")
    return path


def find(services: Services, container: str, name: str) -> Blob:
    """Return a blob; raises `BlobError` 404 if there is none."""
    path = locate(services, container, name)
    if not path.is_file():
        raise BlobError(404, "BlobNotFound", "The specified blob does not exist.")
    return _blob(services, container, name, path)


def list_blobs(services: Services, container: str, prefix: str, after: str = "") -> Iterator[Blob]:
    """Yield the blobs of a container whose names begin with `prefix` and sort behind `after`, sorted by name."""
    root = services.blobs / container
    folder = prefix.rpartition("/")[0]
    start = locate(services, container, folder) if folder else root
    paths = (Path(parent) / file for parent, _, files in os.walk(start) for file in files)
    for name in sorted(path.relative_to(root).as_posix() for path in paths):
        if name.startswith(prefix) and name > after:
            yield _blob(services, container, name, root / name)


async def write(services: Services, container: str, name: str, parts: AsyncIterator[bytes], said: Description) -> Blob:
    """Store a blob whole or not at all, in constant memory."""
    path = locate(services, container, name)
    staged = _staging(services) / uuid.uuid4().hex
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with staged.open("wb") as file:
            async for part in parts:
                digest.update(part)
                file.write(part)
        return _publish(services, container, name, path, staged, msgspec.structs.replace(said, md5=digest.hexdigest()))
    finally:
        staged.unlink(missing_ok=True)


async def write_block(services: Services, container: str, name: str, block: str, parts: AsyncIterator[bytes]) -> None:
    """Keep one uncommitted block of a blob."""
    folder = _blocks(services, container, name)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / block.encode().hex()).open("wb") as file:
        async for part in parts:
            file.write(part)


def commit_blocks(services: Services, container: str, name: str, blocks: list[str], said: Description) -> Blob:
    """Make a blob of its uncommitted blocks; raises `BlobError` 400 if one of them is missing."""
    path, folder = locate(services, container, name), _blocks(services, container, name)
    files = [folder / block.encode().hex() for block in blocks]
    if not all(file.is_file() for file in files):
        raise BlobError(400, "InvalidBlockList", "The specified block list is invalid.")
    staged = _staging(services) / uuid.uuid4().hex
    with staged.open("wb") as whole:
        for file in files:
            with file.open("rb") as part:
                shutil.copyfileobj(part, whole, 1 << 20)
    blob = _publish(services, container, name, path, staged, said)
    shutil.rmtree(folder, ignore_errors=True)
    return blob


def describe(services: Services, container: str, blob: Blob, metadata: dict[str, str]) -> Blob:
    """Replace a blob's metadata."""
    said = msgspec.structs.replace(blob.description, metadata=metadata)
    services.store.put(KIND, f"{container}/{blob.name}", said)
    return _blob(services, container, blob.name, blob.path)


def delete(services: Services, container: str, blob: Blob) -> None:
    """Remove a blob."""
    blob.path.unlink(missing_ok=True)
    services.store.delete(KIND, f"{container}/{blob.name}")


def read(blob: Blob, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `start` up to and without `end`, in parts of at most 1 MiB."""
    with blob.path.open("rb") as file:
        file.seek(start)
        while start < end and (part := file.read(min(1 << 20, end - start))):
            start += len(part)
            yield part


def _publish(services: Services, container: str, name: str, path: Path, staged: Path, said: Description) -> Blob:
    if path.is_dir() or any(parent.is_file() for parent in path.parents):
        # Azure allows a blob beside others "below" it; a file system does not, and nothing here needs it.
        raise BlobError(409, "BlobOverwritten", "A blob cannot have the name of another blob's folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with services.store.transaction():
        staged.replace(path)
        services.store.put(KIND, f"{container}/{name}", said)
    return _blob(services, container, name, path)


def _blob(services: Services, container: str, name: str, path: Path) -> Blob:
    status = path.stat()
    said = services.store.get(KIND, f"{container}/{name}", Description) or Description()
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Blob(name, path, status.st_size, modified, f'"0x{status.st_mtime_ns ^ status.st_size:X}"', said)


def _staging(services: Services) -> Path:
    folder = services.folder / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _blocks(services: Services, container: str, name: str) -> Path:
    return _staging(services) / "blocks" / hashlib.sha256(f"{container}/{name}".encode()).hexdigest()
