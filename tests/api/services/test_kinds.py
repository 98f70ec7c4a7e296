"""What each kind of service says of itself, read; and how one square of ours is asked of it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from api.errors import OriginFailed
from api.services import arcgis, ogc_api, supermap, templates, wfs, wms, wmts
from api.services.features import read_page
from api.services.look import read_address
from api.services.offers import at_asked_host, endpoint
from api.services.squares import plan
from api.services.xml import read_xml
from gis.squares import Tile, bounds_3857, degrees_of, tile_at
from layers.model import BoundingBox, ServiceLevel, ServiceSource
from layers.services import Secret
from tests.api.services.origin_server import WMS_130

LUAN = BoundingBox(116.4, 31.6, 116.6, 31.9)
TILE = tile_at(116.49, 31.74, 14)


def query(url: str) -> dict[str, str]:
    return {name.upper(): values[0] for name, values in parse_qs(urlsplit(url).query, True).items()}


# ---------------------------------------------------------------- XML of strangers

BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>"""
OUTSIDE = b"""<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>"""
PARAMETER = b"""<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1/x"> %b;]><a/>"""


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        OUTSIDE,
        PARAMETER,
        b"",
        b"<a>",
        b"{}",
        b"<a>" * 200 + b"</a>" * 200,
        b"\x00",
        b"<a>&nothing;</a>",
    ],
)
def test_entities_depth_and_broken_xml_are_refused(body: bytes) -> None:
    with pytest.raises(OriginFailed):
        read_xml(body)


def test_a_document_type_without_entities_passes() -> None:
    body = b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd" [<!ELEMENT x EMPTY>]><x a="1"><y>t</y></x>'
    assert read_xml(body).said("y") == "t"


# ---------------------------------------------------------------- WMS

WMS_111 = """<!DOCTYPE WMT_MS_Capabilities SYSTEM "http://schemas.opengis.net/wms/1.1.1/capabilities_1_1_1.dtd"
 [<!ELEMENT VendorSpecificCapabilities EMPTY>]>
<WMT_MS_Capabilities version="1.1.1"><Service><Title>old</Title></Service><Capability><Request><GetMap>
<Format>image/gif</Format><DCPType><HTTP><Get><OnlineResource xmlns:xlink="http://www.w3.org/1999/xlink"
 xlink:href="http://a.example/own?x=1&amp;"/></Get></HTTP></DCPType></GetMap></Request>
<Layer><SRS>EPSG:4326 EPSG:2436</SRS><LatLonBoundingBox minx="116" miny="31" maxx="117" maxy="32"/>
<Layer><Name>a</Name><Title>A</Title></Layer></Layer></Capability></WMT_MS_Capabilities>"""


def test_a_wms_130_is_read_with_what_layers_inherit() -> None:
    look = wms.read_wms(read_xml((WMS_130 % {"crs": "<CRS>EPSG:3857</CRS>"}).encode()), "http://a/w?map=x")
    pipes, wells = look.offers
    assert (pipes.name, pipes.title, pipes.abstract) == ("pipes", "管线", "全部管线")
    assert pipes.bounds == wells.bounds == LUAN
    assert pipes.crs == ("EPSG:4490", "EPSG:3857")
    assert pipes.source is not None
    assert pipes.source.url == "http://a/w?map=x"
    assert (pipes.source.format, pipes.source.crs) == ("image/png", "EPSG:3857")
    assert pipes.source.legend.startswith("http://a/w?map=x&")
    assert wells.source is not None
    assert wells.source.legend == ""


def test_a_wms_111_is_read_and_asked_longitude_first() -> None:
    (offer,) = wms.read_wms(read_xml(WMS_111.encode()), "http://a.example/wms").offers
    assert offer.bounds == (116, 31, 117, 32)
    assert offer.source is not None
    asked = query(wms.map_url(offer.source, (116.0, 31.0, 117.0, 32.0), 256, 300))
    assert (asked["VERSION"], asked["SRS"], asked["BBOX"]) == ("1.1.1", "EPSG:4326", "116,31,117,32")
    assert (asked["X"], asked["WIDTH"], asked["HEIGHT"]) == ("1", "256", "300")


@pytest.mark.parametrize(
    ("crs", "box"),
    [
        ("EPSG:4326", "31,116,32,117"),
        ("EPSG:4490", "31,116,32,117"),
        ("CRS:84", "116,31,117,32"),
        ("EPSG:3857", "116,31,117,32"),
    ],
)
def test_in_wms_130_the_order_of_axes_is_the_systems_own(crs: str, box: str) -> None:
    source = ServiceSource("wms", "http://a/", "x", "1.3.0", crs=crs)
    assert query(wms.map_url(source, (116.0, 31.0, 117.0, 32.0), 1, 1))["BBOX"] == box


