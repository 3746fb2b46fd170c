"""The operating systems that a host can run, and what each needs at its first boot."""

from dataclasses import dataclass
from typing import Literal

Agent = Literal["has", "lacks"]


@dataclass(frozen=True)
class Image:
    """One operating system."""

    parameter: str
    """the public SSM parameter with the ID of its newest image, by `{architecture}`"""
    user: str
    """the user that may log in and use sudo"""
    ssm_agent: Agent
    """whether the image includes the AWS SSM agent, a second way in besides ssh"""


IMAGES = {
    "debian-13": Image("/aws/service/debian/release/13/latest/{architecture}", "admin", "lacks"),
    "debian-12": Image("/aws/service/debian/release/12/latest/{architecture}", "admin", "lacks"),
    "ubuntu-24.04": Image(
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/{architecture}"
        "/hvm/ebs-gp3/ami-id",
        "ubuntu",
        "has",
    ),
}


def user_data(image: Image, region: str, architecture: str) -> str | None:
    """Return the cloud-init data for the first boot. Anyone on the host can read it: no secrets."""
    if image.ssm_agent == "has":
        return None
    deb = (
        f"https://s3.{region}.amazonaws.com/amazon-ssm-{region}/latest/debian_{architecture}"
        "/amazon-ssm-agent.deb"
    )
    return "\n".join(
        (
            "#cloud-config",
            "packages: [curl]",
            "runcmd:",
            f"  - curl -fsS --retry 5 -o /root/amazon-ssm-agent.deb {deb}",
            "  - dpkg -i /root/amazon-ssm-agent.deb",
            "",
        )
    )
