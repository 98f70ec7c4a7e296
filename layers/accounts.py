"""Who people and systems are: accounts, passwords, sessions and keys; from a secret to a `Viewer`.

What a viewer may see is decided in `layers.access`. Passwords are kept as argon2id hashes, session and
key secrets as SHA-256 (they are 256 random bits, so nothing slower is needed).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.access import ROLES, Role, Viewer
from layers.db import Database
from layers.errors import BadRequest, Conflict, LoginNeeded, NotFound, TooMuch

SESSION_HOURS = 12
"""A working day; then the person logs in again."""
MIN_PASSWORD = 8
MAX_PASSWORD = 1024
"""Characters; argon2 would hash any length, so a limit keeps a hostile one cheap."""
ATTEMPT_WINDOW = timedelta(minutes=15)
MAX_ATTEMPTS_BY_NAME = 10
"""Failed logins for one account within the window before further ones are refused unread."""
MAX_ATTEMPTS_BY_CLIENT = 50
"""The same for one client address, behind which a whole office may sit."""
USE_NOTED_EVERY = timedelta(minutes=5)
"""`last_used_at` is written at most this often, so that reading stays reading."""

_NAME = re.compile(r"[^\s\x00-\x1f]{1,64}")
_DISTRICT = re.compile(r"\d{6}|\d{9}|\d{12}")
_hasher = PasswordHasher()
# Verified against when the name is unknown, so that the time taken does not tell who exists.
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5bm9ib2R5bm9ib2R5$tVsMNNYwOUsJmFuXHqPrEQrzjFLIGtrwiN1NNE6dkGs"
)


class Department(NamedTuple):
    """A responsible unit (责任单位)."""

    code: str
    name: str
    name_en: str = ""


class Account(NamedTuple):
    """An account without its secrets."""

    name: str
    title: str
    roles: tuple[Role, ...]
    department: str | None
    districts: tuple[str, ...]
    is_active: bool


class TooManyAttempts(TooMuch):
    """Too many failed logins; `facts["retry_after_s"]` says when to come back."""


async def load_departments(db: Database, departments: Iterable[Department]) -> int:
    """Adds departments or renames those with the same code; returns how many were given."""
    values = [department._asdict() for department in departments]
    if not values:
        return 0
    statement = insert(schema.department).values(values)
    async with db.begin() as connection:
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["code"],
                set_={"name": statement.excluded.name, "name_en": statement.excluded.name_en},
            )
        )
    return len(values)


async def list_departments(db: Database) -> list[Department]:
    """Every department, by code."""
    table = schema.department
    async with db.connect() as connection:
        found = await connection.execute(
            select(table.c.code, table.c.name, table.c.name_en).order_by(table.c.code)
        )
        return [Department(*row) for row in found]


async def create_account(
    db: Database,
    name: str,
    *,
    password: str | None = None,
    title: str = "",
    roles: Sequence[Role] = ("viewer",),
    department: str | None = None,
    districts: Sequence[str] = (),
    if_exists: Literal["refuse", "keep"] = "refuse",
) -> Account:
    """Makes an account; without a password it can only be used by keys. "keep" leaves one that exists.

    Raises `Conflict` if the name is taken, `BadRequest` for an unusable name, password, role, department
    or district.
    """
    _check_account(name, roles, districts)
    hashed = None if password is None else await _hash(password)
    async with db.begin() as connection:
        if department is not None:
            await _check_department(connection, department)
        made = await connection.execute(
            insert(schema.account)
            .values(
                name=name,
                title=title,
                password_hash=hashed,
                roles=list(roles),
                department=department,
                districts=list(districts),
            )
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(schema.account.c.id)
        )
        if made.first() is None and if_exists == "refuse":
            raise Conflict(f"账号“{name}”已存在", f"the account {name!r} exists already", account=name)
        return await _account(connection, name)


async def list_accounts(db: Database) -> list[Account]:
    """Every account, by name."""
    async with db.connect() as connection:
        found = await connection.execute(select(schema.account).order_by(schema.account.c.name))
        return [_to_account(row) for row in found.mappings()]


async def set_reach(
    db: Database,
    name: str,
    *,
    department: str | None = None,
    districts: Sequence[str] | None = None,
) -> Account:
    """Changes the department of an account (empty: none) and its districts (empty: no limit).

    What is None stays. Raises `NotFound`, or `BadRequest` for a department or district there is not.
    """
    changed: dict[str, object] = {}
    if districts is not None:
        _check_account(name, ("viewer",), districts)
        changed["districts"] = list(districts)
    async with db.begin() as connection:
        await _id_of(connection, name)
        if department is not None:
            if department:
                await _check_department(connection, department)
            changed["department"] = department or None
        if changed:
            await connection.execute(
                update(schema.account).where(schema.account.c.name == name).values(changed)
            )
        return await _account(connection, name)


async def set_password(db: Database, name: str, password: str) -> None:
    """Sets a password and ends the account's sessions; keys stay. Raises `NotFound`, `BadRequest`."""
    hashed = await _hash(password)
    table = schema.account
    async with db.begin() as connection:
        account_id = await _id_of(connection, name)
        await connection.execute(update(table).where(table.c.id == account_id).values(password_hash=hashed))
        await _end_sessions(connection, account_id)


