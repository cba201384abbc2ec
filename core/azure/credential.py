"""Who the bot is to Azure: the first credential that gives a token, checked at the start and not on the first job."""

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

from core.azure.errors import scrub
from core.errors import ConfigurationError


def sign_in(resource_manager_url: str, interactive: bool) -> TokenCredential:
    """Return a credential that has just given a token for Azure Resource Manager.

    `interactive` allows a browser window when nothing else signs in: only sensible with a person at a terminal.
    Raises `ConfigurationError` that says what to set.
    """
    scope = f"{resource_manager_url}/.default"
    credential = DefaultAzureCredential()
    try:
        credential.get_token(scope)
    except ClientAuthenticationError as error:
        if interactive:
            return _browser(scope)
        raise _nobody(error) from error
    return credential


def _browser(scope: str) -> TokenCredential:
    credential = InteractiveBrowserCredential()
    try:
        credential.get_token(scope)
    except ClientAuthenticationError as error:
        raise _nobody(error) from error
    return credential


def _nobody(error: Exception) -> ConfigurationError:
    reason = scrub(str(error)).strip().splitlines()
    return ConfigurationError(
        "The bot could not sign in to Azure.",
        why=reason[0] if reason else type(error).__name__,
        next="Run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a service principal, "
        "or run on a machine with a managed identity.",
    )
