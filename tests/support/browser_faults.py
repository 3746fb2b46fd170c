"""Faults of the browser around a page: a closed lid, a changed clock, a failing decoder.

The scripts run before the page's own. They simulate what a test cannot have: a user who sets the
clock, a tab that is hidden for long, a decoder that fails, a page older than the deployed station.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.chromium import executable_of
from tests.support.viewers import CHROMIUM_ARGUMENTS

AUTOPLAY = "--autoplay-policy="

CLOCK = """
const real = Date.now.bind(Date);
window.clockSetBy = 0;
Date.now = () => real() + window.clockSetBy;
"""
"""adds `window.clockSetBy` milliseconds to the wall clock"""

SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.sockets.push(this); }
};
"""
"""`window.sockets` has all WebSockets of the page"""

TIMERS = """
const later = window.setTimeout.bind(window), every = window.setInterval.bind(window);
const rounded = (ms) => window.tabHidden ? Math.ceil(((ms || 0) + performance.now()) / 1000) * 1000
  - performance.now() : ms;
window.tabHidden = false;
window.setTimeout = (run, ms, ...rest) => later(run, rounded(ms), ...rest);
window.setInterval = (run, ms, ...rest) => {
  let due = performance.now();
  return every((...given) => {
    if (window.tabHidden && performance.now() < due) return;
    due = performance.now() + Math.max(0, 1000 - (ms || 0));
    run(...given);
  }, ms, ...rest);
};
"""
"""while `window.tabHidden`, timers fire once a second, as in a hidden tab"""

DECODER = """
const append = SourceBuffer.prototype.appendBuffer;
window.badAppends = 0;
window.sources = [];
SourceBuffer.prototype.appendBuffer = function (data) {
  if (window.badAppends > 0) {
    window.badAppends -= 1;
    data = new Uint8Array(data.byteLength).fill(0xff);
  }
  return append.call(this, data);
};
for (const name of ["MediaSource", "ManagedMediaSource"]) {
  if (!window[name]) continue;
  window[name] = class extends window[name] {
    constructor() { super(); window.sources.push(performance.now()); }
  };
}
"""
"""the decoder gets garbage for the next `window.badAppends` fragments; `window.sources` has the
times at which the player created a media source, ms"""

OLD_PLAN = """
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  return send.call(this, typeof data === "string"
    ? data.replace('"plan_version":2', '"plan_version":1') : data);
};
"""
"""the page is older than the station and computes another plan version"""


@contextmanager
def second_browser(browser: Browser, *, autoplay: bool = True) -> Iterator[tuple[Browser, int]]:
    """Run a second Chromium, optionally with the default autoplay policy; yield it and its pid."""
    arguments = [one for one in CHROMIUM_ARGUMENTS if autoplay or not one.startswith(AUTOPLAY)]
    before = set(descendants(os.getpid()))
    started = browser.browser_type.launch(
        executable_path=executable_of(browser.browser_type), args=arguments, headless=True
    )
    try:
        new = [pid for pid in descendants(os.getpid()) if pid not in before]
        [main] = [
            pid
            for pid in new
            if "--remote-debugging" in (line := _command(pid)) and "--type=" not in line
        ]
        yield started, main
    finally:
        started.close()


def descendants(pid: int) -> list[int]:
    """Return the pids of all descendants of `pid`."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]


@contextmanager
def suspended(process: int) -> Iterator[None]:
    """Stop a process and its descendants, as a closed lid does; the network keeps running."""
    processes = [process, *descendants(process)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
