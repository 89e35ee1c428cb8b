"""What the runner runs: one-off sandbox containers, through the socket proxy.

The proxy compares the request that `docker run` sends with one fixed shape
(socket-proxy/sandbox-body.regex). Whoever changes an option here has to change
that shape too, otherwise the proxy denies the container.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from threading import Event, Timer

from otis.heartbeat import Heartbeat
from otis.queue import SANDBOX, app

IMAGE = os.environ["OTIS_SANDBOX_IMAGE"]
LABEL = os.environ.get("OTIS_SANDBOX_LABEL")
TIME_LIMIT_SECONDS = 30
OUTPUT_LIMIT_BYTES = 64 * 1024

OPTIONS = (
    "--rm",
    # A pull would need an endpoint that the proxy has good reason to deny.
    "--pull=never",
    "--network=none",
    "--ipc=none",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--user=65534:65534",
    "--memory=64m",
    "--memory-swap=64m",
    "--pids-limit=64",
    "--cpus=0.5",
    # The output goes to the attached runner; a second copy on disk has no reader.
    "--log-driver=none",
    # Without an entrypoint of our own the image would decide what is run.
    "--entrypoint=",
)

app.steps["consumer"].add(Heartbeat)


@app.task(name=SANDBOX)
def sandbox(command: list[str]) -> dict:
    with tempfile.TemporaryDirectory(dir="/run/otis") as folder:
        container_id = Path(folder, "id")
        late = Event()
        with subprocess.Popen(
            docker_run(container_id, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as client:
            alarm = Timer(TIME_LIMIT_SECONDS, stop, (client, container_id, late))
            alarm.start()
            try:
                output = client.stdout.read(OUTPUT_LIMIT_BYTES)
                truncated = bool(client.stdout.read(1))
                if truncated:
                    stop(client, container_id)
                exit_code = client.wait()
            finally:
                alarm.cancel()
        if exit_code == 125:
            # The client failed after the create, so the engine may not clean up.
            remove(container_id)
    return {
        "exit_code": exit_code,
        "output": output.decode(errors="replace"),
        "truncated": truncated,
        "timed_out": late.is_set(),
    }


def docker_run(container_id: Path, command: list[str]) -> list[str]:
    label = [f"--label={LABEL}"] if LABEL else []
    # "--" ends the options: no argument of a job can turn into one of Docker's.
    # Should the runner be gone by then, the sandbox ends by its own timeout.
    return [
        *("docker", "run", f"--cidfile={container_id}", *OPTIONS, *label, "--", IMAGE),
        *("timeout", "--signal=KILL", str(TIME_LIMIT_SECONDS + 5), *command),
    ]


def stop(client: subprocess.Popen, container_id: Path, late: Event | None = None) -> None:
    if late:
        late.set()
    # The client first: it has stopped reading, and the engine would wait for it
    # with the output that is still on its way before it removes the container.
    client.kill()
    remove(container_id)


def remove(container_id: Path) -> None:
    if container_id.exists():
        subprocess.run(
            ["docker", "rm", "--force", container_id.read_text()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
