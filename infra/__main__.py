"""Entry point of `pulumi up`: reads the configuration, then declares the station."""

from shoal_infra.config import load
from shoal_infra.program import build

build(load())
