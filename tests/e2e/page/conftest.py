"""One station and one browser for all tests of the page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.station import Station, station
from tests.support.viewers import chromium

QUICK = ("--bitrate", "600", "--segment-seconds", "2", "--renditions", "2")


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    data = tmp_path_factory.mktemp("page") / "data"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOAL_EMBED_ORIGINS", '["*"]')
        with station(data, *QUICK) as started:
            started.wait_published(4)
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
