"""The ssh host keys of a new instance, from the console output that EC2 shows to its owner."""

import re
from collections.abc import Sequence
from typing import Any, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shoal.errors import OperatorError

_BLOCK = re.compile(
    r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL
)
_KEY = re.compile(r"\b(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/]{60,}={0,2}")


def parse_host_keys(text: str) -> list[str]:
    """Return the host keys that cloud-init printed at the most recent first boot, if any."""
    blocks: list[str] = _BLOCK.findall(text)
    return _KEY.findall(blocks[-1]) if blocks else []


def fetch_host_keys(instance_id: str, region: str) -> Sequence[str]:
    """Return an instance's host keys from EC2. Raises OperatorError while there are none."""
    try:
        client = cast("Any", boto3).client(
            "ec2", region_name=region
        )  # only S3's type stubs are installed
        for latest in (True, False):  # the console now, and as it was after the boot
            output = client.get_console_output(InstanceId=instance_id, Latest=latest)
            if keys := parse_host_keys(str(output.get("Output", ""))):
                return keys
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(
            f"cannot read the ssh host keys of {instance_id} from the EC2 console: {error}. Use AWS"
            " credentials that allow ec2:GetConsoleOutput, or set the keys yourself: pulumi config"
            " set --path 'sshHostKeys[0]' 'ssh-ed25519 AAAA…', then pulumi up"
        ) from error
    raise OperatorError(
        f"the EC2 console of {instance_id} does not show its ssh host keys yet: that takes a few"
        " minutes after its first boot. If the instance is older, set the keys yourself: pulumi"
        " config set --path 'sshHostKeys[0]' 'ssh-ed25519 AAAA…', then pulumi up"
    )
