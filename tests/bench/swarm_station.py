"""The station of a case of the swarm bench, with one or more signaling processes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.swarm_cases import Case
from tests.support.redis import redis_server
from tests.support.signaling import signaling_process
from tests.support.station import Station, fetch, station, wait_for

CLUSTER = "SHOAL_CLUSTER_URL"


@contextmanager
def stations(case: Case, data: Path) -> Iterator[tuple[Station, Sequence[str]]]:
    """Run `shoal up` and the additional signaling processes of a case.

    Yields the station, and the URLs of `/ws/room` that viewers use in turn; an empty one is the
    page's own.
    """
    with ExitStack() as stack:
        if case.signaling == 1:
            yield stack.enter_context(station(data, *case.stream)), [""]
            return
        redis = stack.enter_context(redis_server(data.parent))
        # `shoal up` passes its environment on to the services
        os.environ[CLUSTER] = redis.url
        stack.callback(os.environ.pop, CLUSTER)
        running = stack.enter_context(station(data, *case.stream))
        settings = {CLUSTER: redis.url, "CREDENTIALS_DIRECTORY": str(data / "secrets")}
        others = [
            stack.enter_context(
                signaling_process(data.parent / f"signaling{number}", **settings)
            ).url
            for number in range(1, case.signaling)
        ]
        for url in (running.local["signaling"], *others):
            wait_for(
                f"{case.signaling} signaling processes in one cluster",
                lambda url=url: nodes(url) == case.signaling,
            )
        yield running, ["", *(f"{url.replace('http', 'ws', 1)}/ws/room" for url in others)]


def nodes(url: str) -> float:
    """Return the number of nodes that a signaling process knows, including itself."""
    lines = fetch(f"{url}/metrics").decode().splitlines()
    return next((float(x.split()[1]) for x in lines if x.startswith("shoal_cluster_nodes ")), 0)
