"""What the worker runs: tasks of the queue "default", which need no Docker."""

from otis.heartbeat import Heartbeat
from otis.queue import ECHO, app

app.steps["consumer"].add(Heartbeat)


@app.task(name=ECHO)
def echo(text: str) -> dict:
    return {"text": text}
