"""The Web API as HTTP: reads the call, checks token and scopes, lets faults happen, answers like Slack."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bot.sandbox.asked import Asked
from bot.sandbox.faults import FILE, RESPONSE_URL, Call, Fault, redacted
from bot.sandbox.methods import METHODS, Method
from bot.sandbox.model import SlackError
from bot.sandbox.responses import respond
from bot.sandbox.workspace import Workspace

ACK_IS_NEAR = 0.05
"""Seconds that a changed view waits for acks which are still out; longer ones were never sent."""
_REFUSED_URLS = frozenset({"used_url", "expired_url", "message_not_found"})


def routes(workspace: Workspace) -> list[BaseRoute]:
    """`/api/{method}` for every Web API method, `/response/{ticket}` for response_urls, `/files-pri/` for files."""

    async def call(request: Request) -> Response:
        return await _call(workspace, request)

    async def response_url(request: Request) -> Response:
        return await _respond(workspace, request)

    async def file(request: Request) -> Response:
        return await _file(workspace, request)

    return [
        Route("/api/{method}", call, methods=["GET", "POST"]),
        Route("/files-pri/{team}-{id}/download/{name}", file),
        Route("/files-pri/{team}-{id}/{name}", file),
        Route("/response/{ticket}", response_url, methods=["POST"]),
    ]


async def _call(workspace: Workspace, request: Request) -> Response:
    name = request.path_params["method"]
    arguments = await _arguments(request)
    token = _token(request, arguments)
    call = Call(name, arguments, redacted(token), workspace.clock())
    workspace.calls.append(call)
    fault = workspace.faults.take(name)
    if fault and (answer := await _fails_before(workspace, request, call, fault)):
        return answer
    if name == "views.update":
        await workspace.delivery.acks_come_in(ACK_IS_NEAR)
    method = METHODS.get(name)
    body: dict[str, Any]
    try:
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        _check_token(workspace, method, token)
        asked = Asked(workspace, name, arguments)
        asked.need(*method.scopes)
        body = {"ok": True, **method.run(asked)}
        call.outcome = "ok"
    except SlackError as refused:
        body = _refusal(refused)
        call.outcome = refused.code
    call.answer = body
    if fault and fault.kind == "cut_after":
        call.outcome = fault.kind
        return _cut(request)
    return JSONResponse(body, headers=_headers(workspace, method))


async def _respond(workspace: Workspace, request: Request) -> Response:
    arguments = await _arguments(request)
    call = Call(RESPONSE_URL, arguments, "", workspace.clock())
    workspace.calls.append(call)
    fault = workspace.faults.take(RESPONSE_URL)
    if fault and (answer := await _fails_before(workspace, request, call, fault)):
        return answer
    try:
        respond(workspace, request.path_params["ticket"], arguments)
    except SlackError as refused:
        call.outcome = refused.code
        return JSONResponse(_refusal(refused), status_code=404 if refused.code in _REFUSED_URLS else 400)
    call.outcome = "ok"
    if fault and fault.kind == "cut_after":
        call.outcome = fault.kind
        return _cut(request)
    return PlainTextResponse("ok")


async def _file(workspace: Workspace, request: Request) -> Response:
    """What somebody attached to a form. Whoever comes without the bot's token is sent to where people log in."""
    token = _token(request, {})
    call = Call(FILE, dict(request.path_params), redacted(token), workspace.clock())
    workspace.calls.append(call)
    fault = workspace.faults.take(FILE)
    if fault and (answer := await _fails_before(workspace, request, call, fault)):
        return answer
    attachment = workspace.attachments.get(request.path_params["id"])
    app = workspace.app
    if token != app.bot_token or app.revoked or "files:read" not in app.scopes:
        call.outcome = "not_allowed"
        return RedirectResponse(f"{workspace.team_url}?redir={quote(request.url.path)}", status_code=302)
    if attachment is None:
        call.outcome = "file_not_found"
        return PlainTextResponse("Not Found", status_code=404)
    call.outcome = "ok"
    headers = {"content-disposition": "attachment"}
    kind = mimetypes.guess_type(attachment.name)[0] or "application/octet-stream"
    return Response(attachment.content, media_type=kind, headers=headers)


async def _arguments(request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            shape = json.loads(await request.body() or b"{}")
        except ValueError:
            return {}
        return arguments | shape if isinstance(shape, dict) else arguments
    return arguments | {key: value for key, value in (await request.form()).items() if isinstance(value, str)}


def _token(request: Request, arguments: dict[str, Any]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    sent = arguments.pop("token", "")
    return token if scheme.lower() == "bearer" else str(sent)


def _check_token(workspace: Workspace, method: Method, token: str) -> None:
    app = workspace.app
    if not token:
        raise SlackError("not_authed")
    if token not in {app.bot_token, app.app_token}:
        raise SlackError("invalid_auth")
    if app.revoked:
        raise SlackError("token_revoked")
    wanted = app.app_token if method.token == "app" else app.bot_token  # noqa: S105 - the kind of token
    if token != wanted:
        raise SlackError("not_allowed_token_type")


async def _fails_before(workspace: Workspace, request: Request, call: Call, fault: Fault) -> Response | None:
    """The answer of a call that goes wrong before its work is done; None when the work is to be done."""
    if fault.kind in {"slow", "cut_after"}:
        await asyncio.sleep(fault.seconds)
        return None
    call.outcome = fault.code if fault.kind == "error" else fault.kind
    match fault.kind:
        case "ratelimited":
            headers = {"retry-after": f"{fault.seconds:g}"}
            return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers=headers)
        case "server_error":
            return PlainTextResponse("Internal Server Error", status_code=500, media_type="text/html")
        case "cut_before":
            return _cut(request)
        case _:
            return JSONResponse({"ok": False, "error": fault.code}, headers=_headers(workspace, None))


def _cut(request: Request) -> Response:
    request.state.cut()
    # Nobody is there to read it, but a handler has to return something.
    return Response(status_code=204)


def _refusal(refused: SlackError) -> dict[str, Any]:
    body: dict[str, Any] = {"ok": False, "error": refused.code, **refused.extra}
    if refused.messages:
        if refused.code == "invalid_blocks":
            body["errors"] = [message.removeprefix("[ERROR] ") for message in refused.messages]
        body["response_metadata"] = {"messages": list(refused.messages)}
    return body


def _headers(workspace: Workspace, method: Method | None) -> dict[str, str]:
    headers = {"x-oauth-scopes": ",".join(sorted(workspace.app.scopes)), "x-slack-req-id": workspace.fresh_id("req")}
    if method is not None and method.scopes:
        headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
    return headers
