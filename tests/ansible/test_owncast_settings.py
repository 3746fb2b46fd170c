"""What the role compares: variants and keys, as the operator writes and as Owncast returns them."""

import importlib.util
from typing import Any

from tests.ansible.host import ANSIBLE

PATH = ANSIBLE / "roles/owncast/filter_plugins/owncast.py"


def filters() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("owncast_filters", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FilterModule().filters()


def test_values_that_owncast_adds_are_not_a_difference() -> None:
    variants = filters()["owncast_variants"]
    written = [{"name": "source", "videoBitrate": 1800, "audioBitrate": 128, "framerate": 30}]
    returned = [
        {
            "name": "source",
            "videoPassthrough": False,
            "audioPassthrough": False,
            "videoBitrate": 1800,
            "audioBitrate": 128,
            "framerate": 30,
            "encoderPreset": "",
            "cpuUsageLevel": 2,
        }
    ]
    assert variants(written) == variants(returned)


def test_a_variant_that_passes_through_has_no_frame_rate() -> None:
    (variant,) = filters()["owncast_variants"]([{"name": "as pushed", "videoPassthrough": True}])
    assert variant["framerate"] == 0
    assert variant["audioPassthrough"] is True


def test_another_bitrate_is_a_difference() -> None:
    variants = filters()["owncast_variants"]
    assert variants([{"videoBitrate": 1000}]) != variants([{"videoBitrate": 1001}])


def test_keys_have_the_form_of_the_api() -> None:
    (key,) = filters()["owncast_stream_keys"](["secret-key"])
    assert key["key"] == "secret-key"
    assert key["comment"]
