from pathlib import Path
from typing import cast

from shoal.broadcaster.object_expiry import ObjectExpiry
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import Timeline
from shoal.problems import Problems


class StandIn:
    """A store that can be away, and copies that have still to be made."""

    def __init__(self) -> None:
        self.away = False
        self.deleted: list[str] = []
        self.held: set[str] = set()

    async def delete(self, keys: list[str]) -> None:
        if self.away:
            raise StoreError("away")
        self.deleted += keys

    def held_keys(self) -> set[str]:
        return self.held


async def test_keys_held_for_copies_are_not_deleted_and_nothing_is_forgotten(
    tmp_path: Path,
) -> None:
    timeline, stand_in = Timeline(), StandIn()
    state = StateFile(tmp_path, Problems())
    expiry = ObjectExpiry(cast("Store", stand_in), timeline, state, stand_in)
    for index in range(2):
        timeline.expire_now(0, f"stream-a-{index}.ts")
    stand_in.away, stand_in.held = True, {"live/0/stream-a-1.ts"}
    await expiry.delete_expired()
    assert len(timeline.expired) == 2
    stand_in.away = False
    await expiry.delete_expired()
    assert stand_in.deleted == ["live/0/stream-a-0.ts"]
    saved = state.load()
    assert saved is not None
    assert [expired.key for expired in saved.expired] == ["live/0/stream-a-1.ts"]
    stand_in.held.clear()
    await expiry.delete_expired()
    assert stand_in.deleted == ["live/0/stream-a-0.ts", "live/0/stream-a-1.ts"]
