"""The HTTP face. It hands a question to 18 agents, collects their answers and traces it all."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import time
from typing import Annotated

import opik
from celery import group
from celery.exceptions import TimeoutError
from fastapi import FastAPI, HTTPException
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError

from e2i.agents import AGENTS
from e2i.queue import AGENT, working_memory
from e2i.queue import app as queue

COLLECT_SECONDS = 30


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")
    customer: Annotated[int, Field(ge=1, le=100)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.memory = working_memory()
    # The url and the switches against telemetry come from the image.
    app.state.traces = opik.Opik(project_name="e2i")
    yield
    app.state.traces.end(timeout=1)


# The generated documentation would be served to everybody; nobody asked for it.
app = FastAPI(title="E2I", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)


@app.get("/api/health")
def health() -> dict:
    """Without the broker this service can do nothing, so it says so."""
    try:
        app.state.memory.ping()
    except RedisError as error:
        raise HTTPException(503, "the broker cannot be reached") from error
    return {"status": "ok"}


@app.get("/api/pulse")
def pulse() -> dict:
    """How often the scheduler's task has run in the worker, and how long ago it last did."""
    try:
        count, last = app.state.memory.mget("pulses", "last-pulse")
    except RedisError as error:
        raise HTTPException(503, "the broker cannot be reached") from error
    if count is None:
        return {"count": 0, "seconds_ago": None}
    return {"count": int(count), "seconds_ago": round(time() - float(last), 3)}


@app.post("/api/questions")
def ask(question: Question) -> dict:
    asked = datetime.now(UTC)
    tasks = group(
        queue.signature(AGENT, (name, question.customer, question.seed)) for name in AGENTS
    )
    try:
        sent = tasks.apply_async(expires=COLLECT_SECONDS)
        answers = sent.get(timeout=COLLECT_SECONDS, propagate=False)
        sent.forget()
    except TimeoutError as error:
        raise HTTPException(504, "not all agents answered in time") from error
    except (OperationalError, RedisError) as error:
        raise HTTPException(503, "the queue cannot be reached") from error
    agents = {}
    for name, answer in zip(AGENTS, answers, strict=True):
        failed = isinstance(answer, BaseException)
        agents[name] = {"error": repr(answer)} if failed else answer
    return {"trace": traced(question, agents, asked), "agents": agents}


def traced(question: Question, agents: dict[str, dict], asked: datetime) -> str:
    """Logs what was asked and answered, all at once and in the background."""
    span = {"start_time": asked, "end_time": datetime.now(UTC)}
    trace = app.state.traces.trace(
        name="question", input=question.model_dump(), output={"answers": len(agents)}, **span
    )
    for name, answer in agents.items():
        trace.span(name=name, output=answer, **span)
    return trace.id
