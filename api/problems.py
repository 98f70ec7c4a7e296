"""Every error as a problem document (RFC 9457), in Chinese or English; nobody else writes an error.

The class of an error decides its status by the one table below; its sentence and its facts become
members. An error that is not ours becomes a 500 that says nothing of it: its text goes to the log only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope as AsgiScope

from api.context import Language, language_of
from api.errors import COOKIE, OriginFailed, OriginTimedOut, SessionExpired
from gis.errors import GisError
from layers import errors

STATUS: Mapping[type[errors.OneMapError], int] = {
    errors.NotFound: 404,
    errors.LoginNeeded: 401,
    errors.NotAllowed: 403,
    errors.BadRequest: 400,
    errors.BadData: 422,
    errors.Conflict: 409,
    errors.TooMuch: 413,
    errors.TimedOut: 503,
    errors.Unavailable: 503,
    OriginFailed: 502,
    OriginTimedOut: 504,
}
"""Status of each branch of the tree; a class not named here has that of its nearest ancestor."""

SECRET = frozenset({"password", "url", "secrets"})
"""Fields whose value, and what is in them, is not said back: addresses of services have tokens in them."""

RETRY_AFTER_S = 5
"""What `Retry-After` says when the database was busy."""

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("请求有误", "Bad request"),
    401: ("需要登录", "Login needed"),
    403: ("没有权限", "Not allowed"),
    404: ("没有找到", "Not found"),
    405: ("不支持该方法", "Method not allowed"),
    406: ("无法提供该格式", "Not acceptable"),
    409: ("发生冲突", "Conflict"),
    412: ("前提条件不满足", "Precondition failed"),
    413: ("请求过大", "Too large"),
    415: ("不支持的内容类型", "Unsupported media type"),
    422: ("数据有误", "Unusable data"),
    429: ("请求过于频繁", "Too many requests"),
    500: ("服务器内部错误", "Internal error"),
    502: ("对方服务出错", "Bad gateway"),
    503: ("服务暂时不可用", "Service unavailable"),
    504: ("对方服务超时", "Gateway timeout"),
}

OF_HTTP: Mapping[int, tuple[str, str]] = {
    400: ("请求体无法解析", "the body cannot be read"),
    404: ("没有这个地址", "there is nothing at this address"),
    406: ("这里提供的格式不在 Accept 之中", "what is given here is not among what Accept takes"),
    405: ("这个地址不支持该方法", "this address does not take this method"),
}

EXPECTED: Mapping[str, tuple[str, str]] = {
    "missing": ("必填", "a value (it is required)"),
    "json_invalid": ("合法的 JSON", "valid JSON"),
    "int_parsing": ("整数", "a whole number"),
    "int_type": ("整数", "a whole number"),
    "int_from_float": ("整数", "a whole number"),
    "int_parsing_size": ("较小的整数", "a smaller whole number"),
    "float_parsing": ("数字", "a number"),
    "float_type": ("数字", "a number"),
    "finite_number": ("有限的数字", "a finite number"),
    "bool_parsing": ("true 或 false", "true or false"),
    "bool_type": ("true 或 false", "true or false"),
    "string_type": ("文本", "text"),
    "string_unicode": ("UTF-8 文本", "UTF-8 text"),
    "list_type": ("数组", "an array"),
    "dict_type": ("JSON 对象", "a JSON object"),
    "model_type": ("JSON 对象", "a JSON object"),
    "model_attributes_type": ("JSON 对象", "a JSON object"),
    "extra_forbidden": ("不应出现的成员", "no such member"),
    "string_too_short": ("至少 {min_length} 个字符", "at least {min_length} characters"),
    "string_too_long": ("至多 {max_length} 个字符", "at most {max_length} characters"),
    "too_short": ("至少 {min_length} 项", "at least {min_length} items"),
    "too_long": ("至多 {max_length} 项", "at most {max_length} items"),
    "greater_than": ("大于 {gt}", "greater than {gt}"),
    "greater_than_equal": ("不小于 {ge}", "at least {ge}"),
    "less_than": ("小于 {lt}", "less than {lt}"),
    "less_than_equal": ("不大于 {le}", "at most {le}"),
    "literal_error": ("以下之一：{expected}", "one of {expected}"),
    "enum": ("以下之一：{expected}", "one of {expected}"),
    "string_pattern_mismatch": ("符合 {pattern} 的文本", "text matching {pattern}"),
    "datetime_from_date_parsing": ("RFC 3339 时间", "an RFC 3339 date and time"),
    "datetime_parsing": ("RFC 3339 时间", "an RFC 3339 date and time"),
    "uuid_parsing": ("UUID", "a UUID"),
}
"""What was expected, by pydantic's kind of fault; a kind not listed gives pydantic's own sentence."""


def status_of(error: BaseException) -> int:
    """HTTP status of `error`; 500 for whatever is not an error of ours."""
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, RequestValidationError):
        return _status_of_invalid(error.errors())
    if isinstance(error, GisError):
        return 400
    if isinstance(error, errors.TooMuch) and "retry_after_s" in error.facts:
        return 429
    for ancestor in type(error).__mro__:
        if ancestor in STATUS:
            return STATUS[ancestor]
    return 500


def problem(error: BaseException, scope: AsgiScope) -> Response:
    """The answer to `error`, in the language the request in `scope` asks for."""
    if isinstance(error, HTTPException) and isinstance(error.__cause__, errors.OneMapError):
        error = error.__cause__  # ours, raised while FastAPI read the body
    language = language_of(scope)
    status = status_of(error)
    detail, facts = _told(error, status, language)
    title = TITLES.get(status, TITLES[500] if status >= 500 else TITLES[400])
    document = {
        **facts,
        "type": f"https://www.rfc-editor.org/rfc/rfc9110#status.{status}",
        "title": title[0] if language == "zh" else title[1],
        "status": status,
        "detail": detail,
        "instance": scope.get("path", ""),
    }
    request_id = scope.get("state", {}).get("request_id")
    if request_id is not None:
        document["request_id"] = request_id
    return Response(
        orjson.dumps(_sayable(document)),
        status_code=status,
        headers=_headers(error, status, language),
        media_type="application/problem+json",
    )


def _told(error: BaseException, status: int, language: Language) -> tuple[str, Mapping[str, Any]]:
    """The sentence and the facts that may leave."""
    zh = language == "zh"
    if isinstance(error, (errors.OneMapError, GisError)) and status != 500:
        return error.sentence(language), error.facts
    if isinstance(error, RequestValidationError):
        faults = [_fault(fault, language) for fault in error.errors()[:20]]
        first = faults[0]
        sentence = (
            f"“{first['field']}”的值不对，应为：{first['expected']}"
            if zh
            else f"{first['field']!r} is not right; expected {first['expected']}"
        )
        return sentence, {**first, "errors": faults}
    if isinstance(error, HTTPException):
        own = OF_HTTP.get(status)
        return (own[0] if zh else own[1]) if own else str(error.detail), {}
    return (
        "服务器出错，已记录；请将编号告知管理员"
        if zh
        else "something went wrong here and was logged; tell the operator the request id"
    ), {}


def _fault(fault: Mapping[str, Any], language: Language) -> dict[str, str]:
    where = [str(part) for part in fault["loc"]]
    field = ".".join(where[1:] if len(where) > 1 else where)
    known = EXPECTED.get(fault["type"])
    expected = str(fault["msg"])
    if fault["type"] == "json_invalid":
        field = "body"
    if known is not None:
        expected = known[0 if language == "zh" else 1].format_map(_Gaps(fault.get("ctx") or {}))
    untold = fault["type"] in ("missing", "json_invalid") or not SECRET.isdisjoint(where)
    value = "" if untold else _short(fault.get("input"))
    return {"field": field, "value": value, "expected": expected}


class _Gaps(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def _short(value: object) -> str:
    return "…" if isinstance(value, (dict, list)) else str(value)[:200]


def _sayable(value: object) -> object:
    """`value` as JSON can hold it: half a surrogate pair, which a caller may send, is no UTF-8."""
    match value:
        case Mapping():
            return {str(_sayable(str(key))): _sayable(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_sayable(inner) for inner in value]
        case bool() | int() | float() | None:
            return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
        case _:
            return str(value).encode("utf-8", "replace").decode()


def _status_of_invalid(faults: Sequence[Mapping[str, Any]]) -> int:
    """422 for a well-formed body with wrong content, 400 for all else (OGC 17-069r4 §7.5.1 wants it)."""
    in_body = all(fault["loc"] and fault["loc"][0] == "body" for fault in faults)
    return 422 if in_body and all(fault["type"] != "json_invalid" for fault in faults) else 400


def _headers(error: BaseException, status: int, language: Language) -> dict[str, str]:
    headers = {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store"}
    if isinstance(error, HTTPException) and error.headers:
        headers.update(error.headers)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="onemap"'
    if isinstance(error, SessionExpired):
        headers["Set-Cookie"] = f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, errors.OneMapError) and "retry_after_s" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after_s"])
    return headers
