"""One station with one variant, and one browser, for all tests of a swarm."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.station import Station, station
from tests.support.viewers import chromium

# a small picture leaves more processor time to the viewers
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
def close_viewers(browser: Browser) -> Iterator[None]:
    """Close all viewers after each test, even if it failed."""
    yield
    for context in browser.contexts:
        context.close()
