from shoal.broadcaster.seeding.upload_log import PEER_LINGERS_S, UploadLog


def test_a_new_peer_is_logged_once_and_counts_until_it_has_taken_nothing_for_a_while() -> None:
    log = UploadLog()
    assert log.record(b"a", "stream-abc-1.ts", 100_000, 0.0) == (
        "👥 New peer connected to stream-abc-1.ts (total: 1)"
    )
    assert log.record(b"b", "stream-abc-1.ts", 134_500, 1.0) == (
        "👥 New peer connected to stream-abc-1.ts (total: 2)"
    )
    assert log.record(b"a", "stream-abc-2.ts", 0, 10.0) is None
    assert log.peers(10.0) == 2
    assert log.peers(1.5 + PEER_LINGERS_S) == 1
    assert log.peers(10.5 + PEER_LINGERS_S) == 0
    assert log.summary() == "⬆️ Uploaded 234.5 KB via P2P to 2 peers"
    assert log.summary() is None
    assert log.uploaded_bytes == 234_500
