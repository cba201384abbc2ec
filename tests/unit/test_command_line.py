"""What a machine refuses is one paragraph and exit status 1 or 2, and nothing of the person's is lost."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.demo.play import MARK, _check_stage, _emptied
from bot.local_slack.store import Store as SlackStore
from core.errors import ConfigurationError
from core.local_azure.server.store import Store as AzureStore
from core.local_azure.server.workspace import load_workspace
from core.mishaps import refused_by_sqlite
from core.records.store import Store

NOISE = bytes(range(256)) * 80


def run(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    patch.setattr(sys, "argv", ["finetune-bot", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("port", ["-3", "65536", "abc"])
def test_a_port_that_cannot_be_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that no machine has is a wrong option."""
    assert run(monkeypatch, "azure-ml", "--port", port) == 2


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that cannot be understood is named as it stands in the environment."""
    monkeypatch.setenv("FINETUNE_BOT_WORKERS", "many")
    assert run(monkeypatch, "doctor") == 1
    said = capsys.readouterr().err
    assert "FINETUNE_BOT_WORKERS" in said
    assert "integer" in said
    assert "many" not in said


def test_a_url_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An address without http is refused before anybody is called."""
    monkeypatch.setenv("SLACK_API_URL", "garbage")
    assert run(monkeypatch, "doctor") == 1
    assert "SLACK_API_URL" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["trustme", "psutil", "jwt"])
def test_missing_extras_are_named(missing: str, tmp_path: Path) -> None:
    """Without the packages of the extra, the command line says what to install."""
    hidden = f"import sys; sys.modules[{missing!r}] = None; from bot.__main__ import main; main()"
    command = [sys.executable, "-c", hidden, "azure-ml", "--folder", str(tmp_path / "w")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "finetune-bot[local]" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


def test_a_file_in_the_place_of_the_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that cannot be made is an error with its path."""
    (tmp_path / "taken").write_text("mine")
    assert run(monkeypatch, "azure-ml", "--folder", str(tmp_path / "taken")) == 1
    assert "taken" in capsys.readouterr().err.replace("\n", "")
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("opened", [AzureStore, SlackStore, lambda path: Store.open(f"sqlite:///{path}")])
def test_a_damaged_file_is_named_and_kept(opened: type[AzureStore], tmp_path: Path) -> None:
    """A database that is none is said to be damaged, with a way on, and left as it is."""
    file = tmp_path / "state.db"
    file.write_bytes(NOISE)
    with pytest.raises(ConfigurationError, match=r"state.db is damaged") as refused:
        opened(file)
    assert "move it away" in refused.value.next
    assert file.read_bytes() == NOISE


def test_a_workspace_cut_in_half_is_named(tmp_path: Path) -> None:
    """Half of the workspace's own file is damage, too."""
    (tmp_path / "workspace.json").write_text('{"subscription":')
    with pytest.raises(ConfigurationError, match=r"workspace.json is damaged"):
        load_workspace(tmp_path)


def test_a_full_disk_is_told_from_a_second_server(tmp_path: Path) -> None:
    """SQLite says both in the same class of error; a person mends them in different ways."""
    database = sqlite3.connect(tmp_path / "full.db")
    database.execute("CREATE TABLE entry (value BLOB)")
    database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as full:
        database.execute("INSERT INTO entry VALUES (zeroblob(100000))")
    database.close()
    assert "is full" in refused_by_sqlite(full.value, tmp_path / "full.db").what
    first = SlackStore(tmp_path / "slack.db")
    with pytest.raises(ConfigurationError, match="in use by another"):
        SlackStore(tmp_path / "slack.db")
    first.close()


def test_an_unreachable_database_is_said_without_its_password() -> None:
    """A database URL of no kind we know is refused, and what may be secret in it is not repeated."""
    with pytest.raises(ConfigurationError) as refused:
        Store.open("nonsense://me:hush@nowhere/x")
    assert "FINETUNE_BOT_DATABASE_URL" in refused.value.what
    assert "hush" not in str(refused.value)


def test_the_demo_empties_only_what_a_demo_made(tmp_path: Path) -> None:
    """Somebody's folder is never emptied; the demo's own is, by one demo at a time."""
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(ConfigurationError, match="is not a demo's folder"):
        _check_stage(tmp_path)
    assert (tmp_path / "thesis.txt").exists()
    stage = tmp_path / "demo"
    with _emptied(stage):
        (stage / "bot.log").write_text("earlier")
        with pytest.raises(ConfigurationError, match="Another finetune-bot works"), _emptied(stage):
            raise AssertionError("two demos on one stage")
        assert (stage / "bot.log").exists()
    _check_stage(stage)
    with _emptied(stage):
        assert [entry.name for entry in stage.iterdir()] == [MARK]
