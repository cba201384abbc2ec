"""The store of the local Azure ML server."""

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from core.local_azure.server.store import Store


class Note(msgspec.Struct):
    """Something to remember."""

    text: str
    path: Path = Path("/here")


@pytest.fixture
def store(tmp_path: Path):
    """An empty store."""
    found = Store(tmp_path / "state.db")
    yield found
    found.close()


def test_values_keep_their_first_place(store):
    """What I change stays where it was in the list; kinds do not mix."""
    for key in ("b", "a"):
        store.put("note", key, Note(key))
    store.put("other", "b", Note("other"))
    store.put("note", "b", Note("changed"))
    assert [note.text for note in store.list("note", Note)] == ["changed", "a"]
    assert store.get("note", "a", Note) == Note("a")
    assert store.delete("note", "a")
    assert not store.delete("note", "a")
    assert store.get("note", "a", Note) is None


def test_an_exception_undoes_the_transaction(store):
    """A step that fails in the middle leaves nothing behind, not even from an inner step."""
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.put("note", "outer", Note("x"))
        with store.transaction():
            store.put("note", "inner", Note("x"))
        raise ZeroDivisionError
    assert store.list("note", Note) == []


def test_threads_do_not_lose_updates(store):
    """Twenty threads count together; no count is lost."""
    store.put("note", "count", Note("0"))

    def count(_: int) -> None:
        with store.transaction():
            found = store.get("note", "count", Note)
            store.put("note", "count", Note(str(int(found.text) + 1)))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(count, range(200)))
    assert store.get("note", "count", Note).text == "200"


def test_what_was_put_survives_a_kill(tmp_path):
    """The server is killed right after it said it has stored: the value is there, an open transaction is not."""
    program = """
        import sys
        from pathlib import Path
        from core.local_azure.server.store import Store
        from tests.unit.local_azure.test_store import Note
        store = Store(Path(sys.argv[1]))
        store.put("note", "kept", Note("kept"))
        with store.transaction():
            store.put("note", "open", Note("open"))
            print("stored", flush=True)
            sys.stdin.read()
    """
    path, root = tmp_path / "state.db", Path(__file__).parents[3]
    arguments = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, env=environment, text=True) as process:
        assert process.stdout.readline() == "stored\n"
        process.send_signal(signal.SIGKILL)
    store = Store(path)
    assert [note.text for note in store.list("note", Note)] == ["kept"]
    store.close()
