"""What `pulumi up` runs: read the configuration, then declare the station."""

from shoal_infra.config import load
from shoal_infra.program import build

build(load())
