"""Types of setting values. Each rejects bad text with an error that says what is expected."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr
from yarl import URL


def _http_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must be an http:// or https:// URL")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


def _secret_http_url(value: SecretStr) -> SecretStr:
    return SecretStr(_http_url(value.get_secret_value()))


SecretHttpUrl = Annotated[SecretStr, AfterValidator(_secret_http_url)]


def _websocket_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("ws", "wss") or not url.host:
        raise ValueError("must be a ws:// or wss:// URL")
    return value


WebSocketUrl = Annotated[str, AfterValidator(_websocket_url)]


def _address(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[1-9]\d{0,4}", value):
        raise ValueError("must be host:port")
    return value


Address = Annotated[str, AfterValidator(_address)]


def _origin(value: str) -> str:
    if value == "*":
        return value
    problem = f"{value!r} must be * or an origin such as https://example.org"
    try:
        url = URL(value)
        origin = url.origin()
    except ValueError as error:
        raise ValueError(problem) from error
    if url.scheme not in ("http", "https") or url.path_qs != "/" or url.fragment or url.user:
        raise ValueError(problem)
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", origin.raw_host or ""):
        raise ValueError(problem)
    return str(origin)  # as browsers write it: lower-case, without the default port


Origin = Annotated[str, AfterValidator(_origin)]


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"must be CIDRs such as 10.0.0.0/8: {error}") from error


Network = Annotated[str, AfterValidator(_network)]


def _redis_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("redis", "rediss") or not url.host:
        raise ValueError("must be a redis:// or rediss:// URL")
    return value


RedisUrl = Annotated[str, AfterValidator(_redis_url)]
