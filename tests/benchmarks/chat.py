"""Chat speed through Slack, bot and endpoint, against llama.cpp alone with the same model and questions.

Run by hand: ``python -m tests.benchmarks.chat [ROUNDS]``. Through Slack a person asks by `/ft-ask` and reads the
answer as it is streamed; llama.cpp alone is its own HTTP server, asked for a stream. Printed are seconds to the first
words, tokens per second from asking to the end, and the ratios of the medians.
"""

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from bot.local_slack.person import Message, Person
from core.local_azure.engine.serve import servable, start_llama_cpp
from core.local_azure.server.processes import ENGINE
from core.records.tables import Endpoint
from tests.scenario.team import Team, team, until

MODEL = "azureml://registries/azureml/models/SmolLM2-135M-Instruct/versions/1"
QUESTIONS = ("Why is the sky blue?", "What is photosynthesis?", "Write about the sea.", "How is bread made?")
MAX_TOKENS = 120
PATIENCE = 120.0
"""Seconds."""


@dataclass(frozen=True)
class Speed:
    """One answer: seconds until the first words and until the end, tokens in between."""

    first: float
    whole: float
    tokens: int


def main() -> None:
    """Ask the same questions both ways in turn and print the comparison."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    server = start_llama_cpp(servable(MODEL))
    llama = httpx.Client(base_url=server.listening_address, timeout=PATIENCE, trust_env=False)
    ours: list[Speed] = []
    alone: list[Speed] = []
    with tempfile.TemporaryDirectory() as folder, team(Path(folder), ENGINE, limits=None) as room:
        ada = room.slack.person("ada")
        endpoint = deploy(room, ada)
        for _ in range(rounds):
            for question in QUESTIONS:
                alone.append(ask_llama(llama, question))
                ours.append(ask_through_slack(ada, llama, endpoint, question))
        ada.close()
    llama.close()
    show(ours, alone)


def show(ours: list[Speed], alone: list[Speed]) -> None:
    """Print both speeds and the ratios."""
    print(f"{len(ours)} answers of at most {MAX_TOKENS} tokens, greedy")
    print(f"{'':24}{'first words s':>14}{'tokens/s':>10}")
    firsts, rates = [], []
    for name, speeds in (("through Slack", ours), ("llama.cpp alone", alone)):
        firsts.append(statistics.median(speed.first for speed in speeds))
        rates.append(statistics.median(speed.tokens / speed.whole for speed in speeds))
        print(f"{name:24}{firsts[-1]:14.2f}{rates[-1]:10.1f}")
    print(f"{'ratio':24}{firsts[0] / firsts[1]:14.2f}{rates[0] / rates[1]:10.2f}")


def ask_llama(llama: httpx.Client, question: str) -> Speed:
    """Ask llama.cpp's own server for a stream."""
    body = {
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": False,
    }
    began, first, tokens = time.perf_counter(), 0.0, 0
    with llama.stream("POST", "/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if not first and chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                first = time.perf_counter() - began
            if chunk.get("usage"):
                tokens = chunk["usage"]["completion_tokens"]
    return Speed(first, time.perf_counter() - began, tokens)


def ask_through_slack(ada: Person, llama: httpx.Client, endpoint: str, question: str) -> Speed:
    """Ask by slash command and read the streamed answer in its thread."""
    before = ada.channel()[-1]
    began = time.perf_counter()
    ada.runs(f"/ft-ask {endpoint} temperature=0 max_new_tokens={MAX_TOKENS} {question}")
    asked = ada.sees(question, after=before, timeout=PATIENCE)

    def begun(message: Message) -> bool:
        return bool(message.words().strip())

    answer = ada.sees(begun, thread=asked, after=asked, timeout=PATIENCE)
    first = time.perf_counter() - began
    whole = ada.sees_again(answer, lambda m: not m.streaming, timeout=PATIENCE)
    seconds = time.perf_counter() - began
    counted = llama.post("/tokenize", json={"content": whole.words()}).raise_for_status().json()
    return Speed(first, seconds, len(counted["tokens"]))


def deploy(room: Team, ada: Person) -> str:
    """Deploy the base model as a person does; return the endpoint's name."""
    ada.runs("/ft-deploy SmolLM2-135M-Instruct")
    plan = ada.sees(lambda m: "Deploy" in m.buttons, timeout=PATIENCE)
    ada.clicks(plan, "Deploy")
    until(lambda: room.bot.services.store.find(Endpoint, Endpoint.deployed_at.is_not(None)), PATIENCE)
    return room.bot.services.store.find(Endpoint)[0].id


if __name__ == "__main__":
    main()
