"""Small real HTTP servers on loopback that stand for services of other systems, and what they were asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from rio_tiler.utils import render


class Asked(NamedTuple):
    """One question: its path, query (names in lower case) and headers (names in lower case)."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Said(NamedTuple):
    """One answer."""

    body: bytes = b""
    media_type: str = "image/png"
    status: int = 200
    headers: Mapping[str, str] = {}


Teller = Callable[[Asked], Said]


@dataclass
class Origin:
    """A server that answers by `tell`, which may be replaced; `asked` is what it was asked, in order."""

    tell: Teller
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def origin(tell: Teller) -> Iterator[Origin]:
    """A server on a free port, until the end of the block."""
    served = Origin(tell)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "SecretServer/9.9"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
            asked = Asked(parts.path, query, {name.lower(): v for name, v in self.headers.items()})
            served.asked.append(asked)
            said = served.tell(asked)
            self.send_response(said.status)
            self.send_header("Content-Type", said.media_type)
            self.send_header("Content-Length", str(len(said.body)))
            self.send_header("Set-Cookie", "origin=1")
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def picture(red: int, green: int, blue: int, alpha: int = 255, size: int = 256) -> bytes:
    """A PNG of one colour."""
    colours = np.zeros((3, size, size), np.uint8)
    colours[:] = np.array([red, green, blue], np.uint8)[:, None, None]
    return bytes(render(colours, np.full((size, size), alpha, np.uint8), "PNG"))


WMS_130 = """<?xml version="1.0" encoding="UTF-8"?>
<WMS_Capabilities version="1.3.0" xmlns="http://www.opengis.net/wms" xmlns:xlink="http://www.w3.org/1999/xlink">
  <Service><Name>WMS</Name><Title>地下管线服务</Title></Service>
  <Capability>
    <Request>
      <GetMap><Format>image/jpeg</Format><Format>image/png</Format>
        <DCPType><HTTP><Get><OnlineResource xlink:href="http://inner.host:9999/wms?"/></Get></HTTP></DCPType>
      </GetMap>
    </Request>
    <Layer><Title>root</Title><CRS>EPSG:4490</CRS>%(crs)s
      <EX_GeographicBoundingBox><westBoundLongitude>116.4</westBoundLongitude>
        <eastBoundLongitude>116.6</eastBoundLongitude><southBoundLatitude>31.6</southBoundLatitude>
        <northBoundLatitude>31.9</northBoundLatitude></EX_GeographicBoundingBox>
      <Layer><Name>pipes</Name><Title>管线</Title><Abstract>全部管线</Abstract>
        <Attribution><Title>市规划局</Title></Attribution>
        <Style><Name>dark</Name><Title>暗</Title><LegendURL width="20" height="20"><Format>image/png</Format>
          <OnlineResource xlink:href="http://inner.host:9999/wms?REQUEST=GetLegendGraphic&amp;LAYER=pipes"/>
        </LegendURL></Style>
      </Layer>
      <Layer><Name>wells</Name><Title>井</Title></Layer>
    </Layer>
  </Capability>
</WMS_Capabilities>"""
RED = picture(255, 0, 0)
LEGEND = picture(0, 0, 255, size=20)


def wms(crs: str = "<CRS>EPSG:3857</CRS>") -> Teller:
    """A WMS 1.3.0 whose pictures are red."""

    def tell(asked: Asked) -> Said:
        request = asked.query.get("request", "").lower()
        if request == "getcapabilities":
            return Said((WMS_130 % {"crs": crs}).encode(), "text/xml")
        if request == "getmap":
            return Said(RED)
        if request == "getlegendgraphic":
            return Said(LEGEND)
        return Said(b"<html>which way?</html>", "text/html", 400)

    return tell
