"""A deployment: llama.cpp's own server in this process, with Azure ML's scoring interface in front of it."""

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import uvicorn
import xllamacpp
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from core.errors import ModelError
from core.local_azure.engine import score, weights
from core.local_azure.engine.progress import to_log
from core.local_azure.work import ServeSpec

log = logging.getLogger(__name__)

PARALLEL_CONVERSATIONS = 4
MOST_CONTEXT_TOKENS = 8192
ANSWER_SECONDS = 300.0
SHUTDOWN_SECONDS = 5
COMPLETIONS = "/v1/chat/completions"


@dataclass(frozen=True)
class Servable:
    """A model as llama.cpp reads it; `context` is how many tokens a conversation may have."""

    file: Path
    context: int


def run(spec: ServeSpec) -> None:
    """Serve the model on 127.0.0.1 until SIGTERM; raises ModelError when it cannot be served."""
    model = servable(spec.model)
    server = start_llama_cpp(model)
    log.info("%s is ready on port %d, %d tokens of context", model.file, spec.port, model.context)
    uvicorn.run(
        app(server.listening_address),
        host="127.0.0.1",
        port=spec.port,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def servable(model: str) -> Servable:
    """Return a registered model's folder, or a registry's model converted and kept on first use, ready to be loaded.

    Raises ModelError when there is no GGUF file and none can be made.
    """
    name = weights.registry_model(model)
    if name is None:
        folder, config = Path(model), Path(model) / "model" / "config.json"
    else:
        found = weights.fetch(name, to_log())
        folder, config = converted(name, found.folder), found.folder / "config.json"
    file = folder / "model.gguf"
    if not file.is_file():
        raise ModelError(
            f"{folder.name} holds no model that this machine can serve.",
            why="It has no model.gguf: only Llama architectures can be deployed here.",
        )
    context = int(msgspec.json.decode(config.read_bytes())["max_position_embeddings"])
    return Servable(file, min(context, MOST_CONTEXT_TOKENS))


def converted(name: str, model: Path) -> Path:
    """Return the folder with the GGUF file of a base model, made on first use; raises ModelError."""
    from core.local_azure.engine.to_gguf import write_gguf

    folder = weights.cache_folder() / "served" / f"{name}-{fingerprint(model)}"
    if not folder.is_dir():
        with weights.being_prepared(folder) as partial:
            if partial is not None:
                write_gguf(model, partial / "model.gguf", name, to_log())
    return folder


def fingerprint(folder: Path) -> str:
    """Return a short text that changes when a file of the folder does."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr((str(folder), facts)).encode()).hexdigest()[:12]


def start_llama_cpp(model: Servable) -> xllamacpp.Server:
    """Load a model into llama.cpp's server, within this process; it answers when this returns."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model.file)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.ui = False
    parameters.n_parallel = PARALLEL_CONVERSATIONS
    # One context for all conversations: each may be as long as the model allows while the others are short.
    parameters.kv_unified = True
    parameters.n_ctx = model.context
    # Azure's containers answer after whatever the last message is; llama.cpp would continue an assistant's message.
    parameters.prefill_assistant = False
    # llama.cpp's threads wait for each other at every layer: when another process, such as a training, takes one of
    # the cores, all wait for it. Measured on two cores, 60 tokens: quiet 0.5 s with both and 0.75 s with one;
    # beside two busy processes 4 to 37 s with both and 2 to 3 s with one.
    threads = max(1, len(os.sched_getaffinity(0)) - 1)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(parameters)


def app(upstream: str) -> Starlette:
    """Return the deployment's application in front of llama.cpp's server at the address `upstream`."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
        async with httpx.AsyncClient(base_url=upstream, timeout=ANSWER_SECONDS, trust_env=False) as llama:
            yield {"llama": llama}

    routes = [
        Route("/", ready),
        Route("/score", score_messages, methods=["POST"]),
        Route("/v1/chat/completions", chat_completions, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={httpx.HTTPError: unavailable})


async def ready(request: Request) -> Response:
    """Answer 200 when the model answers, else llama.cpp's status."""
    health = await request.state.llama.get("/health")
    return JSONResponse({"status": "ready" if health.is_success else "loading"}, health.status_code)


async def score_messages(request: Request) -> Response:
    """Answer conversations in Azure ML's shape."""
    try:
        asked = score.read(await request.body())
    except score.BadRequest as error:
        return refused(400, str(error))
    bodies = [score.chat_request(conversation, asked.parameters) for conversation in asked.conversations]
    answers = await asyncio.gather(*(request.state.llama.post(COMPLETIONS, json=body) for body in bodies))
    for response in answers:
        if response.is_error:
            return refused(response.status_code, response.json()["error"]["message"])
    return JSONResponse(score.answer(asked, [answer.json()["choices"][0]["message"]["content"] for answer in answers]))


async def chat_completions(request: Request) -> Response:
    """Pass OpenAI's chat completions on, streams included; a client that goes away ends the generation."""
    llama: httpx.AsyncClient = request.state.llama
    headers = {"content-type": "application/json"}
    passed_on = llama.build_request("POST", COMPLETIONS, content=await request.body(), headers=headers)
    response = await llama.send(passed_on, stream=True)
    return StreamingResponse(
        response.aiter_raw(),
        response.status_code,
        media_type=response.headers.get("content-type"),
        background=BackgroundTask(response.aclose),
    )


async def unavailable(request: Request, error: Exception) -> Response:
    """Answer for a llama.cpp that does not."""
    return refused(503, f"The model does not answer: {type(error).__name__}.")


def refused(status: int, message: str) -> Response:
    """Return an error body as OpenAI's clients read it."""
    return JSONResponse({"error": {"code": status, "message": message, "type": "invalid_request_error"}}, status)
