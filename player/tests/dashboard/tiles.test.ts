import { describe, expect, it } from "vitest";
import { CostRate } from "../../src/dashboard/costs";
import { bytes, percent } from "../../src/ui/format";
import { ago, dollars } from "../../src/dashboard/format";
import { HistoryWindow } from "../../src/dashboard/history";
import { healthFacts, problemLines } from "../../src/dashboard/problems";
import { tiles } from "../../src/dashboard/tiles";
import type { Station } from "../../src/dashboard/health";

const STATION: Station = {
  live: true,
  viewers: 4,
  peers: 3,
  not_sharing: 1,
  share: 0.7,
  bytes: { p2p: 80, store: 40, seed: 0 },
  startup: { p2p: 0, store: 20, seed: 0 },
  recent: { p2p: 80, store: 20, seed: 0 },
  uploaded: 80,
  stalls: 2,
  latency_s: 8.25,
  chunks: 7,
  rooms: 1,
  replays: null,
  ec2_video: { services: 0, gateway: 0 },
  store_sent: null,
  cost: { usd: 1.5, r2_usd: 2, ec2_direct_usd: 9, prices_as_of: "2030-01-01" },
  since: { viewers: null, services: null, gateway: null, store: null },
  services: { broadcaster: { status: "ok" }, signaling: { status: "ok" } },
};
const NOTHING: Station = {
  ...STATION,
  live: null,
  viewers: null,
  peers: null,
  not_sharing: null,
  share: null,
  recent: null,
  stalls: null,
  latency_s: null,
  rooms: null,
  ec2_video: { services: null, gateway: null },
  cost: null,
};

describe("numbers for people", () => {
  it("are rounded without overstating", () => {
    expect([999, 1_000, 1_250_000, 12_500_000_000].map(bytes)).toEqual([
      "999 B",
      "1.0 kB",
      "1.3 MB",
      "13 GB",
    ]);
    expect(bytes(999_950)).toBe("1.0 MB");
    expect([percent(0.999), percent(1), percent(0)]).toEqual(["99%", "100%", "0%"]);
    expect([0, 0.001, 0.5].map(dollars)).toEqual(["$0.00", "< $0.01", "$0.50"]);
    const now = Date.parse("2030-01-01T12:00:00Z");
    expect(ago("2030-01-01T11:59:00Z", now)).toBe("60 s ago");
    expect(ago("2030-01-01T10:00:00+00:00", now)).toBe("2 h ago");
    expect(ago("2030-01-01T12:00:09Z", now)).toBe("0 s ago");
  });

  it("are dashes while unknown", () => {
    for (const { value } of tiles(NOTHING, new HistoryWindow(60), null)) expect(value).toBe("–");
  });

  it("are shown in tiles", () => {
    const shown = Object.fromEntries(
      tiles(STATION, new HistoryWindow(60), { usd: 0.5, ec2DirectUsd: 8 }).map((tile) => [
        tile.name,
        tile.value,
      ]),
    );
    expect(shown).toMatchObject({
      Viewers: "4",
      "From other viewers": "80%",
      Latency: "8.3 s",
      "Video through this host": "0 B",
      "Cost per hour": "$0.50",
      "Cost so far": "$1.50",
    });
  });
});

describe("the list of problems", () => {
  it("is empty on a healthy station, and on one with a single viewer", () => {
    expect(problemLines(STATION)).toEqual([]);
    expect(problemLines({ ...STATION, viewers: 2, not_sharing: 1, peers: 0 })).toEqual([]);
  });

  it("quotes the services, and names those that do not respond", () => {
    const problem = { code: "store", message: "the store fails", since: "2030-01-01T00:00:00Z" };
    const found = problemLines({
      ...STATION,
      services: {
        broadcaster: { status: "degraded", problems: [problem] },
        signaling: { status: "unreachable" },
        gateway: { status: "ok" },
      },
    });
    expect(found.map(({ service }) => service)).toEqual(["broadcaster", "signaling"]);
    expect(found[0]).toMatchObject({ message: problem.message, since: problem.since });
    expect(found[1]?.message).toContain("does not respond");
  });

  it("includes video through this host, and viewers without links", () => {
    const bad = problemLines({ ...STATION, ec2_video: { services: 0, gateway: 5 }, peers: 0 });
    expect(bad.map(({ service }) => service)).toEqual(["this host", "rooms"]);
    const problems = [{ code: "no_links", message: "no links", since: "2030-01-01T00:00:00Z" }];
    const lines = problemLines({
      ...STATION,
      peers: 0,
      services: { signaling: { status: "degraded", problems } },
    });
    expect(lines.map(({ service }) => service)).toEqual(["signaling"]);
  });

  it("leaves out facts that a service does not report", () => {
    expect(healthFacts({ status: "ok", chunks: 7, last_segment_age_s: null })).toEqual([
      ["segments", "7"],
    ]);
  });
});

describe("the cost per hour", () => {
  const at = (usd: number) => ({
    ...{ usd, r2_usd: usd, ec2_direct_usd: 10 * usd, prices_as_of: "" },
  });

  it("is the slope of the cost so far, once there is enough data", () => {
    const costs = new CostRate();
    costs.add(at(1), 0);
    costs.add(at(1.01), 20);
    expect(costs.hourly).toBeNull();
    costs.add(at(1.02), 36);
    expect(costs.hourly?.usd).toBeCloseTo(2);
    expect(costs.hourly?.ec2DirectUsd).toBeCloseTo(20);
    for (let s = 36; s <= 1000; s += 2) costs.add(at(1.02), s);
    expect(costs.hourly?.usd).toBe(0);
  });

  it("starts over when a service was restarted or is gone", () => {
    const costs = new CostRate();
    costs.add(at(5), 0);
    costs.add(at(1), 60);
    expect(costs.hourly).toBeNull();
    costs.add(at(2), 120);
    expect(costs.hourly?.usd).toBeCloseTo(60);
    costs.add(null, 122);
    expect(costs.hourly).toBeNull();
  });
});
