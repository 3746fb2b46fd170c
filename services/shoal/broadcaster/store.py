"""The object store (Cloudflare R2, or any S3): puts segments, says when it cannot."""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shoal.settings import BroadcasterSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CACHE_CONTROL = "public, max-age=31536000, immutable"
CONTENT_TYPE = "video/mp2t"
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10
PARALLEL_UPLOADS = 8
RETRY_FIRST_S = 0.5
RETRY_MOST_S = 10.0

_ADVICE = {
    "NoSuchBucket": "create the bucket, or mend SHOAL_BUCKET",
    "InvalidAccessKeyId": "the store does not know the access key: mend r2_access_key_id",
    "SignatureDoesNotMatch": "the secret key is wrong: mend r2_secret_access_key",
    "AccessDenied": "the key may not write to this bucket: give it object read and write",
}


def object_key(variant: int, name: str) -> str:
    """Return the key of a segment: `live/<variant>/<Owncast's file name>`."""
    return f"live/{variant}/{name}"


class Store:
    """Puts objects, again and again until the store takes them."""

    def __init__(self, settings: BroadcasterSettings) -> None:
        self._bucket = settings.bucket
        self._where = f"{settings.s3_endpoint}/{settings.bucket}"
        self._threads = ThreadPoolExecutor(PARALLEL_UPLOADS, thread_name_prefix="store")
        client: S3Client = boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name="auto",
            aws_access_key_id=settings.r2_access_key_id.get_secret_value(),
            aws_secret_access_key=settings.r2_secret_access_key.get_secret_value(),
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                max_pool_connections=PARALLEL_UPLOADS,
                retries={"mode": "standard", "total_max_attempts": 2},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )
        self._client = client

    async def put(self, key: str, data: bytes, on_fault: Callable[[str], None]) -> None:
        """Store an object; every failure is told to `on_fault` and tried again, without end."""
        delay_s = RETRY_FIRST_S
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(self._threads, self._put, key, data)
            except (BotoCoreError, ClientError) as error:
                on_fault(f"{self._where}: {_explain(error)}")
            else:
                return
            await asyncio.sleep(delay_s * random.uniform(0.5, 1))
            delay_s = min(RETRY_MOST_S, delay_s * 2)

    def _put(self, key: str, data: bytes) -> None:
        self._client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=data,
            ContentType=CONTENT_TYPE,
            CacheControl=CACHE_CONTROL,
        )

    def close(self) -> None:
        """Give up uploads that wait for a thread; those under way end by their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def _explain(error: BotoCoreError | ClientError) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    code = error.response.get("Error", {}).get("Code", "")
    advice = _ADVICE.get(code, "see the store's own status")
    return f"{error}: {advice}"
