"""The Celery app that the three services share, and how it reaches the broker."""

from pathlib import Path

from celery import Celery
from celery.app import trace

ECHO = "otis.echo"
SANDBOX = "otis.sandbox"

# Redis makes the password at its first start. It is read from the shared volume
# so that no environment, command line or `docker inspect` shows it.
PASSWORD = Path("/run/broker/password")

# Celery would log every result, that is, whatever a sandboxed command printed.
trace.LOG_SUCCESS = "Task %(name)s[%(id)s] succeeded in %(runtime)ss"

app = Celery("otis")
app.conf.update(
    broker_url=f"redis://:{PASSWORD.read_text().strip()}@redis:6379/0",
    result_backend=f"redis://:{PASSWORD.read_text().strip()}@redis:6379/0",
    result_expires=3600,
    # JSON only: whoever reaches the broker must not be able to send a pickle.
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    task_default_queue="default",
    # The api names tasks but holds none of their code, so routes go by name.
    task_routes={SANDBOX: {"queue": "sandbox"}},
    task_track_started=True,
    # A publisher that waits for ever would tie up the api's threads.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2},
    worker_prefetch_multiplier=1,
    # Nobody sends remote control commands; not to listen is cheaper and safer.
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)