def test_a_wms_in_a_gauss_zone_only_says_why_it_cannot_be_shown() -> None:
    told = WMS_111.replace("EPSG:4326 EPSG:2436", "EPSG:4527")
    (offer,) = wms.read_wms(read_xml(told.encode()), "http://a.example/wms").offers
    assert offer.source is None
    assert offer.problem is not None
    assert "EPSG:4527" in offer.problem.en


# ---------------------------------------------------------------- WMTS

SET = """<TileMatrixSet><ows:Identifier>{name}</ows:Identifier><ows:SupportedCRS>{crs}</ows:SupportedCRS>
{levels}</TileMatrixSet>"""
LEVEL = """<TileMatrix><ows:Identifier>{id}</ows:Identifier><ScaleDenominator>{scale}</ScaleDenominator>
<TopLeftCorner>{corner}</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>
<MatrixWidth>{wide}</MatrixWidth><MatrixHeight>{high}</MatrixHeight></TileMatrix>"""


def wmts_document(
    sets: str, links: list[str], resource: str = "", kvp: str = "http://t0.example/img/wmts?"
) -> bytes:
    operations = (
        '<ows:OperationsMetadata><ows:Operation name="GetTile"><ows:DCP><ows:HTTP>'
        f'<ows:Get xlink:href="{kvp}">'
        '<ows:Constraint name="GetEncoding"><ows:AllowedValues><ows:Value>KVP</ows:Value></ows:AllowedValues>'
        "</ows:Constraint></ows:Get></ows:HTTP></ows:DCP></ows:Operation></ows:OperationsMetadata>"
        if kvp
        else ""
    )
    linked = "".join(
        f"<TileMatrixSetLink><TileMatrixSet>{n}</TileMatrixSet></TileMatrixSetLink>" for n in links
    )
    return f"""<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1"
 xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">{operations}<Contents><Layer>
<ows:Title>影像</ows:Title><ows:Identifier>img</ows:Identifier><ows:WGS84BoundingBox>
<ows:LowerCorner>-180 -90</ows:LowerCorner><ows:UpperCorner>180 90</ows:UpperCorner></ows:WGS84BoundingBox>
<Style isDefault="true"><ows:Identifier>default</ows:Identifier></Style><Format>tiles</Format>
<Format>image/png</Format>{linked}{resource}</Layer>{sets}</Contents></Capabilities>""".encode()


def levels_of(first: int, last: int, scale: float, corner: str, wide: int = 2, high: int = 1) -> str:
    return "".join(
        LEVEL.format(
            id=n, scale=scale / 2 ** (n - first), corner=corner,
            wide=wide * 2 ** (n - first), high=high * 2 ** (n - first),
        )
        for n in range(first, last + 1)
    )  # fmt: skip


TIANDITU_C = SET.format(
    name="c", crs="urn:ogc:def:crs:EPSG::4490", levels=levels_of(1, 18, 2.958293554545656e8, "90.0 -180.0")
)
TIANDITU_W = SET.format(
    name="w", crs="urn:ogc:def:crs:EPSG::900913",
    levels=levels_of(1, 18, 2.958293554545656e8, "20037508.3427892 -20037508.3427892", 2, 2),
)  # fmt: skip
URL = "http://t0.example/img/wmts"


def test_tianditu_w_gives_the_very_squares_of_web_mercator() -> None:
    (offer,) = wmts.read_wmts(read_xml(wmts_document(TIANDITU_W, ["w"])), URL).offers
    assert offer.source is not None
    assert (offer.source.matrix_set, offer.source.style, offer.source.format) == ("w", "default", "image/png")
    made = plan(offer.source, TILE)
    assert made.is_whole
    asked = query(made.parts[0].url)
    assert (asked["TILEMATRIX"], asked["TILECOL"], asked["TILEROW"]) == ("14", str(TILE.x), str(TILE.y))
    assert (asked["LAYER"], asked["TILEMATRIXSET"]) == ("img", "w")


