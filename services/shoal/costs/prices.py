"""The one price table: what AWS and Cloudflare charge, in US dollars, and as of when.

Public list prices without tax, of AWS in us-east-1 and of Cloudflare R2's standard storage. Edit
them here for another region or contract.
"""

AS_OF = "2026-11-22"

HOURS_PER_MONTH = 730
BYTES_PER_GB = 1e9

EC2_FREE_GB = 100.0
"""out to the internet, each month"""
EC2_EGRESS = (
    (10_240.0, 0.09),
    (51_200.0, 0.085),
    (153_600.0, 0.07),
    (float("inf"), 0.05),
)
"""tiers: (up to this many GB in a month, price per GB)"""

EC2_INSTANCE_HOUR = {
    "t4g.small": 0.0168,
    "t4g.medium": 0.0336,
    "t3.small": 0.0208,
    "t3.medium": 0.0416,
}
"""on demand"""
EC2_GP3_GB_MONTH = 0.08
EC2_IPV4_HOUR = 0.005

R2_CLASS_A_MILLION = 4.50
R2_FREE_CLASS_A = 1_000_000
"""operations that write or list"""
R2_CLASS_B_MILLION = 0.36
R2_FREE_CLASS_B = 10_000_000
"""operations that read"""
R2_STORAGE_GB_MONTH = 0.015
R2_FREE_STORAGE_GB = 10


def host_month(instance_type: str, volume_gb: int) -> float:
    """Return the price of the host for a month, without traffic.

    Raises KeyError for an instance type that is not in the table.
    """
    hourly = EC2_INSTANCE_HOUR[instance_type] + EC2_IPV4_HOUR
    return hourly * HOURS_PER_MONTH + volume_gb * EC2_GP3_GB_MONTH
