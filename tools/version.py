"""The version of a wheel that is built from this checkout; tools/build_release.py says which."""

import os

VERSION = os.environ.get("SHOAL_VERSION") or "0.1.0"
