"""The cache of weights: complete or absent, whatever happens meanwhile."""

import threading
from pathlib import Path

import pytest

from core.errors import ConfigurationError, ModelError
from core.local_azure.engine import weights
from core.local_azure.engine.progress import to_log
from tests.tiny_model import make_tiny_model


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("azureml://registries/azureml/models/Phi-4/versions/7", "Phi-4"),
        ("azureml://locations/westus/registries/azureml/models/Phi-4/versions/7", "Phi-4"),
        ("azureml://registries/azureml/models/Phi-4/labels/latest", "Phi-4"),
        ("azureml://registries/azureml/models/Phi-4", None),
        ("/tmp/models/Phi-4", None),
    ],
)
def test_a_registry_model_is_told_from_a_folder(reference: str, name: str | None) -> None:
    """An asset id of a registry names a model; anything else is a folder."""
    assert weights.registry_model(reference) == name


def test_two_processes_prepare_a_model_once(tmp_path: Path) -> None:
    """Two jobs that start together on a fresh machine fetch the weights once, and both get them."""
    folder = tmp_path / "model"
    begun = threading.Barrier(2)
    prepared: list[bool] = []

    def fetch() -> None:
        begun.wait(5)
        with weights.being_prepared(folder) as partial:
            prepared.append(partial is not None)
            if partial is not None:
                (partial / "config.json").write_text("{}")

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(prepared) == [False, True]
    assert (folder / "config.json").read_text() == "{}"


def test_what_a_killed_process_left_is_not_used(tmp_path: Path) -> None:
    """A download that broke off leaves files behind, which the next one removes."""
    leftover = tmp_path / ".model.partial"
    leftover.mkdir()
    (leftover / "model.safetensors").write_bytes(b"half")
    with weights.being_prepared(tmp_path / "model") as partial:
        assert partial is not None
        assert list(partial.iterdir()) == []
    assert list((tmp_path / "model").iterdir()) == []
    assert not leftover.exists()


def test_a_failed_preparation_leaves_nothing(tmp_path: Path) -> None:
    """When a source does not answer, the cache is as before."""
    with pytest.raises(ModelError), weights.being_prepared(tmp_path / "model"):
        raise ModelError("no answer")
    assert not (tmp_path / "model").exists()


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """A person whose disk is full reads where space is needed."""
    with (
        pytest.raises(ConfigurationError, match="No space is left for the model in"),
        weights.being_prepared(tmp_path / "model"),
    ):
        Path("/dev/full").write_bytes(b"weights")
    assert not (tmp_path / "model").exists()


def test_a_local_folder_comes_first_and_must_be_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FINETUNE_BOT_WEIGHTS is used when it has the model; a folder without its tokenizer is refused."""
    monkeypatch.setenv("FINETUNE_BOT_WEIGHTS", str(tmp_path))
    folder = make_tiny_model(tmp_path / "Phi-4")
    assert weights.fetch("Phi-4", to_log()).folder == folder
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"incomplete\. Missing: tokenizer\.json"):
        weights.fetch("Phi-4", to_log())


def test_a_model_from_nowhere_says_how_to_provide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phi's weights are too large to fetch by themselves; a person reads what to do."""
    monkeypatch.delenv("FINETUNE_BOT_WEIGHTS", raising=False)
    monkeypatch.setenv("FINETUNE_BOT_CACHE", str(tmp_path))
    with pytest.raises(ModelError) as raised:
        weights.fetch("Phi-3-mini-4k-instruct", to_log())
    assert "The weights of Phi-3-mini-4k-instruct are not on this machine." in str(raised.value)
    assert "FINETUNE_BOT_WEIGHTS" in str(raised.value)
