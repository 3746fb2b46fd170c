"""A new instance's ssh host keys, from the console that EC2 shows to its owner."""

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


def keys_on_console(text: str) -> list[str]:
    """Return the host keys that cloud-init printed at the last first boot, none if it has not."""
    blocks: list[str] = _BLOCK.findall(text)
    return _KEY.findall(blocks[-1]) if blocks else []


def read_console(instance_id: str, region: str) -> Sequence[str]:
    """Ask EC2 for an instance's host keys. Raises OperatorError while there are none."""
    try:
        client = cast("Any", boto3).client("ec2", region_name=region)  # its types are S3's alone
        for latest in (True, False):  # as it is now, and as it was after the boot
            answer = client.get_console_output(InstanceId=instance_id, Latest=latest)
            if keys := keys_on_console(str(answer.get("Output", ""))):
                return keys
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(
            f"cannot read the ssh host keys of {instance_id} from EC2's console: {error}. It needs"
            " AWS credentials that may ec2:GetConsoleOutput; or name the keys: pulumi config set"
            " --path 'sshHostKeys[0]' 'ssh-ed25519 AAAA…' and pulumi up"
        ) from error
    raise OperatorError(
        f"{instance_id} has not shown its ssh host keys on EC2's console yet: that takes a few"
        " minutes after its first boot. If it is older, name them: pulumi config set --path"
        " 'sshHostKeys[0]' 'ssh-ed25519 AAAA…' and pulumi up"
    )
