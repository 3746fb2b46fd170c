"""The object store (Cloudflare R2, or any S3): one attempt a call, bounded in time."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shoal.broadcaster.containers import content_type
from shoal.config.settings import BroadcasterSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CACHE_CONTROL = "public, max-age=31536000, immutable"
CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 4
ATTEMPTS = 2
"""botocore's own, with its backoff and jitter: they hide a single lost connection"""
PARALLEL_REQUESTS = 8
MAX_DELETED_AT_ONCE = 1000
"""S3's DeleteObjects takes no more"""

_ADVICE = {
    "NoSuchBucket": "create the bucket, or mend SHOAL_BUCKET",
    "InvalidAccessKeyId": "the store does not know the access key: mend r2_access_key_id",
    "SignatureDoesNotMatch": "the secret key is wrong: mend r2_secret_access_key",
    "AccessDenied": "the key may not do this in the bucket: give it object read and write",
}

T = TypeVar("T")


class StoreError(Exception):
    """The store did not do it; the message says where, what it answered and what to do."""


class Store:
    """A bucket."""

    def __init__(self, settings: BroadcasterSettings) -> None:
        self._bucket = settings.bucket
        self._where = f"{settings.s3_endpoint}/{settings.bucket}"
        self._threads = ThreadPoolExecutor(PARALLEL_REQUESTS, thread_name_prefix="store")
        client: S3Client = boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name="auto",
            aws_access_key_id=settings.r2_access_key_id.get_secret_value(),
            aws_secret_access_key=settings.r2_secret_access_key.get_secret_value(),
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                max_pool_connections=PARALLEL_REQUESTS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )
        self._client = client

    async def put_segment(self, key: str, data: bytes) -> None:
        """Store a segment or an initialization section, for ever cacheable. Raises StoreError."""
        await self._call(
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType=content_type(key),
                CacheControl=CACHE_CONTROL,
            )
        )

    async def put_note(self, key: str, data: bytes) -> None:
        """Store a small JSON object that changes. Raises StoreError."""
        await self._call(
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType="application/json",
                CacheControl="no-store",
            )
        )

    async def put_file(self, key: str, data: bytes, media_type: str) -> None:
        """Store an object that never changes, for ever cacheable. Raises StoreError."""
        await self._call(
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType=media_type,
                CacheControl=CACHE_CONTROL,
            )
        )

    async def copy(self, source: str, target: str) -> bool:
        """Copy a segment within the bucket; false where there is none. Raises StoreError."""

        def copy() -> bool:
            try:
                self._client.copy_object(
                    Bucket=self._bucket,
                    Key=target,
                    CopySource={"Bucket": self._bucket, "Key": source},
                    MetadataDirective="REPLACE",
                    ContentType=content_type(target),
                    CacheControl=CACHE_CONTROL,
                )
            except ClientError as error:
                if _is_missing(error):
                    return False
                raise
            return True

        return await self._call(copy)

    async def has(self, key: str) -> bool:
        """Say whether there is an object. Raises StoreError."""

        def look() -> bool:
            try:
                self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if _is_missing(error):
                    return False
                raise
            return True

        return await self._call(look)

    async def keys(self, prefix: str) -> list[str]:
        """Return keys that begin with `prefix`, at most a thousand. Raises StoreError."""
        listed = await self._call(
            lambda: self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
        )
        return [key for item in listed.get("Contents", []) if (key := item.get("Key"))]

    async def get(self, key: str) -> bytes | None:
        """Return an object's bytes, None where there is none. Raises StoreError."""

        def read() -> bytes | None:
            try:
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None

        return await self._call(read)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, at most a thousand a call; absent ones are no error. Raises StoreError.

        Deletion is free of charge at R2.
        """
        objects = [{"Key": key} for key in keys[:MAX_DELETED_AT_ONCE]]
        await self._call(
            lambda: self._client.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": objects, "Quiet": True},  # pyright: ignore[reportArgumentType]
            )
        )

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"{self._where}: {_explain(error)}") from error

    def close(self) -> None:
        """Give up requests that wait for a thread; those under way end by their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def _is_missing(error: ClientError) -> bool:
    """Whether the store says that there is no such object (a HEAD's answer has no code)."""
    return error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404")


def _explain(error: BotoCoreError | ClientError) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    code = error.response.get("Error", {}).get("Code", "")
    return f"{error}: {_ADVICE.get(code, 'see the status of the store')}"
