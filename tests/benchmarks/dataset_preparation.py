"""How fast a dataset is prepared, and in how much memory: ``python -m tests.benchmarks.dataset_preparation [rows]``.

Synthetic rows shaped like HuggingFaceH4/ultrachat_200k (about 5 KB each, some bad ones planted) are read once as bytes,
prepared by `core.datasets`, and prepared by pandas doing the same (read, validate, leave out duplicates, split, write);
each in its own process, in the same run, with the file in the page cache. Printed are rows per second, peak memory and
ratios; nothing is asserted.
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ROWS = 200_000
ROWS_PER_BAD_ROW = 500
WORDS = Path(__file__).read_text(encoding="utf-8").split()


def write_rows(path: Path, rows: int) -> None:
    """Write synthetic conversations of two to eight messages."""
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randrange(15, 180))) for _ in range(4000)]
    with path.open("wb") as file:
        for number in range(rows):
            messages = []
            for _ in range(rng.randrange(1, 5)):
                messages.append({"role": "user", "content": f"{number} {rng.choice(texts)}"})
                messages.append({"role": "assistant", "content": rng.choice(texts)})
            if number % ROWS_PER_BAD_ROW == 0:
                messages.pop()
            row = {"prompt": messages[0]["content"], "prompt_id": f"{rng.getrandbits(256):064x}", "messages": messages}
            file.write(msgspec.json.encode(row) + b"\n")


def read_bytes(path: Path, folder: Path) -> int:
    """Read the file and do nothing else: the floor."""
    lines = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
    return lines


def prepare_with_core(path: Path, folder: Path) -> int:
    """Prepare the dataset as the bot does."""
    from core.datasets import DatasetRequest, prepare

    report = prepare(DatasetRequest(source=str(path)), folder, progress=lambda progress: None)
    return report.rows


def prepare_with_pandas(path: Path, folder: Path) -> int:
    """Prepare the dataset as a notebook does."""
    import pandas

    def is_usable(messages: list[dict[str, str]]) -> bool:
        roles = [message["role"] for message in messages]
        contents = [message["content"].strip() for message in messages]
        return bool(roles) and roles == ["user", "assistant"] * (len(roles) // 2) and all(contents)

    frame = pandas.read_json(path, lines=True)
    frame = frame[frame.messages.map(is_usable)]
    frame = frame[~frame.messages.map(repr).duplicated()].sample(frac=1, random_state=42)
    share = len(frame) // 20
    parts = {"validation": frame[:share], "test": frame[share : 2 * share], "train": frame[2 * share :]}
    for name, part in parts.items():
        part.to_json(folder / f"{name}.jsonl", orient="records", lines=True, force_ascii=False)
    return len(frame)


CONTENDERS = {"bytes": read_bytes, "core": prepare_with_core, "pandas": prepare_with_pandas}


def run(name: str, path: Path) -> None:
    """Run one contender in this process and print its seconds and peak memory, imports included."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        rows = CONTENDERS[name](path, Path(folder))
        seconds = time.perf_counter() - started
    print(rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Write the rows, run every contender and print the comparison."""
    if len(sys.argv) == 3:
        run(sys.argv[1], Path(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) == 2 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write_rows(path, count)
        print(f"{count:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
        print(f"{'':8}{'rows kept':>12}{'seconds':>10}{'rows/s':>12}{'peak MB':>10}{'of pandas':>11}")
        seconds: dict[str, float] = {}
        for name in ("bytes", "pandas", "core"):
            command = [sys.executable, "-m", "tests.benchmarks.dataset_preparation", name, str(path)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            kept, took, peak = (float(number) for number in output.split())
            seconds[name] = took
            ratio = f"{seconds['pandas'] / took:10.1f}x" if "pandas" in seconds else ""
            print(f"{name:8}{kept:12,.0f}{took:10.2f}{count / took:12,.0f}{peak:10.0f}{ratio:>11}", flush=True)


if __name__ == "__main__":
    main()