def test_tianditu_c_is_asked_for_the_squares_in_degrees_that_cover_ours() -> None:
    """`docs/reference/http.md` names the square of 116.49° E, 31.71° N: level 15, row 5305, column 26987."""
    (offer,) = wmts.read_wmts(read_xml(wmts_document(TIANDITU_C, ["c"])), URL).offers
    assert offer.source is not None
    tile = tile_at(116.49, 31.71, 15)
    made = plan(offer.source, tile)
    assert not made.is_whole
    assert made.is_geographic
    asked = [query(part.url) for part in made.parts]
    assert {one["TILEMATRIX"] for one in asked} <= {"15", "16"}
    west, south, east, north = degrees_of(bounds_3857(tile))
    assert min(part.bounds[0] for part in made.parts) <= west
    assert max(part.bounds[2] for part in made.parts) >= east - 1e-9
    assert min(part.bounds[1] for part in made.parts) <= south
    assert max(part.bounds[3] for part in made.parts) >= north - 1e-9
    level = offer.source.levels[14]
    side = level.resolution * 256
    assert (int((116.49 + 180) / side), int((90 - 31.71) / side)) == (26987, 5305)


def test_web_mercator_is_taken_where_both_are_offered() -> None:
    (offer,) = wmts.read_wmts(read_xml(wmts_document(TIANDITU_C + TIANDITU_W, ["c", "w"])), URL).offers
    assert offer.source is not None
    assert offer.source.matrix_set == "w"


def test_a_wmts_by_address_alone_is_asked_by_its_template() -> None:
    resource = (
        '<ResourceURL format="image/png" resourceType="tile" template="http://t0.example/rest/{layer}/{Style}/'
        '{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.png"/>'
    )
    body = wmts_document(TIANDITU_W, ["w"], resource, kvp="")
    (offer,) = wmts.read_wmts(read_xml(body), "http://t0.example/rest/WMTSCapabilities.xml").offers
    assert offer.source is not None
    (part,) = plan(offer.source, TILE).parts
    assert part.url == f"http://t0.example/rest/img/default/w/14/{TILE.y}/{TILE.x}.png"


def test_a_wmts_in_a_gauss_zone_only_says_why_it_cannot_be_shown() -> None:
    gauss = SET.format(name="g", crs="urn:ogc:def:crs:EPSG::4549", levels=levels_of(0, 2, 1e6, "0 0"))
    (offer,) = wmts.read_wmts(read_xml(wmts_document(gauss, ["g"])), URL).offers
    assert offer.source is None
    assert offer.problem is not None


@pytest.mark.parametrize("corner", ["90.0 -180.0", "-180.0 90.0"])
def test_a_corner_in_degrees_is_understood_either_way(corner: str) -> None:
    told = SET.format(name="c", crs="EPSG:4326", levels=levels_of(0, 1, 2.795411320143589e8, corner))
    (offer,) = wmts.read_wmts(read_xml(wmts_document(told, ["c"])), URL).offers
    assert offer.source is not None
    assert (offer.source.levels[0].left, offer.source.levels[0].top) == (-180.0, 90.0)


# ---------------------------------------------------------------- ArcGIS

MAP_SERVER = {
    "currentVersion": 10.81, "mapName": "管线", "capabilities": "Map,Query,Data",
    "copyrightText": "<b>水务局</b>",
    "layers": [
        {"id": 0, "name": "组", "subLayerIds": [1]}, {"id": 1, "name": "给水管", "type": "Feature Layer"},
    ],
    "spatialReference": {"wkid": 102100, "latestWkid": 3857}, "singleFusedMapCache": False,
    "fullExtent": {"xmin": 12957000.0, "ymin": 3707000.0, "xmax": 12980000.0, "ymax": 3750000.0},
}  # fmt: skip
ARC = "https://gis.example/arcgis/rest/services/pipe/MapServer"


def test_an_arcgis_map_offers_itself_its_layers_and_their_features() -> None:
    look = arcgis.read_arcgis(MAP_SERVER, f"{ARC}/1?f=pjson")
    found = [(offer.name, offer.source.kind if offer.source else None) for offer in look.offers]
    assert found == [
        ("", "arcgis_map"), ("0", "arcgis_map"), ("1", "arcgis_map"), ("1/query", "arcgis_features"),
    ]  # fmt: skip
    whole, pipes = look.offers[0], look.offers[2]
    assert whole.bounds is not None
    assert 116 < whole.bounds.west < whole.bounds.east < 117
    assert pipes.source is not None
    assert (pipes.source.url, pipes.source.attribution) == (ARC, "水务局")
    made = plan(pipes.source, TILE)
    asked = query(made.parts[0].url)
    assert (asked["BBOXSR"], asked["IMAGESR"], asked["LAYERS"], asked["F"]) == (
        "3857",
        "3857",
        "show:1",
        "image",
    )
    assert made.is_whole


