"""Another system's page: a bare MapLibre map that knows nothing of One Map but the address of a style."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import ROOT, STILL_WITHIN_MS, Visit

MAPLIBRE = ROOT / "web" / "node_modules" / "maplibre-gl" / "dist"
BARE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<style>html, body, #map { height: 100%; margin: 0 }</style><div id="map"></div>
<script type="module">
import { Map, setWorkerUrl } from './maplibre-gl.mjs'
setWorkerUrl('./maplibre-gl-worker.mjs')
const [scheme, zoom, lat, lon] = location.hash.slice(1).split('/')
window.map = new Map({
  container: 'map', style: `/styles/all.json?scheme=${scheme}`, center: [lon, lat], zoom,
  fadeDuration: 0,
})
map.once('idle', () => { window.isStill = true })
</script>"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_bare_map_draws_our_symbols_and_letters_from_the_style_alone(
    visit: Callable[..., Visit], scheme: str
) -> None:
    visitor = visit()
    page, url = visitor.page, visitor.town.url
    answered: set[str] = set()
    page.on("response", lambda got: answered.add(got.url.removeprefix(url)))

    def serve(route: Route) -> None:
        name = route.request.url.partition("/bare/")[2].partition("#")[0]
        if name:
            route.fulfill(path=MAPLIBRE / name, content_type="text/javascript")
        else:
            route.fulfill(body=BARE, content_type="text/html")

    page.route(f"{url}/bare/**", serve)
    page.goto(f"{url}/bare/#{scheme}/18.2/{visitor.town.lat}/{visitor.town.lon}")
    page.wait_for_function("window.isStill", timeout=STILL_WITHIN_MS)
    drawn: dict[str, Any] = page.evaluate(
        """() => Object.fromEntries(['component-icon', 'building-name', 'road-name'].map((id) =>
             [id, map.queryRenderedFeatures({ layers: [id] }).length]))"""
    )
    assert all(drawn.values()), drawn
    assert page.evaluate("map.listImages().length") > 30
    assert {f"/sprites/{scheme}.json", f"/sprites/{scheme}.png"} <= answered
    assert any(path.endswith("/0-255.pbf") for path in answered), "no letters were asked for"
