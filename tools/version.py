"""The version of a wheel built from this checkout; tools/build_release.py sets it."""

import os

VERSION = os.environ.get("SHOAL_VERSION") or "0.1.0"
