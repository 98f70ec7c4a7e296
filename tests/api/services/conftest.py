"""The application over a city of the test's own, allowed to ask servers on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.services.hosts import HostRules
from api.settings import ApiSettings
from tests.api.conftest import City, client_of


@pytest.fixture
async def app(own_city: City) -> AsyncIterator[FastAPI]:
    settings = ApiSettings(service_hosts=HostRules.read(["127.0.0.1"]))
    app = create_app(settings, own_city.url)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as client:
        yield client