def test_an_arcgis_map_with_squares_like_ours_gives_those() -> None:
    lods = [{"level": n, "resolution": 156543.03392800014 / 2**n, "scale": 1} for n in range(20)]
    origin = {"x": -20037508.342787, "y": 20037508.342787}
    info = {"rows": 256, "cols": 256, "origin": origin, "lods": lods, "spatialReference": {"wkid": 102100}}
    told = {**MAP_SERVER, "singleFusedMapCache": True, "tileInfo": info}
    offer = arcgis.read_arcgis(told, ARC).offers[0]
    assert offer.source is not None
    made = plan(offer.source, TILE)
    assert made.is_whole
    assert made.parts[0].url == f"{ARC}/tile/14/{TILE.y}/{TILE.x}?blankTile=false"


def test_arcgis_squares_in_degrees_from_an_origin_of_their_own_are_put_together() -> None:
    lods = [{"level": n, "resolution": 0.703125 / 2**n} for n in range(18)]
    info = {"rows": 256, "cols": 256, "origin": {"x": -400.0, "y": 400.0}, "lods": lods,
            "spatialReference": {"wkid": 4490}}  # fmt: skip
    told = {**MAP_SERVER, "singleFusedMapCache": True, "tileInfo": info}
    offer = arcgis.read_arcgis(told, ARC).offers[0]
    assert offer.source is not None
    made = plan(offer.source, TILE)
    west, south, east, north = degrees_of(bounds_3857(TILE))
    assert made.is_geographic
    assert 1 < len(made.parts) <= 9
    assert min(p.bounds[0] for p in made.parts) <= west < east <= max(p.bounds[2] for p in made.parts) + 1e-9
    assert (
        min(p.bounds[1] for p in made.parts) <= south < north <= max(p.bounds[3] for p in made.parts) + 1e-9
    )


@pytest.mark.parametrize(("code", "word"), [(499, "token"), (400, "error")])
def test_an_arcgis_error_is_told_without_its_text(code: int, word: str) -> None:
    told = {"error": {"code": code, "message": "C:\\inetpub\\secret"}}
    with pytest.raises(OriginFailed) as failed:
        arcgis.read_arcgis(told, ARC)
    assert word in failed.value.en
    assert "inetpub" not in failed.value.en


def test_a_feature_server_is_asked_in_degrees_and_says_that_there_is_more() -> None:
    look = arcgis.read_arcgis({"layers": [{"id": 3, "name": "井"}], "fullExtent": {}},
                              ARC.replace("MapServer", "FeatureServer"))  # fmt: skip
    source = look.offers[0].source
    assert source is not None
    asked = query(arcgis.query_url(source, LUAN, 50, 100))
    assert (asked["INSR"], asked["OUTSR"], asked["F"]) == ("4326", "4326", "geojson")
    assert (asked["RESULTRECORDCOUNT"], asked["RESULTOFFSET"]) == ("50", "100")
    body = json.dumps({"type": "FeatureCollection", "features": [point(116.5, 31.7)],
                       "properties": {"exceededTransferLimit": True}}).encode()  # fmt: skip
    page = read_page(source, body, "http://x", LUAN, 50, 0)
    assert page.following is not None
    assert query(page.following)["RESULTOFFSET"] == "1"


# ---------------------------------------------------------------- SuperMap

ISERVER = "http://is.example:8090/iserver/services/map-city/rest/maps"


def test_supermaps_list_of_maps_and_one_map_are_read() -> None:
    look = supermap.read_supermap([{"name": "六安@城市", "path": f"{ISERVER}/x"}], f"{ISERVER}.json")
    source = look.offers[0].source
    assert source is not None
    assert source.url == f"{ISERVER}/%E5%85%AD%E5%AE%89@%E5%9F%8E%E5%B8%82"
    told = {"name": "六安", "bounds": {"left": 116.4, "bottom": 31.6, "right": 116.6, "top": 31.9},
            "prjCoordSys": {"epsgCode": 4490}}  # fmt: skip
    one = supermap.read_supermap(told, f"{ISERVER}/luan.json").offers[0]
    assert one.bounds == LUAN
    assert one.source is not None
    made = plan(one.source, TILE)
    assert made.parts[0].url.startswith(f"{ISERVER}/luan/zxyTileImage/14/{TILE.x}/{TILE.y}.png?")
    assert json.loads(query(made.parts[0].url)["PRJCOORDSYS"]) == {"epsgCode": 3857}


