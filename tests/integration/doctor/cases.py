"""A fault: how it is caused and undone, and which check must name it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from tests.support.faults import Fault, Reply
from tests.support.faulty_station import FaultyStation

ProxyName = Literal["front", "store", "broadcaster", "owncast"]
Harm = Callable[[FaultyStation], AbstractContextManager[None]]


@dataclass(frozen=True)
class Case:
    """One fault."""

    name: str
    check: str
    saw: str
    """part of what the check must report"""
    harm: Harm


def at(proxy_name: ProxyName, make: Callable[[FaultyStation], Fault]) -> Harm:
    """Return a fault of one of the proxies."""

    @contextmanager
    def harm(patient: FaultyStation) -> Iterator[None]:
        proxy = getattr(patient, proxy_name)
        proxy.fault = make(patient)
        try:
            yield
        finally:
            proxy.fault = Fault()

    return harm


def edit(proxy_name: ProxyName, path: str, change: Callable[[Reply], None]) -> Harm:
    """Return a fault in responses to requests whose path contains `path`."""

    def edited(request: web.Request, reply: Reply) -> None:
        if path in request.path:
            change(reply)

    return at(proxy_name, lambda _patient: Fault(edit=edited))


def misroute(prefix: str, to: str) -> Harm:
    """Return a fault: paths with `prefix` lead to the wrong service, named as in local.json."""

    def make(patient: FaultyStation) -> Fault:
        service = patient.station.local[to]
        return Fault(redirect=lambda path: service if path.startswith(prefix) else None)

    return at("front", make)


def header(name: str, value: str | None) -> Callable[[Reply], None]:
    """Set a header, or remove it."""

    def change(reply: Reply) -> None:
        reply.headers.popall(name, None)
        if value is not None:
            reply.headers[name] = value

    return change


def body(text: str, status: int = 200, kind: str = "application/json") -> Callable[[Reply], None]:
    """Replace the response with one that is not Shoal's."""

    def change(reply: Reply) -> None:
        reply.status, reply.body = status, text.encode()
        reply.headers.clear()
        reply.headers["Content-Type"] = kind

    return change


def swap(old: str, new: str) -> Callable[[Reply], None]:
    """Replace text that must occur."""

    def change(reply: Reply) -> None:
        assert old.encode() in reply.body, reply.body[:500]
        reply.swap(old, new)

    return change
