"""Real faults of a real station reach its health, its metrics, the operator API and a webhook."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from shoal.alarms import alert_state
from shoal.alarms.alert_store import AlertStore
from shoal.alarms.webhook import Webhook
from shoal.local.store import Store
from shoal.problems import Problems
from tests.support.broadcaster import broadcaster
from tests.support.station import Station, fetch, station, wait_for
from tests.support.webhook import Receiver, webhook_receiver


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Station]:
    data = tmp_path_factory.mktemp("alarms") / "data"
    (data / "secrets").mkdir(parents=True)
    (data / "secrets" / "alarm_webhook").write_text(receiver.url)
    with station(data, "--segment-seconds", "1", "--bitrate", "300") as started:
        yield started


@contextmanager
def watching_owncasts_own_playlist(running: Station) -> Iterator[None]:
    """Run a viewer whose page plays /hls/stream.m3u8, as an earlier station's did."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(2):
            fetch(f"{running.local['owncast']}/hls/stream.m3u8")

    viewer = threading.Thread(target=watch)
    viewer.start()
    try:
        yield
    finally:
        stop.set()
        viewer.join()


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def codes(running: Station) -> set[str]:
    return {problem["code"] for problem in running.health()["problems"]}


def test_a_bypass_and_a_failing_standby_are_reported_everywhere(
    running: Station, receiver: Receiver
) -> None:
    receiver.status = 503
    with watching_owncasts_own_playlist(running), hanging(running.local["pids"]["signaling"]):
        wait_for("both problems are raised", lambda: {"bypass", "standby"} <= codes(running), 60)
        metrics = fetch(f"{running.local['broadcaster']}/metrics").decode()
        assert 'shoal_problem{code="bypass"} 1.0' in metrics
        wait_for("so is the failing webhook", lambda: "alarms" in codes(running), 20)
        assert receiver.received == []
        receiver.status = 200
        wait_for(
            "both are posted",
            lambda: receiver.states("bypass") == receiver.states("standby") == ["raised"],
            40,
        )
        wait_for("posting works again", lambda: "alarms" not in codes(running))
    [alarm] = [alarm for alarm in receiver.received if alarm["code"] == "bypass"]
    assert alarm["service"] == "broadcaster"
    assert alarm["station"] == os.uname().nodename
    assert "1 viewer loads Owncast's own playlist" in alarm["text"]
    assert alarm["text"] == alarm["content"]
    assert "s3cret" not in running.log("broadcaster")
    token = (running.data / "secrets" / "operator_token").read_text()

    def shown_to_the_operator() -> bool:
        body = fetch(
            f"{running.local['gateway']}/api/station", {"Authorization": f"Bearer {token}"}
        )
        problems = json.loads(body)["services"]["broadcaster"]["problems"]
        return "bypass" in {problem["code"] for problem in problems}

    assert shown_to_the_operator()
    wait_for("the bypass is over", lambda: "bypass" not in codes(running), 40)


def test_a_wrong_folder_while_owncast_is_online_is_an_alarm(
    running: Station, receiver: Receiver, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "hls").mkdir()
    (tmp_path / "webhook").write_text(receiver.url)
    settings = {
        "SHOAL_OWNCAST_URL": running.local["owncast"],
        "SHOAL_ALARM_STATION": "tv.example.org",
        "SHOAL_ALARM_WEBHOOK_FILE": str(tmp_path / "webhook"),
    }
    receiver.status = 200
    with broadcaster(tmp_path, store, settings) as lost:
        message = wait_for("the problem is raised", lambda: lost.problem("no_segments"), 40)
        assert "Owncast reports that it is online" in message
        assert str(tmp_path / "hls") in message
        assert lost.health()["status"] == "failing"
        wait_for("it is posted", lambda: receiver.states("no_segments"), 20)
    [alarm] = [alarm for alarm in receiver.received if alarm["code"] == "no_segments"]
    assert (alarm["station"], alarm["severity"]) == ("tv.example.org", "failing")


async def test_the_last_state_is_posted_after_any_outage_of_the_receiver(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("RAISE_AFTER_S", 0.1), ("OVER_AFTER_S", 0.5), ("FIRST_RETRY_S", 0.05)):
        monkeypatch.setattr(alert_state, name, seconds)
    receiver.status = 500
    receiver.refused = 0
    problems = Problems()
    posting = asyncio.create_task(
        Webhook(receiver.url, "tv.example.org", "broadcaster", problems, None).run()
    )
    try:
        for moment in range(20):  # the problem flaps, and the receiver refuses each post
            problems.report("example", f"for the time {moment}", "degraded")
            await asyncio.sleep(0.02)
            problems.clear("example")
            await asyncio.sleep(0.02)
        problems.report("example", "at last", "failing")
        await until(lambda: receiver.refused > 2)
        assert receiver.states("example") == []
        receiver.status = 200
        await until(lambda: receiver.states("example") == ["raised"])
        assert receiver.received[-1]["message"] == "at last"
        problems.clear("example")
        await until(lambda: receiver.states("example") == ["raised", "over"])
        assert problems.status == "ok"
    finally:
        posting.cancel()
        with suppress(asyncio.CancelledError):
            await posting


async def test_the_end_of_a_problem_is_posted_after_a_restart(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("RAISE_AFTER_S", 0.1), ("OVER_AFTER_S", 0.5)):
        monkeypatch.setattr(alert_state, name, seconds)
    receiver.status = 200
    store_file = tmp_path / "alarms.json"

    before = Problems()
    hook = Webhook(receiver.url, "tv.example.org", "broadcaster", before, AlertStore(store_file))
    before.report("stays", "it stays", "degraded")
    before.report("goes", "it goes", "degraded")
    posting = asyncio.create_task(hook.run())
    await until(lambda: receiver.states("goes") == receiver.states("stays") == ["raised"])
    posting.cancel()
    await asyncio.wait({posting})

    after = Problems()
    hook = Webhook(receiver.url, "tv.example.org", "broadcaster", after, AlertStore(store_file))
    after.report("stays", "it stays", "degraded")
    posting = asyncio.create_task(hook.run())
    await until(lambda: receiver.states("goes") == ["raised", "over"])
    assert receiver.states("stays") == ["raised"]
    posting.cancel()
    await asyncio.wait({posting})
    assert [one.problem.code for one in AlertStore(store_file).load()] == ["stays"]
    store_file.write_text("not JSON")
    assert AlertStore(store_file).load() == []


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
