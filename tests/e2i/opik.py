# Opik's own SDK: a trace with a span, created in one step and changed in another, since the
# change may reach the server first.
import json
import urllib.request

import opik

client = opik.Opik(project_name="clients")
trace = client.trace(name="asked", input={"question": "why"})
span = trace.span(name="thought", output={"answer": "because"})
client.flush()
created = client.last_flush_result
trace.update(output={"answer": "because"})
client.flush()
changed = client.last_flush_result


def get(path):
    url = f"http://opik:8080/api/v1/private/traces/{trace.id}{path}"
    with urllib.request.urlopen(url) as reply:
        return json.load(reply), reply.headers["x-stand-in"]


stored, server = get("")
spans, _ = get("/spans")
print()
print(
    json.dumps(
        {
            "flushed": [created.flushed, changed.flushed],
            "dropped": [created.dropped_messages, changed.dropped_messages],
            "input": stored["input"],
            "output": stored["output"],
            "spans": [span["name"] for span in spans],
            "server": server,
        }
    )
)
