from collections.abc import Iterator

import pytest

from shoal.web import RESPONSE_BYTES


@pytest.fixture(autouse=True)
def fresh_counters() -> Iterator[None]:
    """Services that share this process share its counters: none may see another test's bytes."""
    RESPONSE_BYTES.clear()
    yield
