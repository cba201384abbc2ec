"""What several resources' JSON has in common: times and who made what when."""

from datetime import datetime
from typing import TypedDict


def mfe_time(moment: datetime) -> str:
    """Return `moment` as Azure ML's front end writes it: seven fractional digits and ``+00:00``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0+00:00"


def arm_time(moment: datetime) -> str:
    """Return `moment` as workspaces and computes write it: seven fractional digits and ``Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


class SystemData(TypedDict, total=False):
    """Azure Resource Manager's record of who made a resource."""

    createdAt: str
    createdBy: str
    createdByType: str
    lastModifiedAt: str


def system_data(created: datetime, modified: datetime | None = None) -> SystemData:
    """Return `systemData` in the short form that jobs (without `modified`), endpoints and deployments use."""
    data = SystemData(createdAt=mfe_time(created), createdBy="local", createdByType="User")
    if modified:
        data["lastModifiedAt"] = mfe_time(modified)
    return data
