"""Deletes objects from the store when no player can ask for them any more."""

import asyncio
import time
from collections.abc import Callable, Collection

from shoal.broadcaster.metrics import OBJECTS_DELETED, STORE_ERRORS
from shoal.broadcaster.store import MAX_DELETED_AT_ONCE, Store, StoreError
from shoal.broadcaster.timeline import Timeline

INTERVAL_S = 10.0


class Janitor:
    """Works through the timeline's list of expired objects; it never lists the bucket."""

    def __init__(
        self,
        store: Store,
        timeline: Timeline,
        save: Callable[[], None],
        held: Callable[[], Collection[str]],
    ) -> None:
        """What `held()` names is not deleted yet: it is still to be copied for a replay."""
        self._store = store
        self._timeline = timeline
        self._save = save
        self._held = held

    async def run(self) -> None:
        """Delete what is due, every ten seconds, until cancelled."""
        while True:
            await self.clean()
            await asyncio.sleep(INTERVAL_S)

    async def clean(self) -> None:
        """Delete what is due now; what the store refuses stays due."""
        due = self._timeline.due_for_deletion(time.time())
        if due:
            held = self._held()
            due = [key for key in due if key not in held][:MAX_DELETED_AT_ONCE]
        if not due:
            return
        try:
            await self._store.delete(due)
        except StoreError:
            STORE_ERRORS.inc()
            return
        OBJECTS_DELETED.inc(len(due))
        self._timeline.deleted(due)
        self._save()
