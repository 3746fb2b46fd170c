"""The object store (Cloudflare R2 or another S3): each call is one request, bounded in time."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shoal.config.settings import BroadcasterSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTENT_TYPES = {".ts": "video/mp2t", ".m4s": "video/mp4", ".mp4": "video/mp4"}
CACHE_CONTROL = "public, max-age=31536000, immutable"
CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 4
ATTEMPTS = 2
"""by botocore, with its own backoff and jitter: they hide a single lost connection"""
PARALLEL_REQUESTS = 8
MAX_DELETED_AT_ONCE = 1000
"""the limit of S3's DeleteObjects"""

_ADVICE = {
    "NoSuchBucket": "create the bucket or correct SHOAL_BUCKET",
    "InvalidAccessKeyId": "the store does not know the access key: correct r2_access_key_id",
    "SignatureDoesNotMatch": "the secret key is wrong: correct r2_secret_access_key",
    "AccessDenied": "the key lacks permission for this bucket: grant it object read and write",
}

T = TypeVar("T")


class StoreError(Exception):
    """A request failed; the message has the bucket, the store's answer, and what to do."""


class Store:
    """A bucket."""

    def __init__(self, settings: BroadcasterSettings) -> None:
        self._bucket = settings.bucket
        self._location = f"{settings.s3_endpoint}/{settings.bucket}"
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
        """Put a segment or an init section, cacheable forever. Raises StoreError."""
        await self._call(
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType=content_type(key),
                CacheControl=CACHE_CONTROL,
            )
        )

    async def put_json(self, key: str, data: bytes) -> None:
        """Put a small JSON object that changes, not to be cached. Raises StoreError."""
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
        """Put an object that never changes, cacheable forever. Raises StoreError."""
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
        """Copy a segment within the bucket; return False if it is missing. Raises StoreError."""

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

    async def exists(self, key: str) -> bool:
        """Return whether an object exists. Raises StoreError."""

        def head() -> bool:
            try:
                self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if _is_missing(error):
                    return False
                raise
            return True

        return await self._call(head)

    async def list_keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with `prefix`, at most 1000. Raises StoreError."""
        listed = await self._call(
            lambda: self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
        )
        return [key for item in listed.get("Contents", []) if (key := item.get("Key"))]

    async def get(self, key: str) -> bytes | None:
        """Return an object's bytes, None if it does not exist. Raises StoreError."""

        def read() -> bytes | None:
            try:
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None

        return await self._call(read)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete up to 1000 objects; missing ones are not an error. Raises StoreError.

        R2 does not charge for deletions.
        """
        objects = [{"Key": key} for key in keys[:MAX_DELETED_AT_ONCE]]
        await self._call(
            lambda: self._client.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": objects, "Quiet": True},  # pyright: ignore[reportArgumentType]
            )
        )

    async def _call(self, request: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, request)
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"{self._location}: {_explain(error)}") from error

    def close(self) -> None:
        """Drop requests that wait for a thread; those in progress end with their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def content_type(name: str) -> str:
    """Return the media type of a segment or init section, by its file extension."""
    return CONTENT_TYPES[name[name.rindex(".") :]]


def _is_missing(error: ClientError) -> bool:
    """Whether the error means that the object does not exist (a HEAD has no error code)."""
    return error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404")


def _explain(error: BotoCoreError | ClientError) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    code = error.response.get("Error", {}).get("Code", "")
    return f"{error}: {_ADVICE.get(code, 'check the status page of the store')}"
