"""The client that measures reads every form of answer that the servers measured give."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.load import Load, asked_by

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-OneMap-Cache: hit\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\n\r\n"
NOTHING = b"HTTP/1.1 204 No Content\r\nX-OneMap-Cache: miss\r\n\r\n"


@pytest.mark.parametrize("piece", [1, 7, 10_000])
async def test_answers_with_a_length_in_chunks_and_without_a_body_are_read_to_their_end(piece: int) -> None:
    answers = iter([LENGTH, CHUNKS, NOTHING, CHUNKS, LENGTH])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(answer), piece):
                writer.write(answer[start : start + piece])
                await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        load: Load = await asked_by(server.sockets[0].getsockname()[1], ["/"] * 5, connections=1)
    assert load.statuses == {200: 4, 204: 1}
    assert load.cache == {"hit": 2, "": 2, "miss": 1}
    assert load.body_bytes == 4 * 5
    assert len(load.waits_s) == 5
