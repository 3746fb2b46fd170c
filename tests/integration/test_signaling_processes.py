"""Several signaling processes on one port; each exports its own metrics at its own address."""

from contextlib import ExitStack
from pathlib import Path

import aiohttp

from tests.integration.test_signaling_cluster import Node, has, has_nodes, until
from tests.support.redis import PASSWORD, redis_server
from tests.support.signaling import SignalingProcess, answers, signaling_process
from tests.support.station import free_port, wait_for

VIEWERS = 12
"""the kernel chooses a process for each; once in 2,000 runs it chooses the same one for all"""


async def test_each_process_counts_its_viewers_and_knows_the_sum(tmp_path: Path) -> None:
    shared, *own = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path, PASSWORD))
        processes = [
            stack.enter_context(
                signaling_process(
                    tmp_path / f"process-{number}",
                    SHOAL_CLUSTER_URL=redis.url,
                    SHOAL_SIGNALING_URL=shared,
                    SHOAL_PROCESS_URL=url,
                )
            )
            for number, url in enumerate(own)
        ]
        async with aiohttp.ClientSession() as session:
            station = Node(processes[0], session)
            nodes = [
                Node(SignalingProcess(url, running.process), session)
                for url, running in zip(own, processes, strict=True)
            ]
            for node in nodes:
                await until(lambda node=node: has_nodes(node, 2))
            for number in range(VIEWERS):
                await station.joined(f"10.0.0.{number + 1}")
            for node in nodes:
                await until(lambda node=node: has(node, viewers=VIEWERS))
            counted = [await node.metric("shoal_viewers") for node in nodes]
            assert sum(counted) == VIEWERS
            assert all(counted)

            # an address of one process does not answer for another
            nodes[0].running.kill()
            assert not answers(own[0])
            assert await nodes[1].metric("shoal_viewers") == counted[1]
            wait_for("the port is the other's", lambda: answers(shared), 10)
