"""The contents of a release depend on the host's full Python version."""

import pytest
from tools.build_release import abi, requirements


@pytest.mark.parametrize(
    ("python", "needs"),
    [("3.11.2", {"async-timeout", "typing-extensions"}), ("3.13.5", {"typing-extensions"})],
)
def test_python_of_debian_12_needs_more_packages(python: str, needs: set[str]) -> None:
    lines = requirements(python, "x86_64")
    names = {line.partition("==")[0] for line in lines}
    assert names & {"async-timeout", "typing-extensions"} == needs
    assert all(" --hash=sha256:" in line and ";" not in line for line in lines)


def test_a_wheel_is_for_a_minor_version_of_python() -> None:
    assert abi("3.11.2") == "cp311"
