from pathlib import Path

import pytest

from shoal.errors import OperatorError
from shoal.settings import BroadcasterSettings, SignalingSettings, describe, load


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREDENTIALS_DIRECTORY", "SHOAL_BROADCASTER_TOKEN_FILE", "SHOAL_SIGNALING_URL"):
        monkeypatch.delenv(name, raising=False)


def test_a_secret_comes_from_systemds_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broadcaster_token").write_text("s3cret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = load(SignalingSettings)
    assert settings.broadcaster_token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_a_named_file_goes_first_and_a_plain_variable_never_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_BROADCASTER_TOKEN", "from the environment")
    with pytest.raises(OperatorError, match="SHOAL_BROADCASTER_TOKEN_FILE"):
        load(SignalingSettings)
    (tmp_path / "token").write_text("from a file")
    monkeypatch.setenv("SHOAL_BROADCASTER_TOKEN_FILE", str(tmp_path / "token"))
    assert load(SignalingSettings).broadcaster_token.get_secret_value() == "from a file"


def test_an_empty_or_missing_secret_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_BROADCASTER_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(OperatorError, match="cannot read the secret"):
        load(SignalingSettings)
    (tmp_path / "token").write_text("\n")
    with pytest.raises(OperatorError, match="is empty"):
        load(SignalingSettings)


def test_every_bad_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_SIGNALING_URL", "signaling:8081")
    with pytest.raises(OperatorError) as caught:
        load(BroadcasterSettings)
    for name in ("SHOAL_SIGNALING_URL", "SHOAL_S3_ENDPOINT", "SHOAL_R2_ACCESS_KEY_ID_FILE"):
        assert name in str(caught.value)


def test_help_names_every_variable() -> None:
    text = describe(BroadcasterSettings)
    assert "SHOAL_HLS_DIR" in text
    assert "SHOAL_R2_SECRET_ACCESS_KEY_FILE" in text
