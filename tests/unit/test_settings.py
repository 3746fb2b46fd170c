from pathlib import Path

import pytest

from shoal.config.settings import (
    BroadcasterSettings,
    SignalingSettings,
    SiteSettings,
    describe,
    load,
)
from shoal.errors import OperatorError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("CREDENTIALS_DIRECTORY", "SHOAL_BROADCASTER_TOKEN_FILE", "SHOAL_JOIN_SECRET_FILE"),
        *("SHOAL_SIGNALING_URL", "SHOAL_EMBED_ORIGINS", "SHOAL_TRUSTED_PROXIES"),
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("broadcaster_token", "operator_token", "join_secret"):
        (tmp_path / name).write_text("s3cret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("secrets")
def test_a_secret_is_read_from_systemd_credentials() -> None:
    settings = load(SignalingSettings)
    assert settings.broadcaster_token.get_secret_value() == "s3cret"
    assert settings.join_secret.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_a_named_file_takes_precedence_and_a_plain_variable_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "join_secret").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("SHOAL_BROADCASTER_TOKEN", "from the environment")
    with pytest.raises(OperatorError, match="SHOAL_BROADCASTER_TOKEN_FILE"):
        load(SignalingSettings)
    (tmp_path / "broadcaster_token").write_text("from systemd")
    (tmp_path / "token").write_text("from a file")
    monkeypatch.setenv("SHOAL_BROADCASTER_TOKEN_FILE", str(tmp_path / "token"))
    assert load(SignalingSettings).broadcaster_token.get_secret_value() == "from a file"


def test_an_empty_or_missing_secret_file_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_BROADCASTER_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(OperatorError, match="cannot read the secret"):
        load(SignalingSettings)
    (tmp_path / "token").write_text("\n")
    with pytest.raises(OperatorError, match="is empty"):
        load(SignalingSettings)


def test_all_bad_settings_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_SIGNALING_URL", "signaling:8081")
    with pytest.raises(OperatorError) as caught:
        load(BroadcasterSettings)
    for name in ("SHOAL_SIGNALING_URL", "SHOAL_S3_ENDPOINT", "SHOAL_R2_ACCESS_KEY_ID_FILE"):
        assert name in str(caught.value)


def test_help_lists_variables() -> None:
    text = describe(BroadcasterSettings)
    assert "SHOAL_HLS_DIR" in text
    assert "SHOAL_R2_SECRET_ACCESS_KEY_FILE" in text


@pytest.mark.usefixtures("secrets")
def test_embed_origins_are_normalized_as_browsers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(SiteSettings).embed_origins == []
    monkeypatch.setenv(
        "SHOAL_EMBED_ORIGINS",
        '["https://Example.org", "https://b\u00fccher.example:443/", "http://[::1]:8888", "*"]',
    )
    for kind in (SiteSettings, SignalingSettings):
        assert load(kind).embed_origins == [
            *("https://example.org", "https://xn--bcher-kva.example", "http://[::1]:8888", "*")
        ]


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SHOAL_EMBED_ORIGINS", '["https://example.org/page"]', "must be * or an origin such as"),
        ("SHOAL_EMBED_ORIGINS", '["https://example.org?a"]', "must be * or an origin such as"),
        ("SHOAL_EMBED_ORIGINS", '["https://me@example.org"]', "must be * or an origin such as"),
        ("SHOAL_EMBED_ORIGINS", '["https://*.example.org"]', "must be * or an origin such as"),
        ("SHOAL_EMBED_ORIGINS", '["https://"]', "must be * or an origin such as"),
        ("SHOAL_EMBED_ORIGINS", '["example.org"]', "'example.org' must be *"),
        ("SHOAL_EMBED_ORIGINS", '["ftp://example.org"]', "must be * or an origin such as"),
        ("SHOAL_EMBED_ORIGINS", '["null"]', "must be * or an origin such as"),
        ("SHOAL_EMBED_ORIGINS", "https://example.org", "valid list"),
        ("SHOAL_TRUSTED_PROXIES", '["10.0.0.1/8"]', "has host bits set"),
        ("SHOAL_TRUSTED_PROXIES", '["everybody"]', "must be CIDRs"),
        ("SHOAL_MAX_SOCKETS_PER_ADDRESS", "0", "greater than or equal to 1"),
        ("SHOAL_MAX_MESSAGES_PER_S", "0", "greater than 0"),
        ("SHOAL_CLUSTER_URL", "http://:passw0rd@valkey", "must be a redis:// or rediss:// URL"),
    ],
)
def test_a_bad_setting_is_reported_on_one_line(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(OperatorError) as caught:
        load(SignalingSettings)
    assert variable in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "passw0rd" not in str(caught.value)


@pytest.mark.usefixtures("secrets")
def test_trusted_proxies_and_cluster_url(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(SignalingSettings)
    assert settings.trusted_proxies == ["127.0.0.0/8", "::1/128"]
    assert settings.cluster_url is None
    monkeypatch.setenv("SHOAL_TRUSTED_PROXIES", '["10.1.2.3", "fd00::/8"]')
    monkeypatch.setenv("SHOAL_CLUSTER_URL", "rediss://:password@valkey:6380/0")
    settings = load(SignalingSettings)
    assert settings.trusted_proxies == ["10.1.2.3/32", "fd00::/8"]
    assert settings.cluster == "rediss://:password@valkey:6380/0"


def test_the_cluster_password_is_a_secret(monkeypatch: pytest.MonkeyPatch, secrets: Path) -> None:
    monkeypatch.setenv("SHOAL_CLUSTER_URL", "rediss://station@valkey:6380/0")
    (secrets / "cluster_password").write_text("p/w@d\n")
    settings = load(SignalingSettings)
    assert settings.cluster == "rediss://station:p%2Fw%40d@valkey:6380/0"
    assert "p/w" not in repr(settings)
