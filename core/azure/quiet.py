"""Keep the SDK's progress bars, dots and warnings out of the bot's own output.

`contextlib.redirect_stdout` would silence every thread of the process, so each source of noise is closed by itself.
"""

import logging
import warnings
from threading import Lock
from types import ModuleType
from typing import Any

_IMPORTING = Lock()
# Two threads that import the SDK's circular modules together see halves of them (ImportError).


def silence() -> None:
    """Close the known sources of noise of azure-ai-ml; imports it, so this takes three seconds the first time.

    Safe to call from several threads: who comes second waits until the SDK is whole.
    """
    with _IMPORTING:
        _silence()


def _silence() -> None:
    warnings.filterwarnings("ignore", module=r"(azure\.ai\.ml|marshmallow)\b.*")
    warnings.filterwarnings("ignore", message=r".*experimental class.*")
    from azure.ai.ml._artifacts import _blob_storage_helper
    from azure.ai.ml._utils import _azureml_polling

    # A dot for each poll of a deployment, and colour codes after each upload: both are bare prints.
    _without_print(_azureml_polling)
    _without_print(_blob_storage_helper)
    # Set after the import, which resets them. httpx writes whole addresses, signatures included.
    for name in ("httpx", "azure.ai.ml", "azure.core", "azure.identity", "azure.storage", "msrest"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It notes each call and its failure, which the caller gets as an exception, at levels of its own.
    activities = logging.getLogger("azure.ai.ml._telemetry")
    activities.propagate = False
    activities.addHandler(logging.NullHandler())


def _without_print(module: ModuleType) -> None:
    def nothing(*_: Any, **__: Any) -> None:
        """Stand in for `print` in that module only."""

    vars(module)["print"] = nothing
