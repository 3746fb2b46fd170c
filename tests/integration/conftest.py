import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from shoal.local.store import Store
from shoal.web import RESPONSE_BYTES
from tests.support.broadcaster import Owncast
from tests.support.objects import new_store, running


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests of signaling run on the event loop that it has in production."""
    if item.path.name.startswith(("test_signaling", "test_tracker")):
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def fresh_counters() -> Iterator[None]:
    """Reset the counters, which all services and tests in this process share."""
    RESPONSE_BYTES.clear()
    yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A running object store, one for all tests of a module."""
    store = new_store(tmp_path_factory.mktemp("objects"))
    with running(store):
        yield store


@pytest.fixture
def owncast(tmp_path: Path) -> Owncast:
    """An Owncast whose stream, with one variant, has just started."""
    owncast = Owncast(tmp_path / "hls")
    owncast.path.mkdir()
    owncast.start_stream()
    return owncast
