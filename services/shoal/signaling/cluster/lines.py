"""Whether all arrived that one node said to another alone: it is numbered, and counted in beats."""

from collections.abc import Mapping

from shoal.signaling.cluster.seating import NodeId


class Lines:
    """The lines to and from the other nodes."""

    def __init__(self) -> None:
        self._said: dict[NodeId, int] = {}
        self._heard: dict[NodeId, int] = {}

    @property
    def said(self) -> Mapping[NodeId, int]:
        """How much was said to each node."""
        return dict(self._said)

    def next(self, node: NodeId) -> int:
        """Return the number of the next batch for a node."""
        number = self._said[node] = self._said.get(node, 0) + 1
        return number

    def arrived(self, node: NodeId, number: int) -> bool:
        """Take note of a batch; say whether it is the one after the last."""
        expected = self._heard.get(node, 0) + 1
        self._heard[node] = number
        return number == expected

    def has_all(self, node: NodeId, said: int) -> bool:
        """Say whether so much has arrived; if not, what is lost counts as heard from now on."""
        heard = self._heard.get(node, 0)
        self._heard[node] = said
        return heard == said
