"""The ASGI application: what comes over the wire becomes a call, faults strike, and the reply goes out.

The work itself runs in threads, to the end even where the client has gone meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from salesforce_emulator import controls, service
from salesforce_emulator.barrier import AFTER, BEFORE, MAX_SECONDS
from salesforce_emulator.clock import http_date
from salesforce_emulator.incoming import Incoming, read_incoming
from salesforce_emulator.web import Reply

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.types import Receive, Scope, Send

    from salesforce_emulator.faults import Fault
    from salesforce_emulator.org import Org

TRANSPORT = "salesforce_emulator"
"""The scope's extension in which the protocol leaves its `transport`."""

_log = logging.getLogger(__name__)

_HTML = "text/html;charset=UTF-8"
_COMMON = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "none",
    "Cache-Control": "no-cache,must-revalidate,max-age=0,no-store,private",
}
_POLL_SECONDS = 0.02


class App:
    """Serve one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or break the connection where a fault says so."""
        if scope["type"] != "http":
            return
        try:
            incoming = await read_incoming(Request(scope, receive), self._org.bulk.jobs.folder)
        except ClientDisconnect:
            return
        try:
            await self._answer_request(incoming, scope, receive, send)
        finally:
            if incoming.upload is not None:
                incoming.upload.unlink(missing_ok=True)

    async def _answer_request(self, incoming: Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        if incoming.path.startswith("/_emulator/"):
            response = await run_in_threadpool(self._control, incoming)
        else:
            served = await self._serve(incoming, scope, receive, send)
            if served is None:
                return
            response = served
        await response(scope, receive, send)

    def _control(self, incoming: Incoming) -> Response:
        token = incoming.headers.get("authorization", "").partition(" ")[2].strip()
        path = incoming.path.removeprefix("/_emulator")
        try:
            reply = controls.answer(self._org, incoming.method, path, token, incoming.body)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not look like the network's
            _log.exception("no answer to %s %s", incoming.method, incoming.target)
            reply = Reply({"error": repr(error)}, 500)
        return self._response(incoming, reply)

    async def _serve(self, incoming: Incoming, scope: Scope, receive: Receive, send: Send) -> Response | None:
        org, profile = self._org, self._profile(incoming)
        fault = org.faults.find(incoming.method, incoming.target, incoming.body, profile)
        gate = org.barrier.find(incoming.method, incoming.target, incoming.body, profile)
        entry = _entry(org, incoming, fault)
        moment = org.clock.now() if fault is not None and fault.delay is not None else None
        if fault is not None and not await self._before(fault, moment, scope, receive):
            _abort(scope)
            return None
        await self._wait_for_release(gate, BEFORE)
        started = time.perf_counter()
        response = await run_in_threadpool(self._answer, incoming, fault, entry, moment)
        entry["seconds"] = round(time.perf_counter() - started, 6)
        await self._wait_for_release(gate, AFTER)
        return await self._spoil(fault, response, entry, scope, send)

    async def _before(self, fault: Fault, moment: datetime | None, scope: Scope, receive: Receive) -> bool:
        """Do what a fault does before the work; False where the work is not to be done, or a reset came first."""
        generation = self._org.generation
        if fault.kind == "drop_request":
            return False
        if fault.kind == "timeout":
            await _until_gone(receive, fault.seconds)
            return False
        if fault.kind == "slow" and not fault.after:
            await asyncio.sleep(fault.seconds)
        if moment is not None and fault.delay is not None:
            _abort(scope)
            await self._wait_for_clock(moment.timestamp() + fault.delay, generation)
        return self._org.generation == generation

    def _profile(self, incoming: Incoming) -> str:
        user = self._org.users.of_session(service.session_token(incoming))
        return user.profile if user else ""

    async def _spoil(
        self, fault: Fault | None, response: Response, entry: dict[str, Any], scope: Scope, send: Send
    ) -> Response | None:
        kind = fault.kind if fault else ""
        if fault is not None and kind == "slow" and fault.after:
            await asyncio.sleep(fault.seconds)
        if kind == "drop_reply":
            entry["processed"] = response.status_code
            _abort(scope)
            return None
        entry["status"] = response.status_code
        if kind == "truncate":
            await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
            whole = await _body(response)
            half = whole[: len(whole) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await asyncio.sleep(_POLL_SECONDS)
            _abort(scope)
            return None
        return response

    async def _wait_for_release(self, gate: Fault | None, when: str) -> None:
        """Wait as long as a barrier that the request met is up."""
        barrier = self._org.barrier
        if not barrier.holds(gate, when):
            return
        barrier.arrive()
        try:
            async with asyncio.timeout(MAX_SECONDS):
                while barrier.holds(gate, when):  # noqa: ASYNC110 - the controls run in threads
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            _log.warning("a request waited at a barrier for %s s and goes on", MAX_SECONDS)
        finally:
            barrier.leave()

    async def _wait_for_clock(self, until: float, generation: int) -> None:
        """Wait until the org's clock says so, whatever moves it, or until the org is reset."""
        while self._org.clock.now().timestamp() < until and self._org.generation == generation:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)

    def _answer(
        self, incoming: Incoming, fault: Fault | None, entry: dict[str, Any], moment: datetime | None
    ) -> Response:
        return self._response(incoming, service.serve(self._org, incoming, fault, entry, moment))

    def _response(self, incoming: Incoming, reply: Reply) -> Response:
        headers = {**_COMMON, **reply.headers, "Date": http_date(self._org.clock.now())}
        body = reply.body
        if body is None:
            return Response(b"", reply.status, headers)
        if isinstance(body, Iterator):
            return StreamingResponse(body if incoming.method != "HEAD" else iter(()), reply.status, headers)
        if isinstance(body, bytes):
            headers.setdefault("Content-Type", _HTML)
        else:
            pretty = incoming.headers.get("x-prettyprint") == "1"
            body = orjson.dumps(body, option=orjson.OPT_INDENT_2 if pretty else None)
            headers |= {"Content-Type": service.JSON, "Vary": "Accept-Encoding"}
        if incoming.method == "HEAD":
            headers["Content-Length"] = str(len(body))
            return Response(b"", reply.status, headers)
        return Response(body, reply.status, headers)


def _entry(org: Org, incoming: Incoming, fault: Fault | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "at": org.clock.stamp(),
        "method": incoming.method,
        "path": incoming.path,
        "query": incoming.query,
        "user": None,
        "status": None,
        "counted": False,
        "calls": 0,
    }
    if fault is not None:
        entry["fault"] = fault.kind
    org.requests.add(entry)
    return entry


async def _body(response: Response) -> bytes:
    """Return what a response sends, also where it comes in pieces."""
    if not isinstance(response, StreamingResponse):
        return bytes(response.body)
    pieces = [piece async for piece in response.body_iterator]
    return b"".join(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces)


def _abort(scope: Scope) -> None:
    """Break the connection without another byte."""
    scope["extensions"][TRANSPORT]["transport"].abort()


async def _until_gone(receive: Receive, seconds: float) -> None:
    """Wait until the client has gone, or for so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
