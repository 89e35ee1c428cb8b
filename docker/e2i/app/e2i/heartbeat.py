"""Files whose age the health checks of worker and scheduler look at."""

from pathlib import Path

from celery import beat, bootsteps

FILE = Path("/run/e2i/heartbeat")

# The worker's loop sleeps until its next timer and only then sees that it has to
# stop, so this is also what a shutdown waits for at first.
SECONDS = 0.25


class WorkerHeartbeat(bootsteps.StartStopStep):
    """A timer of Celery's own loop touches the file, for as long as that loop turns.

    Hence it goes stale when the process is stopped, when the loop hangs and when
    the broker is lost, and no check has to start a Python of its own.
    """

    requires = {"celery.worker.consumer.tasks:Tasks"}

    def __init__(self, consumer, **options):
        super().__init__(consumer, **options)
        self.timer = None

    def start(self, consumer):
        FILE.touch()
        self.timer = consumer.timer.call_repeatedly(SECONDS, FILE.touch)

    def stop(self, consumer):
        if self.timer:
            self.timer.cancel()
            self.timer = None


class Scheduler(beat.Scheduler):
    """A schedule in memory that touches the file whenever the broker took a task."""

    def apply_async(self, entry, producer=None, advance=True, **options):
        result = super().apply_async(entry, producer=producer, advance=advance, **options)
        FILE.touch()
        return result
