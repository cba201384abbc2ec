"""All benchmarks, one after the other, each in a process of its own: ``python -m tests.benchmarks``."""

import subprocess
import sys

BENCHMARKS = ("acknowledgement", "dataset_preparation", "training", "chat")


def main() -> int:
    """Run every benchmark; return 1 when one could not be measured."""
    failed = 0
    for name in BENCHMARKS:
        print(f"== {name.replace('_', ' ')}", flush=True)
        failed |= bool(subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=False).returncode)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
