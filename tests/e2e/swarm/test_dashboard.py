"""The operator's dashboard in Chromium: tiles, rooms, and services that fail."""

import os
import re
import signal
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.pages import VIOLATIONS
from tests.support.station import Station
from tests.support.viewers import Viewer

ARTIFACTS = Path(".artifacts/dashboard")
SIZES = {"phone": (390, 844, "light"), "laptop": (1366, 900, "dark")}
VIEWERS = 3


class Dashboard:
    """One operator's page."""

    def __init__(self, browser: Browser, running: Station, size: str) -> None:
        width, height, scheme = SIZES[size]
        self.size = size
        self.token = (running.data / "secrets" / "operator_token").read_text().strip()
        self.gateway = running.local["gateway"]
        self.errors: list[str] = []
        self.foreign: list[str] = []
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="light" if scheme == "light" else "dark",
        )
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._on_request(request.url))
        self.page.add_init_script(VIOLATIONS)
        self.page.goto(f"{self.gateway}/dashboard")

    def _on_request(self, url: str) -> None:
        if not url.startswith(self.gateway):
            self.foreign.append(url)

    def sign_in(self, token: str) -> None:
        self.page.get_by_label("Operator token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()

    def value(self, name: str) -> Locator:
        tile = self.page.locator(
            ".tile", has=self.page.get_by_role("heading", name=name, exact=True)
        )
        return tile.locator(".value")

    def tile(self, name: str) -> str:
        return self.value(name).inner_text()

    def save_screenshot(self, name: str, *, full_page: bool = True) -> None:
        """Save a screenshot in .artifacts/ for people to look at."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}-{self.size}.png", full_page=full_page)

    def faults(self) -> list[str]:
        """Return errors, requests to other hosts, and violations of the page's policy."""
        return [*self.errors, *self.foreign, *self.page.evaluate("() => window.violations")]

    def fits_the_screen(self) -> bool:
        return self.page.evaluate(
            "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )


def kill(running: Station, service: str) -> None:
    running.refresh()
    os.kill(running.local["pids"][service], signal.SIGKILL)


def assert_shows_the_swarm(dashboard: Dashboard, running: Station, viewers: list[Viewer]) -> None:
    page = dashboard.page
    expect(page.locator(".node")).to_have_count(VIEWERS, timeout=10_000)
    expect(page.locator("#air")).to_have_text("on air")
    # viewers' stats and rows of the history come every 10 s
    page.wait_for_function(
        "() => document.querySelector('#shares .u-legend')?.innerText.match(/viewers:?\\s*[1-9]/)",
        timeout=40_000,
    )
    assert dashboard.tile("Viewers") == str(VIEWERS)
    # viewers that have just started report bytes from the store only
    shared = dashboard.value("From other viewers")
    expect(shared).to_have_text(re.compile(r"^[1-9]\d?%$"), timeout=30_000)
    assert re.fullmatch(r"[01]\.\d", dashboard.tile("Copies per segment"))
    assert dashboard.tile("Video through this host") == "0 B"
    latency = dashboard.value("Latency")  # comes with the viewers' next report
    expect(latency).to_have_text(re.compile(r"^\d+\.\d s$"), timeout=20_000)
    assert float(latency.inner_text().removesuffix(" s")) > 2
    assert "$" in dashboard.tile("Cost so far")
    # on a busy machine the canary may be late; the dashboard shows every problem of the broadcaster
    messages = [problem["message"] for problem in running.health()["problems"]]
    expect(page.locator("#problems li")).to_have_count(len(messages))
    expect(page.locator("#problems")).not_to_contain_text("no links between")
    expect(page.locator("#services")).to_contain_text("viewers in rooms")
    # each viewer pushes to all others
    assert page.locator(".drawing > svg path.push").count() == VIEWERS * (VIEWERS - 1)
    ids = {viewer.stats()["id"][:6] for viewer in viewers}
    assert set(page.locator("#picture tbody td:first-of-type").all_inner_texts()) == ids
    node = page.get_by_role("button", name=re.compile("Viewer 1, "))
    node.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".node.picked")).to_have_count(1)
    assert page.evaluate("() => document.activeElement.getAttribute('aria-pressed')") == "true"


def test_only_the_operator_sees_the_swarm(browser: Browser, running: Station) -> None:
    viewers = [Viewer(browser, running.local["watch"]) for _ in range(VIEWERS)]
    dashboards = [Dashboard(browser, running, size) for size in SIZES]
    for dashboard in dashboards:
        expect(dashboard.page.locator("#stats")).to_be_hidden()
        dashboard.sign_in("wrong")
        expect(dashboard.page.get_by_role("alert")).to_contain_text("rejected this token")
        dashboard.save_screenshot("refused", full_page=False)
        dashboard.sign_in(dashboard.token)
        expect(dashboard.page.locator("#stats")).to_be_visible()
    for viewer in viewers:
        viewer.wait(f"s.ready && s.peers === {VIEWERS - 1} && s.playing", 45)
    for dashboard in dashboards:
        assert_shows_the_swarm(dashboard, running, viewers)
        assert dashboard.fits_the_screen()
        assert dashboard.faults() == []
        dashboard.save_screenshot("swarm")

    page = dashboards[0].page
    # the token is kept for this tab only, not in lasting storage
    page.reload()
    expect(page.locator("#stats")).to_be_visible()
    assert page.evaluate("() => Object.keys(localStorage).concat(document.cookie)") == [""]
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#stats")).to_be_hidden()
    page.reload()
    expect(page.get_by_label("Operator token")).to_be_visible()
    assert viewers[0].page.locator("a[href*=dashboard]").count() == 0
    for dashboard in dashboards:
        assert dashboard.faults() == []


def test_failures_are_shown_until_they_are_over(browser: Browser, running: Station) -> None:
    dashboard = Dashboard(browser, running, "laptop")
    page = dashboard.page
    dashboard.sign_in(dashboard.token)
    expect(page.locator("#no-rooms")).to_have_text("No viewers in rooms.")
    dashboard.save_screenshot("empty")
    kill(running, "signaling")
    expect(page.locator("#problems")).to_contain_text("signaling does not respond")
    expect(page.locator("#no-rooms")).to_contain_text("no data about rooms")
    assert dashboard.tile("Viewers") == "–"
    dashboard.save_screenshot("without-signaling")
    expect(page.locator("#problems")).not_to_contain_text("signaling", timeout=20_000)
    kill(running, "site")
    expect(page.locator("#contact")).to_contain_text("no connection since", timeout=15_000)
    dashboard.save_screenshot("without-site")
    expect(page.locator("#contact")).to_contain_text("as of", timeout=30_000)
    assert page.locator("[data-stale]").count() == 0
    assert dashboard.faults() == []
