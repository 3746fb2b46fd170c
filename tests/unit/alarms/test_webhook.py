from datetime import UTC, datetime

import msgspec
import pytest

from shoal.alarms.alert_state import Alert
from shoal.alarms.webhook import MAX_TEXT, webhook_message
from shoal.config.settings import SignalingSettings, load
from shoal.errors import OperatorError
from shoal.problems import Problem

SINCE = "2030-01-01T00:00:00+00:00"
NOW = datetime(2030, 1, 2, 0, 3, 20, tzinfo=UTC)


def test_a_message_is_for_programs_and_for_chats() -> None:
    alert = Alert("raised", "failing", Problem("store", "it fails", SINCE))
    message = msgspec.to_builtins(webhook_message("tv.example.org", "broadcaster", alert, NOW))
    assert message == {
        "station": "tv.example.org",
        "service": "broadcaster",
        "code": "store",
        "message": "it fails",
        "severity": "failing",
        "state": "raised",
        "since": SINCE,
        "at": "2030-01-02T00:03:20+00:00",
        "text": "🔴 tv.example.org: it fails (broadcaster: store)",
        "content": "🔴 tv.example.org: it fails (broadcaster: store)",
    }


def test_the_end_says_how_long_the_problem_lasted() -> None:
    alert = Alert("over", "degraded", Problem("store", "it fails", SINCE))
    message = webhook_message("tv.example.org", "broadcaster", alert, NOW)
    assert message.text.startswith("🟢 tv.example.org: over after 1 day, 0:03:20: it fails")


def test_a_text_is_no_longer_than_chats_accept() -> None:
    alert = Alert("raised", "degraded", Problem("hls_folder", "x" * 5000, SINCE))
    message = webhook_message("tv.example.org", "broadcaster", alert, NOW)
    assert len(message.content) == MAX_TEXT
    assert len(message.message) == 5000


def test_an_invalid_url_is_named_but_not_shown(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("credentials")
    for name in ("broadcaster_token", "join_secret"):
        (folder / name).write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert load(SignalingSettings).alarm_webhook is None
    (folder / "alarm_webhook").write_text("ftp://hooks.example/s3cret")
    with pytest.raises(OperatorError) as caught:
        load(SignalingSettings)
    assert "SHOAL_ALARM_WEBHOOK_FILE" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    (folder / "alarm_webhook").write_text("https://hooks.example/s3cret\n")
    webhook = load(SignalingSettings).alarm_webhook
    assert webhook is not None
    assert webhook.get_secret_value() == "https://hooks.example/s3cret"
