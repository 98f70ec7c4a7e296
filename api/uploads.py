"""Files sent piece by piece, to be imported: begun, continued where they broke off, asked after.

After tus.io, cut to what is needed: `Upload-Offset` says where a piece belongs.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from api.answers import Json
from api.context import Context, ContextDep
from api.documents import UploadDocument
from api.session import PublisherDep
from layers.errors import NotFound
from layers.uploads import MAX_SIZE, Upload, append, get_upload, start_upload

router = APIRouter(tags=["imports"], prefix="/api/v1")

UploadId = Annotated[uuid.UUID, InPath(description="上传编号 Upload id")]
PIECE = {"requestBody": {"required": True, "content": {"application/offset+octet-stream": {}}}}


class NewUpload(BaseModel):
    """A file that is going to be sent."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200, description="文件名 As the file is called")]
    size: Annotated[int, Field(ge=1, le=MAX_SIZE, description="字节数 Bytes of the whole file")]


@router.post("/uploads", response_model=UploadDocument, status_code=201)
async def begin_upload(wanted: NewUpload, context: ContextDep, viewer: PublisherDep) -> Json:
    """Makes room for a file; its pieces follow by PATCH, the next at `Upload-Offset` (publishers)."""
    upload = await start_upload(
        context.database, folder_of(context), name=wanted.name, size=wanted.size, by=viewer.name
    )
    return _answer(upload, 201)


@router.get("/uploads/{upload_id}", response_model=UploadDocument)
async def ask_upload(upload_id: UploadId, context: ContextDep, viewer: PublisherDep) -> Json:
    """How much of a file has arrived, also in `Upload-Offset`; HEAD gives the headers alone (publishers)."""
    return _answer(await get_upload(context.database, folder_of(context), upload_id, viewer))


@router.patch("/uploads/{upload_id}", response_model=UploadDocument, openapi_extra=PIECE)
async def continue_upload(
    upload_id: UploadId,
    request: Request,
    context: ContextDep,
    viewer: PublisherDep,
    offset: Annotated[
        int, Header(alias="Upload-Offset", ge=0, le=MAX_SIZE, description="此段的起始字节 Where it begins")
    ],
) -> Json:
    """Adds the body to a file from `Upload-Offset` on; what came of a broken request stays (publishers)."""
    folder = folder_of(context)
    upload = await get_upload(context.database, folder, upload_id, viewer)
    await append(folder, upload, offset, request.stream())
    return _answer(await get_upload(context.database, folder, upload_id, viewer))


def folder_of(context: Context) -> Path:
    """The folder of uploads; `NotFound` where the service keeps none."""
    if context.settings.uploads is None:
        raise NotFound("本服务不接收文件", "this service takes no files")
    return context.settings.uploads


def _answer(upload: Upload, status: int = 200) -> Json:
    told = {
        "id": str(upload.id),
        "name": upload.name,
        "size": upload.size,
        "offset": upload.offset,
        "is_complete": upload.is_complete,
        "started_at": upload.started_at,
    }
    headers = {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.size),
        "Cache-Control": "no-store",
    }
    return Json(told, status_code=status, headers=headers)
