"""A real S3 store for a test: SeaweedFS on free ports."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoal.local import ports
from shoal.local.store import PORT_NAMES, Store


@contextmanager
def running(store: Store) -> Iterator[None]:
    """Run a store until the block ends; its objects stay for the next run."""
    store.prepare()
    log = store.folder.with_name("store.log").open("ab")
    process = subprocess.Popen(store.command(), stdout=log, stderr=log)
    log.close()
    try:
        asyncio.run(store.make_ready())
        yield
    finally:
        process.kill()
        process.wait()
        store.remove_sockets()


def new_store(folder: Path) -> Store:
    """Return a store on its own ports; it is not started."""
    return Store(folder / "store", ports.free_ports(PORT_NAMES, {}), "key", "secret")
