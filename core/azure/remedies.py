"""What to do next when Azure refuses: the vocabulary of its own troubleshooting pages, in one table.

Sources: `how-to-troubleshoot-online-endpoints.md`, `how-to-manage-quotas.md` (Microsoft Learn, Azure Machine Learning).
"""

import re

_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"OutOfCapacity|lack of .*capacity|region.*capacity",
        "The region has no machine of this size free. Try again later, or choose another size.",
    ),
    (
        r"quota|OutOfQuota|Additional needed",
        "Ask for more quota of this VM family in the Azure portal under Quotas (Azure Machine Learning), "
        "delete what no longer needs it, or choose a smaller size.",
    ),
    (
        r"ImageBuildFailure",
        "The environment's image did not build: read its build log in the studio, then deploy again.",
    ),
    (
        r"ResourceNotReady|liveness|readiness|container (crash|exit)|probe",
        "The model's container did not become ready: read the deployment's log, then deploy on a larger size.",
    ),
    (
        r"SecretsInjectionError|MLflow.*private|model download|DownloadModel",
        "Check that the endpoint's identity may read the workspace's storage, registry and secrets.",
    ),
    (
        r"WorkspaceManagedNetworkNotReady",
        "Provision the workspace's managed network first (`az ml workspace provision-network`).",
    ),
    (
        r"out of memory|OutOfMemory",
        "Use a smaller batch, a shorter maximum sequence length, or a size with more memory.",
    ),
    (
        r"AuthorizationFailed|does not have authorization|Forbidden",
        "Give the bot's identity the role AzureML Data Scientist on the workspace, "
        "and AzureML Compute Operator if it is to create compute.",
    ),
    (
        r"InvalidAuthenticationToken|ExpiredAuthenticationToken|AuthenticationFailed|Unauthorized",
        "Check the credential the bot runs with: `finetune-bot doctor` shows which one it is.",
    ),
    (
        r"workspaces/[^/']+' under resource group|ResourceGroupNotFound|SubscriptionNotFound",
        "Check the subscription, resource group and workspace name in the settings.",
    ),
    (r"NameConflict|already (exists|in use)|not available", "Choose another name."),
)
_BY_STATUS = {
    401: "Check the credential the bot runs with: `finetune-bot doctor` shows which one it is.",
    403: "Ask an administrator of the workspace to give the bot's identity the missing role.",
    404: "Check the name: it may have been deleted in the studio.",
    409: "Wait until the other operation is done, then try again.",
}


def remedy(code: str, message: str, status: int = 0) -> str:
    """Return what a person can do about Azure's error `code` and `message`, "" when its text says all."""
    said = f"{code} {message}"
    for pattern, advice in _REMEDIES:
        if re.search(pattern, said, re.IGNORECASE):
            return advice
    return _BY_STATUS.get(status, "")
