"""Deletes objects from the store once no player can ask for them any more."""

import asyncio
import time
from collections.abc import Callable, Collection

from shoal.broadcaster.metrics import OBJECTS_DELETED, STORE_ERRORS
from shoal.broadcaster.store import MAX_DELETED_AT_ONCE, Store, StoreError
from shoal.broadcaster.timeline import Timeline

INTERVAL_S = 10.0


class ObjectExpiry:
    """Works through the timeline's list of expired objects; it never lists the bucket."""

    def __init__(
        self,
        store: Store,
        timeline: Timeline,
        save: Callable[[], None],
        held_keys: Callable[[], Collection[str]],
    ) -> None:
        """`held_keys()` are not deleted yet: they have still to be copied for a replay."""
        self._store = store
        self._timeline = timeline
        self._save = save
        self._held_keys = held_keys

    async def run(self) -> None:
        """Delete expired objects every ten seconds until cancelled."""
        while True:
            await self.delete_expired()
            await asyncio.sleep(INTERVAL_S)

    async def delete_expired(self) -> None:
        """Delete the objects that have expired; if the store fails they are retried next time."""
        keys = self._timeline.expired_keys(time.time())
        if keys:
            held = self._held_keys()
            keys = [key for key in keys if key not in held][:MAX_DELETED_AT_ONCE]
        if not keys:
            return
        try:
            await self._store.delete(keys)
        except StoreError:
            STORE_ERRORS.inc()
            return
        OBJECTS_DELETED.inc(len(keys))
        self._timeline.forget_deleted(keys)
        self._save()