async def set_active(db: Database, name: str, active: bool) -> None:
    """Closes an account (its sessions end, its keys stop working) or opens it again. `NotFound`."""
    async with db.begin() as connection:
        account_id = await _id_of(connection, name)
        await connection.execute(
            update(schema.account).where(schema.account.c.id == account_id).values(is_active=active)
        )
        if not active:
            await _end_sessions(connection, account_id)


async def log_in(db: Database, name: str, password: str, client: str) -> tuple[str, Viewer]:
    """A new session's secret and whom it stands for. `client` is the caller's address, for throttling.

    Raises `LoginNeeded` for a wrong name or password alike, `TooManyAttempts` after too many of them.
    """
    await _note_attempt(db, name, client)
    table = schema.account
    async with db.connect() as connection:
        found = await connection.execute(select(table).where(table.c.name == name[:64].replace("\x00", "")))
        row = found.mappings().one_or_none()
    hashed = row["password_hash"] if row is not None else None
    fits = await asyncio.to_thread(_verify, hashed or _NOBODY, password)
    if row is None or hashed is None or not fits or not row["is_active"]:
        raise LoginNeeded("账号或密码错误", "wrong name or password")
    expires = datetime.now(UTC) + timedelta(hours=SESSION_HOURS)
    async with db.begin() as connection:
        await _forget_attempts(connection, name)
        await _sweep(connection)
        secret = await _issue(connection, row["id"], "session", "", expires)
        if _hasher.check_needs_rehash(hashed):
            renewed = await _hash(password)
            await connection.execute(
                update(table).where(table.c.id == row["id"]).values(password_hash=renewed)
            )
    return secret, _viewer(_to_account(row))


async def log_out(db: Database, secret: str) -> None:
    """Ends a session; harmless for a secret that is not one. Keys are ended by `revoke_keys`."""
    table = schema.credential
    async with db.begin() as connection:
        await connection.execute(
            delete(table).where(table.c.secret_hash == _digest(secret), table.c.kind == "session")
        )


async def make_key(db: Database, account_name: str, label: str = "", days: int | None = None) -> str:
    """A new key for a system that acts as the account; shown once. `days` None: until it is revoked."""
    if days is not None and not 1 <= days <= 3660:
        raise BadRequest(
            f"有效天数有误：{days}",
            f"days is {days}, expected 1…3660",
            field="days",
            value=days,
            expected="1…3660",
        )
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    async with db.begin() as connection:
        return await _issue(connection, await _id_of(connection, account_name), "key", label, expires)


async def revoke_keys(db: Database, account_name: str, label: str | None = None) -> int:
    """Ends the account's keys (those called `label`, or all); returns how many."""
    table = schema.credential
    async with db.begin() as connection:
        account_id = await _id_of(connection, account_name)
        statement = delete(table).where(table.c.account_id == account_id, table.c.kind == "key")
        if label is not None:
            statement = statement.where(table.c.label == label)
        return int((await connection.execute(statement)).rowcount)


async def viewer_of(db: Database, secret: str) -> Viewer | None:
    """Whom a session's or key's secret stands for; None if it is unknown, expired, or the account closed."""
    credential, account = schema.credential, schema.account
    now = func.now()
    statement = (
        select(account, credential.c.id.label("credential_id"), credential.c.last_used_at)
        .join(credential, credential.c.account_id == account.c.id)
        .where(
            credential.c.secret_hash == _digest(secret),
            account.c.is_active,
            or_(credential.c.expires_at.is_(None), credential.c.expires_at > now),
        )
    )
    async with db.connect() as connection:
        row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        return None
    used = row["last_used_at"]
    if used is None or datetime.now(UTC) - used > USE_NOTED_EVERY:
        async with db.begin() as connection:
            await connection.execute(
                update(credential).where(credential.c.id == row["credential_id"]).values(last_used_at=now)
            )
    return _viewer(_to_account(row))


async def viewer_named(db: Database, name: str) -> Viewer:
    """The viewer behind an account, to act on its behalf. Raises `NotFound` if it is closed."""
    async with db.connect() as connection:
        found = await connection.execute(select(schema.account).where(schema.account.c.name == name))
        row = found.mappings().one_or_none()
    if row is None or not row["is_active"]:
        raise NotFound(f"账户“{name}”已停用或不存在", f"the account {name!r} is closed or gone", account=name)
    return _viewer(_to_account(row))


