"""What `/ft-data` may read."""

from pathlib import Path

import pytest

from core.errors import AccessError, DatasetError
from core.operations.prepare_dataset import check_source
from core.settings import Settings


def test_only_the_named_folders_are_read(tmp_path: Path) -> None:
    """Where the team names folders, a file elsewhere is refused, also by way of a link."""
    (tmp_path / "data").mkdir()
    secret = tmp_path / "secret.jsonl"
    secret.write_text("{}")
    (tmp_path / "data" / "chats.jsonl").write_text("{}")
    (tmp_path / "data" / "link.jsonl").symlink_to(secret)
    readable = Settings(data_folders=f"{tmp_path / 'data'}:{tmp_path / 'more'}").readable_folders
    check_source(str(tmp_path / "data" / "chats.jsonl"), readable)
    check_source("HuggingFaceH4/ultrachat_200k", readable)
    for path in (secret, tmp_path / "data" / "link.jsonl", tmp_path / "data" / ".." / "secret.jsonl"):
        with pytest.raises(AccessError, match="FINETUNE_BOT_DATA_FOLDERS"):
            check_source(str(path), readable)


def test_a_file_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    """A path with nothing behind it is refused before anything is recorded."""
    with pytest.raises(DatasetError, match="There is no file or folder"):
        check_source(str(tmp_path / "none.jsonl"), Settings(data_folders="").readable_folders)
