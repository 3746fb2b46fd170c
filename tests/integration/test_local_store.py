"""SeaweedFS as the stack runs it: it allows what R2 would, and no more."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from shoal.local import ports
from shoal.local.store import BUCKET, PORT_NAMES, Store, bytes_sent
from shoal.local.supervisor import Program, Supervisor

OBJECT = bytes(range(256)) * 4096  # 1 MiB
KEY = "live/0/stream-a-0.ts"


class Response:
    def __init__(self, url: str, method: str = "GET", headers: dict[str, str] | None = None):
        request = urllib.request.Request(url, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request) as response:
                self.status, self.headers, self.body = (
                    response.status,
                    response.headers,
                    response.read(),
                )
        except urllib.error.HTTPError as error:
            self.status, self.headers, self.body = error.code, error.headers, error.read()
            error.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    chosen = ports.free_ports(PORT_NAMES, {})
    store = Store(tmp_path / "store", chosen, "key", "secret")
    store.prepare()
    yield store
    store.remove_sockets()


def client(store: Store):
    config = Config(s3={"addressing_style": "path"}, proxies={})
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        region_name="auto",
        config=config,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )


def program(store: Store) -> Program:
    return Program("store", store.command(), {}, stop_grace_s=0.2)


async def test_the_store_allows_what_r2_does_and_counts_sent_bytes(
    store: Store, tmp_path: Path
) -> None:
    supervisor = Supervisor(tmp_path / "logs", lambda _text: None, lambda: None)
    supervisor.start(program(store))
    try:
        await store.make_ready()
        cached = "public, max-age=31536000, immutable"
        s3 = client(store)
        s3.put_object(
            Bucket=BUCKET, Key=KEY, Body=OBJECT, ContentType="video/mp2t", CacheControl=cached
        )
        before = await bytes_sent(store.metrics_url)
        url, origin = f"{store.media_url}/{KEY}", {"Origin": "http://127.0.0.1:8888"}

        response = Response(url, headers=origin)
        assert (response.status, response.body) == (200, OBJECT)
        assert response.headers["Cache-Control"] == cached
        assert response.headers["Content-Type"] == "video/mp2t"
        assert response.headers["Access-Control-Allow-Origin"] in ("*", origin["Origin"])
        exposed = response.headers["Access-Control-Expose-Headers"]
        assert {"Content-Range", "Content-Length", "ETag"} <= set(exposed.split(", "))

        part = Response(url, headers={**origin, "Range": "bytes=1000-1999"})
        assert (part.status, part.body) == (206, OBJECT[1000:2000])
        assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(OBJECT)}"
        assert Response(url, "HEAD").headers["Content-Length"] == str(len(OBJECT))

        asked = {**origin, "Access-Control-Request-Method": "GET"}
        preflight = Response(url, "OPTIONS", {**asked, "Access-Control-Request-Headers": "range"})
        assert preflight.status == 200
        assert preflight.headers["Access-Control-Allow-Headers"] in ("*", "range")

        assert await bytes_sent(store.metrics_url) - before == len(OBJECT) + 1000

        for listing in (f"{store.media_url}/", f"{store.media_url}?list-type=2", store.endpoint):
            assert Response(listing).status == 403
        assert Response(url, "PUT").status == 403
        assert Response(url, "DELETE").status == 403
        assert Response(f"{store.media_url}/live/0/none.ts").status == 404
    finally:
        await supervisor.stop()

    # objects survive the store's process, even if it is killed
    again = Supervisor(tmp_path / "logs", lambda _text: None, lambda: None)
    again.start(program(store))
    try:
        await store.make_ready()
        assert Response(f"{store.media_url}/{KEY}").body == OBJECT
        listed = client(store).list_objects_v2(Bucket=BUCKET).get("Contents", [])
        assert [item.get("Key") for item in listed] == [KEY]
    finally:
        await again.stop()
    assert again.pids == {}
