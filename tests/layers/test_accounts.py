"""Accounts, passwords, sessions, keys."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from layers import accounts
from layers.db import Database
from layers.errors import BadRequest, Conflict, LoginNeeded, NotFound

PASSWORD = "correct horse"


async def test_a_session_stands_for_its_account_until_it_ends(database: Database) -> None:
    await accounts.load_departments(database, [accounts.Department("CG01", "城管局", "Urban management")])
    await accounts.create_account(
        database, "李四", password=PASSWORD, roles=("inspector",), department="CG01", districts=("341502",)
    )
    secret, viewer = await accounts.log_in(database, "李四", PASSWORD, "10.0.0.1")
    assert viewer.districts == ("341502",)
    assert viewer.has("inspector")
    assert await accounts.viewer_of(database, secret) == viewer
    await accounts.log_out(database, secret)
    assert await accounts.viewer_of(database, secret) is None


async def test_no_secret_stands_in_the_database(database: Database) -> None:
    await accounts.create_account(database, "a", password=PASSWORD)
    secret, _ = await accounts.log_in(database, "a", PASSWORD, "c")
    async with database.connect() as connection:
        for table in ("account", "credential"):
            kept = await connection.execute(text(f"SELECT t::text FROM onemap.{table} t"))
            assert not any(s in row[0] for row in kept for s in (secret, PASSWORD, secret.encode().hex()))


async def test_a_wrong_password_and_a_wrong_name_sound_alike(database: Database) -> None:
    await accounts.create_account(database, "a", password=PASSWORD)
    for name in ("a", "nobody", "a\x00"):
        with pytest.raises(LoginNeeded, match="wrong name or password"):
            await accounts.log_in(database, name, "wrong password", "c")


async def test_after_many_failures_even_the_right_password_waits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MAX_ATTEMPTS_BY_NAME", 2)
    await accounts.create_account(database, "a", password=PASSWORD)
    for _ in range(2):
        with pytest.raises(LoginNeeded):
            await accounts.log_in(database, "a", "wrong password", "c")
    with pytest.raises(accounts.TooManyAttempts) as refused:
        await accounts.log_in(database, "a", PASSWORD, "c")
    assert refused.value.facts["retry_after_s"] > 0


async def test_a_login_that_succeeds_forgets_the_failures(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MAX_ATTEMPTS_BY_NAME", 2)
    await accounts.create_account(database, "a", password=PASSWORD)
    for _ in range(3):
        with pytest.raises(LoginNeeded):
            await accounts.log_in(database, "a", "wrong password", "c")
        await accounts.log_in(database, "a", PASSWORD, "c")


async def test_a_key_ends_with_its_days_its_revocation_or_its_account(database: Database) -> None:
    await accounts.create_account(database, "system")
    lasting, short = [await accounts.make_key(database, "system", label, 1) for label in ("l", "s")]
    async with database.begin() as connection:
        await connection.execute(
            text("UPDATE onemap.credential SET expires_at = now() - interval '1 s' WHERE label = 's'")
        )
    assert await accounts.viewer_of(database, short) is None
    assert await accounts.viewer_of(database, lasting) is not None
    await accounts.set_active(database, "system", False)
    assert await accounts.viewer_of(database, lasting) is None
    await accounts.set_active(database, "system", True)
    assert await accounts.revoke_keys(database, "system", "l") == 1
    assert await accounts.viewer_of(database, lasting) is None


async def test_a_new_password_ends_the_sessions(database: Database) -> None:
    await accounts.create_account(database, "a", password=PASSWORD)
    secret, _ = await accounts.log_in(database, "a", PASSWORD, "c")
    await accounts.set_password(database, "a", "another horse")
    assert await accounts.viewer_of(database, secret) is None
    await accounts.log_in(database, "a", "another horse", "c")


async def test_impossible_accounts_are_refused_by_name(database: Database) -> None:
    wrong: list[tuple[str, dict[str, object]]] = [
        ("name", {"name": "a b"}),
        ("password", {"name": "a", "password": "short"}),
        ("roles", {"name": "a", "roles": ("king",)}),
        ("department", {"name": "a", "department": "none"}),
        ("districts", {"name": "a", "districts": ("34' OR 1=1",)}),
    ]
    for field, settings in wrong:
        with pytest.raises(BadRequest) as refused:
            await accounts.create_account(database, **settings)  # type: ignore[arg-type]
        assert refused.value.facts["field"] == field
    await accounts.create_account(database, "a")
    with pytest.raises(Conflict):
        await accounts.create_account(database, "a")
    await accounts.create_account(database, "a", if_exists="keep")
    with pytest.raises(NotFound):
        await accounts.make_key(database, "nobody")


async def test_the_department_and_the_districts_of_an_account_can_be_changed(database: Database) -> None:
    await accounts.load_departments(database, [accounts.Department("CG01", "城管局")])
    await accounts.create_account(database, "a", roles=("publisher",), department="CG01")
    key = await accounts.make_key(database, "a")
    for change, department, districts in (
        ({"districts": ("341502",)}, "CG01", ("341502",)),
        ({"department": ""}, None, ("341502",)),
        ({"department": "CG01", "districts": ()}, "CG01", ()),
        ({}, "CG01", ()),
    ):
        told = await accounts.set_reach(database, "a", **change)  # type: ignore[arg-type]
        viewer = await accounts.viewer_of(database, key)
        assert viewer is not None
        assert (told.department, told.districts) == (viewer.department, viewer.districts)
        assert (told.department, told.districts) == (department, districts)
    for wrong in ({"department": "nothing"}, {"districts": ("34",)}):
        with pytest.raises(BadRequest):
            await accounts.set_reach(database, "a", **wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await accounts.set_reach(database, "nobody", department="CG01")