def _check_account(name: str, roles: Sequence[str], districts: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise _bad("name", name, "账号名应为 1 至 64 个不含空白的字符", "1 to 64 characters without spaces")
    for role in roles:
        if role not in ROLES:
            raise _bad("roles", role, f"角色应为 {'、'.join(ROLES)} 之一", f"one of {', '.join(ROLES)}")
    if not roles:
        raise _bad("roles", "", "至少一个角色", "at least one role")
    for district in districts:
        if not _DISTRICT.fullmatch(district):
            raise _bad("districts", district, "区划代码应为 6、9 或 12 位数字", "6, 9 or 12 digits")


async def _check_department(connection: AsyncConnection, code: str) -> None:
    table = schema.department
    if await connection.scalar(select(table.c.code).where(table.c.code == code)) is None:
        raise _bad("department", code, "部门代码不存在", "the code of a department")


async def _hash(password: str) -> str:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        expected = f"{MIN_PASSWORD} to {MAX_PASSWORD} characters"
        raise _bad("password", "…", f"密码应为 {MIN_PASSWORD} 至 {MAX_PASSWORD} 个字符", expected)
    if not password.isprintable():
        raise _bad("password", "…", "密码含有不可见字符", "printable characters")
    # Argon2 takes tens of milliseconds on purpose; the event loop must not wait for it.
    return await asyncio.to_thread(_hasher.hash, password)


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


async def _note_attempt(db: Database, name: str, client: str) -> None:
    """Counts this attempt before looking at it, so that parallel ones are counted too."""
    table = schema.login_attempt
    name, client = name[:64].replace("\x00", ""), client[:64].replace("\x00", "")
    since = func.now() - ATTEMPT_WINDOW
    async with db.begin() as connection:
        counts = select(
            func.count().filter(table.c.name == name), func.count().filter(table.c.client == client)
        ).where(table.c.at > since, or_(table.c.name == name, table.c.client == client))
        by_name, by_client = (await connection.execute(counts)).one()
        if by_name >= MAX_ATTEMPTS_BY_NAME or by_client >= MAX_ATTEMPTS_BY_CLIENT:
            minutes = int(ATTEMPT_WINDOW.total_seconds() // 60)
            raise TooManyAttempts(
                f"登录失败次数过多，请 {minutes} 分钟后再试",
                f"too many failed logins; try again in {minutes} minutes",
                retry_after_s=minutes * 60,
            )
        await connection.execute(insert(table).values(name=name, client=client))


async def _forget_attempts(connection: AsyncConnection, name: str) -> None:
    table = schema.login_attempt
    await connection.execute(delete(table).where(table.c.name == name[:64]))


async def _sweep(connection: AsyncConnection) -> None:
    """Takes out what has expired; done at login, the only place that adds it."""
    attempt, credential = schema.login_attempt, schema.credential
    await connection.execute(delete(attempt).where(attempt.c.at < func.now() - ATTEMPT_WINDOW))
    await connection.execute(delete(credential).where(credential.c.expires_at < func.now()))


async def _issue(
    connection: AsyncConnection, account_id: int, kind: str, label: str, expires: datetime | None
) -> str:
    secret = f"om{kind[0]}_{secrets.token_urlsafe(32)}"
    await connection.execute(
        insert(schema.credential).values(
            account_id=account_id, kind=kind, secret_hash=_digest(secret), label=label, expires_at=expires
        )
    )
    return secret


async def _end_sessions(connection: AsyncConnection, account_id: int) -> None:
    table = schema.credential
    await connection.execute(delete(table).where(table.c.account_id == account_id, table.c.kind == "session"))


async def _id_of(connection: AsyncConnection, name: str) -> int:
    table = schema.account
    found = await connection.scalar(select(table.c.id).where(table.c.name == name))
    if found is None:
        raise NotFound(f"没有账号“{name[:64]}”", f"there is no account {name[:64]!r}", account=name[:64])
    return int(found)


async def _account(connection: AsyncConnection, name: str) -> Account:
    found = await connection.execute(select(schema.account).where(schema.account.c.name == name))
    return _to_account(found.mappings().one())


def _to_account(row: Any) -> Account:
    return Account(
        row["name"],
        row["title"],
        tuple(row["roles"]),
        row["department"],
        tuple(row["districts"]),
        row["is_active"],
    )


def _viewer(account: Account) -> Viewer:
    return Viewer(
        name=account.name,
        title=account.title,
        roles=frozenset(account.roles),
        department=account.department,
        districts=account.districts,
        is_logged_in=True,
    )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _bad(field: str, value: str, zh: str, expected: str) -> BadRequest:
    return BadRequest(
        f"{field} 有误：{zh}",
        f"{field} is wrong, expected {expected}",
        field=field,
        value=value,
        expected=expected,
    )
