"""Deletes objects from the store once no player can ask for them any more."""

import asyncio
import time
from collections.abc import Collection
from typing import Protocol

from shoal.broadcaster.metrics import OBJECTS_DELETED, STORE_ERRORS
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import MAX_DELETED_AT_ONCE, Store, StoreError
from shoal.broadcaster.timeline import Timeline

INTERVAL_S = 10.0


class KeyHolder(Protocol):
    """Knows objects that must not be deleted yet."""

    def held_keys(self) -> Collection[str]:
        """Return the keys of what has still to be copied for a replay."""
        ...


class ObjectExpiry:
    """Works through the timeline's list of expired objects; it never lists the bucket."""

    def __init__(
        self, store: Store, timeline: Timeline, state: StateFile, holder: KeyHolder
    ) -> None:
        self._store = store
        self._timeline = timeline
        self._state = state
        self._holder = holder

    async def run(self) -> None:
        """Delete expired objects every ten seconds until cancelled."""
        while True:
            await self.delete_expired()
            await asyncio.sleep(INTERVAL_S)

    async def delete_expired(self) -> None:
        """Delete the objects that have expired; if the store fails they are retried next time."""
        keys = self._timeline.expired_keys(time.time())
        if keys:
            held = self._holder.held_keys()
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
        self._state.save(self._timeline)
