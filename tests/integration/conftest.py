from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.local.store import Store
from shoal.web import RESPONSE_BYTES
from tests.support.broadcaster import Owncast
from tests.support.objects import new_store, running


@pytest.fixture(autouse=True)
def fresh_counters() -> Iterator[None]:
    """Services that share this process share its counters: none may see another test's bytes."""
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
    """An Owncast whose stream of one rendition has just begun."""
    owncast = Owncast(tmp_path / "hls")
    owncast.path.mkdir()
    owncast.start_stream()
    return owncast
