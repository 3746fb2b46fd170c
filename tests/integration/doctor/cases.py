"""What a fault is: which check must name it, and how it is made and healed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from tests.support.faults import Fault, Reply
from tests.support.faulty_station import FaultyStation

Door = Literal["front", "store", "broadcaster", "owncast"]
Harm = Callable[[FaultyStation], AbstractContextManager[None]]


@dataclass(frozen=True)
class Case:
    """One fault."""

    name: str
    check: str
    saw: str
    """what the check must say of it, in part"""
    harm: Harm


def at(door: Door, make: Callable[[FaultyStation], Fault]) -> Harm:
    """A fault of one of the proxies."""

    @contextmanager
    def harm(patient: FaultyStation) -> Iterator[None]:
        proxy = getattr(patient, door)
        proxy.fault = make(patient)
        try:
            yield
        finally:
            proxy.fault = Fault()

    return harm


def edit(door: Door, path: str, change: Callable[[Reply], None]) -> Harm:
    """A fault in answers to requests whose path contains `path`."""

    def edited(request: web.Request, reply: Reply) -> None:
        if path in request.path:
            change(reply)

    return at(door, lambda _patient: Fault(edit=edited))


def lead(prefix: str, to: str) -> Harm:
    """A route to the wrong service: one of local.json's."""

    def make(patient: FaultyStation) -> Fault:
        service = patient.station.local[to]
        return Fault(redirect=lambda path: service if path.startswith(prefix) else None)

    return at("front", make)


def header(name: str, value: str | None) -> Callable[[Reply], None]:
    """Set a header, or take it away."""

    def change(reply: Reply) -> None:
        reply.headers.popall(name, None)
        if value is not None:
            reply.headers[name] = value

    return change


def body(text: str, status: int = 200, kind: str = "application/json") -> Callable[[Reply], None]:
    """Put another answer in its place, from somebody else."""

    def change(reply: Reply) -> None:
        reply.status, reply.body = status, text.encode()
        reply.headers.clear()
        reply.headers["Content-Type"] = kind

    return change


def swap(old: str, new: str) -> Callable[[Reply], None]:
    """Replace text that must be there."""

    def change(reply: Reply) -> None:
        assert old.encode() in reply.body, reply.body[:500]
        reply.swap(old, new)

    return change
