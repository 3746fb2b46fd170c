from typing import get_args

from shoal.signaling.rooms.messages import FromViewer
from shoal.signaling.viewer_connection import METRIC_LABELS


def test_every_message_type_has_its_metric_label() -> None:
    assert METRIC_LABELS.keys() == {*get_args(FromViewer), type(None)}
    labels = {"join", "signal", "switch", "links", "report", "ready", "stats", "unknown"}
    assert set(METRIC_LABELS.values()) == labels
