"""The cases of `test_doctor.py`: how to cause and undo a fault, and which check must report it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from tests.support.faults import Fault, Reply
from tests.support.faulty_station import FaultyStation

ProxyName = Literal["front", "store", "broadcaster", "owncast"]
InjectFault = Callable[[FaultyStation], AbstractContextManager[None]]


@dataclass(frozen=True)
class Case:
    """One fault; a `with` block of `inject(station)` has it."""

    name: str
    check: str
    saw: str
    """part of what the check must report"""
    inject: InjectFault


def fault_at(proxy_name: ProxyName, make: Callable[[FaultyStation], Fault]) -> InjectFault:
    """Return a fault of one of the proxies."""

    @contextmanager
    def inject(faulty: FaultyStation) -> Iterator[None]:
        proxy = getattr(faulty, proxy_name)
        proxy.fault = make(faulty)
        try:
            yield
        finally:
            proxy.fault = Fault()

    return inject


def edit(proxy_name: ProxyName, path: str, change: Callable[[Reply], None]) -> InjectFault:
    """Return a fault in responses to requests whose path contains `path`."""

    def edited(request: web.Request, reply: Reply) -> None:
        if path in request.path:
            change(reply)

    return fault_at(proxy_name, lambda _faulty: Fault(edit=edited))


def misroute(prefix: str, to: str) -> InjectFault:
    """Return a fault: paths with `prefix` lead to the wrong service, named as in local.json."""

    def make(faulty: FaultyStation) -> Fault:
        service = faulty.station.local[to]
        return Fault(redirect=lambda path: service if path.startswith(prefix) else None)

    return fault_at("front", make)


def header(name: str, value: str | None) -> Callable[[Reply], None]:
    """Return a change: set a header, or remove it if `value` is None."""

    def change(reply: Reply) -> None:
        reply.headers.popall(name, None)
        if value is not None:
            reply.headers[name] = value

    return change


def body(text: str, status: int = 200, kind: str = "application/json") -> Callable[[Reply], None]:
    """Return a change: replace the response with one that is not Shoal's."""

    def change(reply: Reply) -> None:
        reply.status, reply.body = status, text.encode()
        reply.headers.clear()
        reply.headers["Content-Type"] = kind

    return change


def swap(old: str, new: str) -> Callable[[Reply], None]:
    """Return a change: replace text, which must occur."""

    def change(reply: Reply) -> None:
        assert old.encode() in reply.body, reply.body[:500]
        reply.swap(old, new)

    return change
