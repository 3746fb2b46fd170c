import os
import shutil
import stat
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.errors import OperatorError
from shoal.local.data_dir import SECRETS, DataDir


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDir]:
    data = DataDir(tmp_path / "data")
    data.open(reset=False)
    yield data
    data.close()


def test_secrets_are_private_and_survive_a_run(data: DataDir) -> None:
    before = {name: data.secret(name) for name in SECRETS}
    assert len(set(before.values())) == len(SECRETS)
    modes = {stat.S_IMODE((data.secrets / name).stat().st_mode) for name in SECRETS}
    assert modes == {0o600}
    data.close()
    data.open(reset=False)
    assert {name: data.secret(name) for name in SECRETS} == before


def test_a_second_station_on_the_same_folder_is_refused(data: DataDir) -> None:
    with pytest.raises(OperatorError, match=rf"in use by another .* \(pid {os.getpid()}\)"):
        DataDir(data.root).open(reset=False)


def test_reset_deletes_only_folders_made_by_shoal_up(data: DataDir, tmp_path: Path) -> None:
    secret = data.secret("operator_token")
    data.close()
    data.open(reset=True)
    assert data.secret("operator_token") != secret

    foreign = tmp_path / "home"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(OperatorError, match="not made by `shoal up`"):
        DataDir(foreign).open(reset=True)
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="choose another folder with --data"):
        DataDir(tmp_path / "file" / "data").open(reset=False)


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**10, 10**10, 5 * 10**6))
    data = DataDir(tmp_path / "data")
    with pytest.raises(OperatorError, match="only 5 MB free"):
        data.open(reset=False)
    data.close()


def test_ports_are_remembered_and_a_broken_file_is_ignored(data: DataDir) -> None:
    data.remember_ports({"s3": 4711})
    assert data.remembered_ports() == {"s3": 4711}
    (data.root / "ports.json").write_text("[1")
    assert data.remembered_ports() == {}
