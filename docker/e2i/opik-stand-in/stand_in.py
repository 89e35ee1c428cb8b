"""STAND-IN for the Opik server, which is to be had as container images only.

It takes what Opik's SDK sends to log traces and spans, keeps the newest of them in
memory and gives them back. There is no project, no query, no user interface and no
storage. The SDK sends the change of a trace (PATCH) sometimes before the trace
itself (POST), so both are merged and the change wins, whichever comes first.
"""

import gzip
import json
from collections import OrderedDict
from typing import Literal

from fastapi import APIRouter, FastAPI, HTTPException, Request

NAME = "STAND-IN for Opik"
KEPT = 1000
MAX_BODY = 20 << 20

Kind = Literal["traces", "spans"]
stored: dict[str, OrderedDict[str, dict]] = {"traces": OrderedDict(), "spans": OrderedDict()}
router = APIRouter()


async def body(request: Request) -> dict:
    content = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    if len(content) > MAX_BODY:
        raise HTTPException(413, f"{NAME} takes at most {MAX_BODY} bytes")
    return json.loads(content)


def keep(kind: Kind, key: str, fields: dict) -> None:
    stored[kind][key] = fields
    stored[kind].move_to_end(key)
    if len(stored[kind]) > KEPT:
        stored[kind].popitem(last=False)


@router.get("/is-alive/ping")
async def ping() -> dict:
    return {"message": NAME, "healthy": True}


@router.post("/v1/private/{kind}/batch", status_code=204)
async def create(kind: Kind, request: Request) -> None:
    for item in (await body(request))[kind]:
        keep(kind, item["id"], {**item, **stored[kind].get(item["id"], {})})


@router.patch("/v1/private/{kind}/{key}", status_code=204)
async def change(kind: Kind, key: str, request: Request) -> None:
    keep(kind, key, {**stored[kind].get(key, {}), **await body(request)})


@router.get("/v1/private/{kind}/{key}")
async def show(kind: Kind, key: str) -> dict:
    if key not in stored[kind]:
        raise HTTPException(404, f"{NAME} knows no such one of {kind}")
    return stored[kind][key]


@router.get("/v1/private/traces/{key}/spans")
async def spans(key: str) -> list[dict]:
    """Not an endpoint of Opik: the spans of a trace, for whoever checks what arrived."""
    return [span for span in stored["spans"].values() if span.get("trace_id") == key]


app = FastAPI(title=NAME, docs_url=None, redoc_url=None, openapi_url=None)
# The SDK is given the address with /api or without it.
app.include_router(router)
app.include_router(router, prefix="/api")


@app.middleware("http")
async def say_so(request: Request, call_next):
    """No reply of this server can be taken for one of Opik's."""
    reply = await call_next(request)
    reply.headers["x-stand-in"] = NAME
    return reply
