"""The life of clusters, sizes and quotas, through the unmodified azure-ai-ml."""

import pytest
from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError


def create(workspace, **properties) -> AmlCompute:
    """Create a cluster and wait for it."""
    return workspace.compute.begin_create_or_update(AmlCompute(**properties)).result()


def test_the_first_compute_is_this_machine(workspace):
    """I list the computes of a new workspace: my machine is there, of a size that the region lists with a price."""
    (first,) = workspace.compute.list()
    assert (first.name, first.provisioning_state) == ("this-machine", "Succeeded")
    sizes = {size.name.lower(): size for size in workspace.compute.list_sizes()}
    assert first.size.lower() in sizes
    assert sizes["standard_nd40rs_v2"].gpus == 8


def test_a_cluster_comes_changes_and_goes(azure, workspace):
    """I create a cluster, change it and delete it, and each time wait on Azure's operation."""
    size = workspace.compute.get("this-machine").size
    made = create(workspace, name="second", size=size, max_instances=2, description="mine")
    assert (made.provisioning_state, made.max_instances) == ("Succeeded", 2)
    assert create(workspace, name="second", size=size, max_instances=1).max_instances == 1
    workspace.compute.begin_delete("second").wait()
    with pytest.raises(ResourceNotFoundError) as caught:
        workspace.compute.get("second")
    assert caught.value.response.body() == b""
    answers = [call.status for call in azure.control.calls(path="/computes/second$", method="PUT|DELETE")]
    assert answers == [201, 201, 202]
    assert azure.control.calls(path="/computeOperationsStatus/")


def test_a_gpu_size_has_no_quota_here(workspace):
    """I ask this machine for an A100: the creation begins and fails with Azure's words about quota."""
    with pytest.raises(HttpResponseError) as caught:
        create(workspace, name="big", size="Standard_NC24ads_A100_v4")
    assert caught.value.error.code == "BadRequest"
    assert "total vCPU quota of 0 and cannot accomodate for at least 1 requested managed compute" in str(caught.value)
    assert workspace.compute.get("big").provisioning_state == "Failed"


def test_a_demo_can_make_the_next_creation_fail(azure, workspace):
    """I rehearse a shortage: the next cluster fails for lack of quota, the one after succeeds."""
    size = workspace.compute.get("this-machine").size
    azure.control.add_scarcity("compute")
    with pytest.raises(HttpResponseError, match="vCPU quota of 0"):
        create(workspace, name="second", size=size)
    assert create(workspace, name="second", size=size).provisioning_state == "Succeeded"


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"name": "big", "size": "Standard_Nope"}, "VM size Standard_Nope is not supported"),
        ({"name": "1", "size": "Local_CPU"}, "Compute name 1 is invalid"),
        ({"name": "odd", "size": "Local_CPU", "min_instances": 3, "max_instances": 1}, "node counts are invalid"),
        ({"name": "this-machine", "size": "Standard_DS3_v2"}, "VM size of an existing compute cannot be changed"),
    ],
)
def test_an_impossible_cluster_is_refused_at_once(workspace, properties, words):
    """I ask for what cannot be and am told which part of it."""
    with pytest.raises(HttpResponseError) as caught:
        create(workspace, **properties)
    assert (caught.value.status_code, caught.value.error.code) == (400, "UserError")
    assert words in str(caught.value)


def test_usage_tells_the_quota_of_each_family(workspace):
    """I look up my quota: the machine's own cores, and none of Azure's GPUs."""
    limits = {usage.name["value"]: usage.limit for usage in workspace.compute.list_usage()}
    assert limits["Standard NCADSA100v4 Family Cluster Dedicated vCPUs"] == 0
    assert limits["Total Cluster Dedicated Regional vCPUs"] > 0
