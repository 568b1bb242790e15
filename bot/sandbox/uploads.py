"""Files that the app hands to people: a place to send them to, and a message that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bot.sandbox.asked import Answer, Asked
from bot.sandbox.content import structure
from bot.sandbox.model import BOT_USER_ID, SlackError
from bot.sandbox.workspace import Workspace

MOST_BYTES = 1024 * 1024 * 1024
"""Slack's limit on one file."""


@dataclass(slots=True)
class Upload:
    """A file on its way: announced, then sent (`content`), then shared in `channel`."""

    id: str
    name: str
    length: int
    content: bytes | None = field(default=None, repr=False)
    channel: str = ""


def announce(asked: Asked) -> Answer:
    """files.getUploadURLExternal: where the bytes of a file are to be sent."""
    workspace, name = asked.workspace, asked.required("filename")
    try:
        length = int(asked.required("length"))
    except ValueError:
        raise SlackError("invalid_arguments", ("[ERROR] must be an integer [json-pointer:/length]",)) from None
    if not 0 < length <= MOST_BYTES:
        raise SlackError("invalid_arguments", ("[ERROR] length is out of bounds [json-pointer:/length]",))
    upload = Upload(workspace.fresh_id("F0UP"), name, length)
    workspace.uploads[upload.id] = upload
    return {"upload_url": f"{workspace.base_url}/upload/v1/{upload.id}", "file_id": upload.id}


def complete(asked: Asked) -> Answer:
    """files.completeUploadExternal: the files are there; a message in the channel carries them."""
    workspace = asked.workspace
    named = structure(asked.required("files"), "invalid_arguments")
    if not isinstance(named, list) or not named or not all(isinstance(one, Mapping) for one in named):
        raise SlackError("invalid_arguments", ("[ERROR] must be a list of files [json-pointer:/files]",))
    uploads = [_sent(workspace, str(one.get("id"))) for one in named]
    if asked.text("channel_id"):
        channel = asked.conversation(name="channel_id")
        if BOT_USER_ID not in channel.members:
            raise SlackError("not_in_channel")
        links = [f":page_facing_up: <{workspace.base_url}/files/{upload.id}|{upload.name}>" for upload in uploads]
        text = "\n".join(filter(None, [asked.text("initial_comment"), *links]))
        workspace.post(channel.id, BOT_USER_ID, text, by_app=True)
        for upload in uploads:
            upload.channel = channel.id
    return {
        "files": [
            {"id": upload.id, "title": str(one.get("title") or upload.name)}
            for upload, one in zip(uploads, named, strict=True)
        ]
    }


def routes(workspace: Workspace) -> list[BaseRoute]:
    """Where bytes are sent to, and where a shared file can be fetched."""

    async def send(request: Request) -> Response:
        upload = workspace.uploads.get(request.path_params["id"])
        content = await request.body()
        if upload is None or upload.content is not None or len(content) != upload.length:
            return PlainTextResponse("no such upload, or not of the length announced", 400)
        upload.content = content
        return PlainTextResponse(f"OK - {len(content)}")

    async def fetch(request: Request) -> Response:
        upload = workspace.uploads.get(request.path_params["id"])
        if upload is None or not upload.channel:
            return PlainTextResponse("Not Found", 404)
        headers = {"content-disposition": "attachment"}
        return Response(upload.content, media_type="application/octet-stream", headers=headers)

    return [
        Route("/upload/v1/{id}", send, methods=["POST"]),
        Route("/files/{id}", fetch, methods=["GET"]),
    ]


def _sent(workspace: Workspace, file_id: str) -> Upload:
    upload = workspace.uploads.get(file_id)
    if upload is None or upload.content is None or upload.channel:
        raise SlackError("file_not_found")
    return upload
