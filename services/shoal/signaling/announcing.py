"""What the broadcaster announces goes to the viewers' rooms and to the tracker."""

from shoal.announcements import FromBroadcaster, Replays, Segment, Stream, Swarms
from shoal.signaling.room_service import Hub
from shoal.signaling.tracker.messages import InfoHash
from shoal.signaling.tracker.served_torrents import Admission


def announce(what: FromBroadcaster, hub: Hub, admission: Admission) -> None:
    """Take an announcement, heard from the broadcaster or from another signaling process."""
    match what:
        case Stream():
            hub.stream(what)
        case Segment(descriptor):
            hub.segment(descriptor)
        case Replays(replays):
            hub.programme.keep(replays)
        case Swarms(info_hashes, torrents):
            admission.go_live([InfoHash(text) for text in info_hashes])
            admission.keep([InfoHash(text) for text in torrents])
