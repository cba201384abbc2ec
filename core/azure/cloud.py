"""Where Azure Resource Manager is: the public cloud, a sovereign one, or what the environment's metadata URL says.

The environment variables and the rule are azure-ai-ml's own (`azure/ai/ml/_azure_environments.py`), resolved here with
public interfaces so that the credential can be checked before that package's three-second import.
"""

import os
import ssl

import certifi
import httpx
from azure.core import AzureClouds
from azure.mgmt.core.tools import get_arm_endpoints

from core.errors import AzureUnavailable, ConfigurationError

METADATA_URL = "ARM_CLOUD_METADATA_URL"
CURRENT_CLOUD = "AZUREML_CURRENT_CLOUD"

_CLOUDS = {
    "AzureCloud": AzureClouds.AZURE_PUBLIC_CLOUD,
    "AzureUSGovernment": AzureClouds.AZURE_US_GOVERNMENT,
    "AzureChinaCloud": AzureClouds.AZURE_CHINA_CLOUD,
}


def tls_context() -> ssl.SSLContext:
    """Return the TLS settings of `REQUESTS_CA_BUNDLE`, which the SDK follows, for connections it does not make."""
    return ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where())


def resource_manager_url() -> str:
    """Return the base URL of Azure Resource Manager, without a slash at its end.

    Raises `AzureUnavailable` when the metadata URL does not answer, `ConfigurationError` when it names no such cloud.
    """
    name = os.environ.get(CURRENT_CLOUD)
    if name is None and METADATA_URL not in os.environ:
        name = "AzureCloud"
    if name in _CLOUDS:
        return str(get_arm_endpoints(_CLOUDS[name])["resource_manager"]).rstrip("/")
    metadata_url = os.environ.get(METADATA_URL, "")
    for cloud in _clouds_at(metadata_url):
        url = str(cloud["resourceManager"])
        if cloud.get("name") == name or (name is None and url in metadata_url):
            return url.rstrip("/")
    raise ConfigurationError(
        "The Azure cloud to work in is not known.",
        why=f"{METADATA_URL} lists no cloud {name or 'of its own address'}.",
        next=f"Correct {METADATA_URL} and {CURRENT_CLOUD}, or remove both to use the public cloud.",
    )


def _clouds_at(url: str) -> list[dict[str, object]]:
    if not url:
        return []
    try:
        answer = httpx.get(url, verify=tls_context(), timeout=10)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise AzureUnavailable(
            "Azure's cloud metadata did not answer.",
            why=f"{url}: {type(error).__name__}.",
            next="Check the network, proxies and ARM_CLOUD_METADATA_URL.",
        ) from error
    body = answer.json()
    return body if isinstance(body, list) else [body]
