"""The HTTP face. It puts jobs into the queue and reads their results from it."""

from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import FastAPI, HTTPException
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError

from otis.queue import ECHO, SANDBOX
from otis.queue import app as queue

# The generated documentation would be served to everybody; nobody asked for it.
app = FastAPI(title="OTIS", docs_url=None, redoc_url=None, openapi_url=None)

# Celery calls a job that it has never heard of PENDING. A job of ours is stored
# as QUEUED before it is sent, which tells the two apart.
UNKNOWN = "PENDING"
QUEUED = "QUEUED"

# Neither a NUL nor an over-long argument can be handed to a process.
Argument = Annotated[str, Field(max_length=1024, pattern=r"^[^\x00]*$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EchoJob(Strict):
    kind: Literal["echo"]
    text: Annotated[str, Field(max_length=4096)]

    def task(self) -> tuple[str, list]:
        return ECHO, [self.text]


class SandboxJob(Strict):
    """A command as a list of arguments: no shell ever reads it."""

    kind: Literal["sandbox"]
    command: Annotated[list[Argument], Field(min_length=1, max_length=16)]

    def task(self) -> tuple[str, list]:
        return SANDBOX, [self.command]


Job = Annotated[EchoJob | SandboxJob, Field(discriminator="kind")]


@app.get("/health")
async def health() -> dict:
    """Says that this process answers; a broker that is down is not its fault."""
    return {"status": "ok"}


@app.post("/jobs", status_code=202)
def submit(job: Job) -> dict:
    job_id = str(uuid4())
    task, arguments = job.task()
    try:
        queue.backend.store_result(job_id, None, QUEUED)
        queue.send_task(task, arguments, task_id=job_id)
    except (OperationalError, RedisError) as error:
        raise HTTPException(503, "the queue cannot be reached") from error
    return {"id": job_id, "state": QUEUED}


@app.get("/jobs/{job_id}")
def show(job_id: UUID) -> dict:
    job = queue.AsyncResult(str(job_id))
    state = job.state
    if state == UNKNOWN:
        raise HTTPException(404, "no such job")
    if state == "FAILURE":
        return {"id": job.id, "state": state, "error": str(job.result)}
    return {"id": job.id, "state": state, "result": job.result if state == "SUCCESS" else None}
