"""Every error that can reach a person: what happened, why, and what to do next.

UserError
├── InputError            a command, parameter or value the person can correct
├── DatasetError          a dataset that cannot be read or has no usable rows
├── ComputeError          a compute or size that cannot do the work
├── ModelError            a model that is unknown, retired or not registered
├── NotFoundError         a job, endpoint, dataset or plan nobody knows
├── ConflictError         already taken, expired, or a name in use
├── AccessError           the person may not do this
├── ConfigurationError    settings, credentials, extras or ports that are missing or wrong
└── AzureError            Azure said no or did not answer
    ├── AzureRefused      for good: repeating the same request changes nothing
    └── AzureUnavailable  for now: the same request may succeed later

Anything else is unexpected: the person gets a short id and the log has the rest.
"""

import secrets


class UserError(Exception):
    """An error that may be shown to a person: `what` happened, `why`, and what to do `next`."""

    def __init__(self, what: str, *, why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next

    def __str__(self) -> str:
        """Return the whole message in one paragraph."""
        return " ".join(part for part in (self.what, self.why, self.next) if part)


class InputError(UserError):
    """A command, parameter or value that the person can correct; `field` names the parameter."""

    def __init__(self, what: str, *, why: str = "", next: str = "", field: str = "") -> None:
        super().__init__(what, why=why, next=next)
        self.field = field


class DatasetError(UserError):
    """A dataset that cannot be read or has no usable rows."""


class ComputeError(UserError):
    """A compute or size that cannot do the work."""


class ModelError(UserError):
    """A model that is unknown, retired or not registered."""


class NotFoundError(UserError):
    """A job, endpoint, dataset or plan that nobody knows."""


class ConflictError(UserError):
    """Something already taken, expired, or a name in use."""


class AccessError(UserError):
    """The person may not do this."""


class ConfigurationError(UserError):
    """Settings, credentials, extras or ports that are missing or wrong."""


class AzureError(UserError):
    """Azure said no or did not answer; `code` and `request_id` are Azure's own when it gave them."""

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        next: str = "",
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(what, why=why, next=next)
        self.code = code
        self.request_id = request_id


class AzureRefused(AzureError):
    """Azure refused for good: repeating the same request changes nothing."""


class AzureUnavailable(AzureError):
    """Azure did not answer or asked to wait: the same request may succeed later."""


def error_id() -> str:
    """Return a short id that stands in the log and in the message to the person."""
    return secrets.token_hex(4)
