"""The object store of the local stack: SeaweedFS, in place of Cloudflare R2."""

import asyncio
import contextlib
import json
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from shoal.errors import OperatorError
from shoal.site.metrics_reader import store_bytes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "shoal"
PORT_NAMES = (
    *("s3", "s3_grpc", "master", "master_grpc", "volume", "volume_grpc"),
    *("filer", "filer_grpc", "store_metrics"),
)
READY_TIMEOUT_S = 30.0
RETRY_S = 0.1
ELECTION_TIMEOUT = "1s"  # a restarted master waits this long for other masters
VOLUME_MB = 1024
MAX_VOLUMES = 64
PROBE_KEY = ".shoal-up"


class _NotReadyError(Exception):
    """The store refused a request or did not respond; the message has the details."""


@dataclass(frozen=True)
class Store:
    """A SeaweedFS instance: its folder, ports and credentials."""

    folder: Path
    ports: dict[str, int]
    """by names in PORT_NAMES"""
    access_key_id: str
    secret_access_key: str

    @property
    def endpoint(self) -> str:
        """URL of the S3 endpoint."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def media_url(self) -> str:
        """URL of the bucket's root, where objects are publicly readable."""
        return f"{self.endpoint}/{BUCKET}"

    @property
    def metrics_url(self) -> str:
        """URL of the Prometheus metrics."""
        return f"http://127.0.0.1:{self.ports['store_metrics']}/metrics"

    def prepare(self) -> None:
        """Write the configuration. Raises OperatorError if the folder cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for stale in self.folder.glob("m[0-9]*"):  # the master's state for other ports
                if stale.name != f"m{self.ports['master']}":
                    shutil.rmtree(stale)
            config = self._config_path
            config.touch(mode=0o600)
            config.write_text(json.dumps(self._config()))
        except OSError as error:
            raise OperatorError(
                f"cannot write {error.filename or self.folder}: {error.strerror}; "
                "choose another folder with --data, or free up space"
            ) from error

    def command(self) -> list[str]:
        """Return the command that runs the store, on loopback only."""
        ports = self.ports
        return [
            *(_weed(), "-logtostderr=true", "server", f"-dir={self.folder}"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *("-master.telemetry=false", f"-master.electionTimeout={ELECTION_TIMEOUT}"),
            *(f"-master.port={ports['master']}", f"-master.port.grpc={ports['master_grpc']}"),
            *(f"-master.volumeSizeLimitMB={VOLUME_MB}", f"-volume.max={MAX_VOLUMES}"),
            *(f"-volume.port={ports['volume']}", f"-volume.port.grpc={ports['volume_grpc']}"),
            *("-volume.preStopSeconds=0", "-volume.minFreeSpace=100MiB"),
            *("-filer", f"-filer.port={ports['filer']}", f"-filer.port.grpc={ports['filer_grpc']}"),
            *("-s3", f"-s3.port={ports['s3']}", f"-s3.port.grpc={ports['s3_grpc']}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"),
            *(f"-s3.config={self._config_path}", "-s3.autoCreateBucket=false"),
            *("-metricsIp=127.0.0.1", f"-metricsPort={ports['store_metrics']}"),
        ]

    def remove_sockets(self) -> None:
        """Delete the Unix sockets that the store leaves in /tmp, named after its ports."""
        for name in ("filer-grpc", "master-grpc", "s3-grpc", "volume-grpc", "s3", "filer"):
            for port in self.ports.values():
                with contextlib.suppress(OSError):
                    Path(f"/tmp/seaweedfs-{name}-{port}.sock").unlink(missing_ok=True)

    async def make_ready(self) -> None:
        """Wait until the store accepts objects; create the bucket with its CORS rules.

        Raises OperatorError if it accepts none within 30 s.
        """
        problem: Exception = TimeoutError()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while True:
                    try:
                        await asyncio.to_thread(self._set_up)
                        return
                    except _NotReadyError as error:
                        problem = error
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            raise OperatorError(
                f"the object store accepted no object within {READY_TIMEOUT_S:.0f} s ({problem}): "
                f"check whether the disk of {self.folder} is full"
            ) from None

    def _set_up(self) -> None:
        # importing boto3 takes most of a second; here that happens while the store starts
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._make_bucket(self._client())
        except (BotoCoreError, ClientError) as error:
            raise _NotReadyError(str(error)) from error

    def _make_bucket(self, s3: "S3Client") -> None:
        exists = (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists)
        with contextlib.suppress(*exists):
            s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_cors(
            Bucket=BUCKET,
            CORSConfiguration={
                "CORSRules": [
                    {
                        "AllowedMethods": ["GET", "HEAD"],
                        "AllowedOrigins": ["*"],
                        "AllowedHeaders": ["*"],
                        "ExposeHeaders": ["Content-Range", "Content-Length", "ETag"],
                        "MaxAgeSeconds": 3600,
                    }
                ]
            },
        )
        s3.put_object(Bucket=BUCKET, Key=PROBE_KEY, Body=b"ready")
        s3.delete_object(Bucket=BUCKET, Key=PROBE_KEY)

    def _client(self) -> "S3Client":
        import boto3
        from botocore.config import Config

        return boto3.client(  # pyright: ignore[reportUnknownMemberType] - its other services
            "s3",
            endpoint_url=self.endpoint,
            region_name="auto",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=5,
                proxies={},
            ),
        )

    @property
    def _config_path(self) -> Path:
        return self.folder / "s3.json"

    def _config(self) -> dict[str, object]:
        keys = {"accessKey": self.access_key_id, "secretKey": self.secret_access_key}
        station = {
            "name": "shoal",
            "credentials": [keys],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        return {"identities": [station, {"name": "anonymous", "actions": [f"Read:{BUCKET}"]}]}


async def bytes_sent(metrics_url: str) -> int:
    """Return the bytes of objects that a store has sent since it started.

    Raises aiohttp.ClientError if the store does not respond.
    """
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.get(metrics_url, raise_for_status=True) as response,
    ):
        return store_bytes(await response.text())


def _weed() -> str:
    beside_python = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside_python) if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise OperatorError("the object store is not installed: run `make up`, which installs it")
    return found
