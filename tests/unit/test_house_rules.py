"""The rooms of the house keep their rules."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SOURCES = sorted([*TOP.glob("bot/**/*.py"), *TOP.glob("core/**/*.py")])
ENGINE_PACKAGES = {"torch", "transformers", "peft", "trl", "gguf", "xllamacpp", "accelerate"}


def imports(path: Path) -> Iterator[str]:
    """Yield every module that the file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def inside(path: Path, *rooms: str) -> bool:
    """Return whether the file lies in one of the rooms."""
    return any(path.is_relative_to(TOP / room) for room in rooms)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_file_keeps_to_its_room(path: Path) -> None:
    """Each module imports only what its room may import, and holds one idea."""
    modules = list(imports(path))
    roots = {module.split(".")[0] for module in modules}
    if inside(path, "core"):
        assert "bot" not in roots
        assert not [root for root in roots if root.startswith("slack")]
    if not inside(path, "core/azure"):
        assert "azure" not in roots
    if not inside(path, "core/local_azure/engine"):
        assert not roots & ENGINE_PACKAGES
    starters = ("bot/demo", "bot/local_machine.py", "bot/__main__.py", "bot/local_slack", "core/local_azure")
    if not inside(path, *starters):
        assert not [module for module in modules if "local_slack" in module or "local_azure" in module]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_top_level_is_the_plan() -> None:
    """Nothing lies at the top level that the plan of the house does not name."""
    tracked = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    names = {name.split("/")[0] for name in tracked if name and not name.startswith(".")}
    assert names == {"bot", "core", "tests", "manifest.yml", "pyproject.toml", "Dockerfile", "README.md"}


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--no-error-summary"]],
    ids=["ruff check", "ruff format", "mypy strict"],
)
def test_code_is_clean(command: list[str]) -> None:
    """Formatting, lint and strict types hold for every file."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
