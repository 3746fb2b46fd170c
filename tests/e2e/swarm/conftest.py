"""One station with one rendition, and one browser, for all tests of a swarm."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.station import Station, station
from tests.support.viewers import chromium

# nobody looks at the picture here: a small one leaves the processor to the viewers
QUICK = ("--bitrate", "600", "--segment-seconds", "2", "--picture", "320x180@15")


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with station(tmp_path_factory.mktemp("swarm") / "data", *QUICK) as started:
        yield started


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(autouse=True)
def alone(browser: Browser) -> Iterator[None]:
    """Leave nobody in the room, also where a test failed."""
    yield
    for context in browser.contexts:
        context.close()
