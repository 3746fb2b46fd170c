"""The broadcaster's metrics, named by Prometheus' conventions."""

from prometheus_client import Counter, Gauge, Histogram

SEGMENTS_SEEN = Counter("shoal_segments_seen", "Complete segments found in Owncast's folder")
SEGMENTS_PUBLISHED = Counter("shoal_segments_published", "Segments published in a playlist")
SEGMENTS_LATE = Counter(
    "shoal_segments_late", "Segments that came after a gap had been published in their place"
)
SEGMENTS_LOST = Counter(
    "shoal_segments_lost", "Segments that were gone before they could be read or stored"
)
SEGMENTS_DEGRADED = Counter(
    "shoal_segments_degraded", "Segments published from the torrent seed while the store failed"
)
STORE_ERRORS = Counter("shoal_store_errors", "Failed requests to the object store")
STORE_UPLOAD_SECONDS = Histogram(
    "shoal_store_upload_seconds", "How long the store took to accept a segment"
)
STORED_BYTES = Counter("shoal_stored_bytes", "Bytes of segments uploaded to the store")
PUBLISH_DELAY_SECONDS = Histogram(
    "shoal_publish_delay_seconds", "From a segment's last byte on disk to its entry in the playlist"
)
OBJECTS_DELETED = Counter("shoal_objects_deleted", "Expired objects deleted from the store")
SPOOL_SEGMENTS = Gauge("shoal_spool_segments", "Segments that wait for the store")
LAST_SEGMENT_TIMESTAMP = Gauge(
    "shoal_last_segment_timestamp_seconds", "When the newest segment was published, Unix time"
)
LIVE = Gauge("shoal_live", "1 while Owncast is writing a stream")
TORRENT_PEERS = Gauge("shoal_torrent_peers", "Torrent peers that are being served")
TORRENT_UPLOADED_BYTES = Counter(
    "shoal_torrent_uploaded_bytes", "Payload bytes sent to torrent peers"
)
REPLAY_SEGMENTS = Counter(
    "shoal_replay_segments", "Segments copied for a replay, or lost before that", ["state"]
)
