"""A real server in a process of its own: `python -m tests.api.serve DATABASE_URL` prints its port.

In a thread it would not do: GDAL reads from it while holding the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from api.app import create_app
from api.settings import ApiSettings


async def main(database_url: str) -> None:
    app = create_app(ApiSettings(), database_url)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await running


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