@pytest.mark.parametrize(
    "url",
    [
        f"{ISERVER}/luan",
        f"{ISERVER}/luan.html",
        f"{ISERVER}/luan/zxyTileImage.png?x=1",
        f"{ISERVER}/luan.json?token=1",
    ],
)
def test_a_supermap_map_is_found_by_any_address_below_it(url: str) -> None:
    assert supermap.description_url(url) == f"{ISERVER}/luan.json"


# ---------------------------------------------------------------- templates


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        ("http://a/{z}/{x}/{y}.png", "http://a/3/5/2.png"),
        ("http://a/{z}/{x}/{-y}.png", "http://a/3/5/5.png"),
        ("http://{s}.a/{z}/{x}/{y}{r}.png", "http://a.a/3/5/2.png"),
        ("http://t{s}.a/{z}/{x}/{y}", "http://t0.a/3/5/2"),
        ("http://t{0-7}.a/w?T=1&X={x}&Y={y}&L={z}", "http://t0.a/w?T=1&X=5&Y=2&L=3"),
        ("http://a/{q}.jpeg", "http://a/121.jpeg"),
    ],
)
def test_a_template_is_filled_with_the_square(template: str, asked: str) -> None:
    assert templates.is_template(template)
    source = templates.read_template(template).offers[0].source
    assert source is not None
    assert plan(source, Tile(3, 5, 2)).parts[0].url == asked


def test_a_template_with_an_unknown_place_is_refused() -> None:
    with pytest.raises(OriginFailed):
        templates.read_template("http://a/{z}/{x}/{y}/{day}.png")


def test_tilejson_says_its_layers_bounds_and_rows_from_the_south() -> None:
    told = {"tilejson": "3.0.0", "tiles": ["/t/{z}/{x}/{y}.pbf"], "scheme": "tms",
            "minzoom": 2, "maxzoom": 14,
            "vector_layers": [{"id": "road"}, {"id": "water"}], "bounds": [116.4, 31.6, 116.6, 31.9],
            "attribution": "<a href='javascript:x'>某局</a>"}  # fmt: skip
    offer = templates.read_tilejson(told, "http://a/tiles.json").offers[0]
    assert offer.source is not None
    assert (offer.source.kind, offer.source.parts, offer.source.attribution) == (
        "mvt",
        ("road", "water"),
        "某局",
    )
    assert (offer.min_zoom, offer.max_zoom, offer.bounds) == (2, 14, LUAN)
    assert plan(offer.source, Tile(3, 5, 2)).parts[0].url == "http://a/t/3/5/5.pbf"


# ---------------------------------------------------------------- features

WFS_200 = """<wfs:WFS_Capabilities version="2.0.0" xmlns:wfs="http://www.opengis.net/wfs/2.0"
 xmlns:ows="http://www.opengis.net/ows/1.1"><ows:OperationsMetadata><ows:Operation name="GetFeature">
<ows:Parameter name="outputFormat"><ows:AllowedValues><ows:Value>application/gml+xml; version=3.2</ows:Value>
<ows:Value>application/json</ows:Value></ows:AllowedValues></ows:Parameter></ows:Operation>
</ows:OperationsMetadata><FeatureTypeList><FeatureType><Name>gh:plan</Name><Title>控规</Title>
<DefaultCRS>urn:ogc:def:crs:EPSG::4490</DefaultCRS><ows:WGS84BoundingBox>
<ows:LowerCorner>116.4 31.6</ows:LowerCorner><ows:UpperCorner>116.6 31.9</ows:UpperCorner>
</ows:WGS84BoundingBox></FeatureType></FeatureTypeList></wfs:WFS_Capabilities>"""


def point(lon: float, lat: float) -> dict[str, object]:
    shape = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "id": "p", "geometry": shape, "properties": {"name": "井"}}


def test_a_wfs_is_read_and_asked_for_geojson() -> None:
    (offer,) = wfs.read_wfs(read_xml(WFS_200.encode()), "http://a/wfs").offers
    assert (offer.name, offer.bounds) == ("gh:plan", LUAN)
    assert offer.source is not None
    asked = query(wfs.page_url(offer.source, LUAN, 10, 20))
    assert (asked["TYPENAMES"], asked["OUTPUTFORMAT"]) == ("gh:plan", "application/json")
    assert (asked["COUNT"], asked["STARTINDEX"]) == ("10", "20")


def test_a_wfs_that_gives_no_geojson_says_so() -> None:
    told = WFS_200.replace("application/json", "SHAPE-ZIP")
    (offer,) = wfs.read_wfs(read_xml(told.encode()), "http://a/wfs").offers
    assert offer.source is None
    assert offer.problem is not None


def test_an_ogc_apis_collections_offer_features_and_tiles() -> None:
    rel = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector"
    links = [
        {"rel": "items", "type": "text/html", "href": "http://inner/ogc/collections/road/items?f=html"},
        {
            "rel": "items",
            "type": "application/geo+json",
            "href": "http://inner/ogc/collections/road/items?f=json",
        },
        {"rel": rel, "href": "http://inner/ogc/collections/road/tiles"},
    ]
    one = {"id": "road", "title": "道路", "links": links, "extent": {"spatial": {"bbox": [list(LUAN)]}}}
    look = ogc_api.read_collections({"collections": [one], "links": []}, "http://a.example/ogc/collections")
    features, tiles = look.offers
    assert features.source is not None
    assert features.source.url == "http://a.example/ogc/collections/road/items"
    assert tiles.source is not None
    made = plan(tiles.source, TILE)
    assert (
        made.parts[0].url
        == f"http://a.example/ogc/collections/road/tiles/WebMercatorQuad/14/{TILE.y}/{TILE.x}"
    )
    landing = {"links": [{"rel": "data", "href": "http://inner/ogc/collections?f=json"}]}
    assert ogc_api.is_ogc_api(landing)
    assert (
        ogc_api.collections_url(landing, "http://a.example/ogc/") == "http://a.example/ogc/collections?f=json"
    )


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [116.5]},
        {"type": "Point", "coordinates": ["116.5", "31.7"]},
        {"type": "Point", "coordinates": [1e308, 31.7]},
        {"type": "Polygon", "coordinates": [[116.5, 31.7]]},
        {"type": "Circle", "coordinates": [116.5, 31.7]},
        {"type": "Point"},
        {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": []}]},
        "POINT (1 2)",
    ],
)
def test_a_shape_that_is_none_is_dropped_and_counted(geometry: object) -> None:
    body = json.dumps({"features": [point(116.5, 31.7), {**point(1, 1), "geometry": geometry}, 7]}).encode()
    page = read_page(ServiceSource("wfs", "http://a", "x", "2.0.0"), body, "http://a", LUAN, 10, 0)
    assert (len(page.features), page.dropped) == (1, 2)


@pytest.mark.parametrize(
    "body", [b"", b"<ows:ExceptionReport/>", b"[]", b'{"features": 1}', b'{"error": {"code": 1}}']
)
def test_what_is_no_collection_of_features_is_refused(body: bytes) -> None:
    with pytest.raises(OriginFailed):
        read_page(ServiceSource("wfs", "http://a", "x", "2.0.0"), body, "http://a", LUAN, 10, 0)


# ---------------------------------------------------------------- addresses


def test_what_is_secret_is_taken_out_of_an_address() -> None:
    url = "http://u:p%40ss@gis.example/城市/{z}/{x}/{y}?TK=abc&layer=a%2Fb&token=t"
    asked = read_address(url, [Secret("query", "token", "newer")])
    assert asked.url == "http://gis.example/%E5%9F%8E%E5%B8%82/{z}/{x}/{y}?layer=a%2Fb"
    assert set(asked.secrets) == {
        Secret("query", "TK", "abc"), Secret("query", "token", "newer"), Secret("basic", "u", "p@ss"),
    }  # fmt: skip
    assert "abc" not in repr(asked.secrets)


def test_what_a_service_says_of_itself_is_asked_where_it_was_found() -> None:
    assert endpoint("http://inner:1/own?", "http://a/wms?map=x") == "http://a/wms?map=x"
    assert endpoint("http://a/own?x=1", "http://a/wms") == "http://a/own?x=1"
    assert at_asked_host("http://inner:1/p/items", "https://a/ogc/") == "https://a/p/items"


def test_a_level_that_would_take_too_many_squares_gives_nothing() -> None:
    far = ServiceLevel("9", 0.0001, -180.0, 90.0, 256, 256, 1 << 30, 1 << 30)
    source = ServiceSource("wmts", "http://a", "x", "1.0.0", crs="EPSG:4490", levels=(far,))
    assert plan(source, Tile(3, 5, 2)).parts == ()
