import { describe, expect, it } from "vitest";
import { HistoryWindow } from "../../src/dashboard/history";
import type { HistoryColumns } from "../../src/dashboard/types";

const START = 1_900_000_000 - (1_900_000_000 % 600);

interface Row {
  viewers?: number | null;
  p2p?: number;
  store?: number;
  seed?: number;
  startup?: number;
  wanted?: number;
  stalls?: number;
  latency_s?: number;
}

function columns(rows: Row[], begin = START): HistoryColumns {
  const column = (name: keyof Row) =>
    rows.map((row) => (row.viewers === null ? null : (row[name] ?? 0)));
  return {
    step_s: 10,
    at: rows.map((_, i) => begin + 10 * (i + 1)),
    viewers: column("viewers"),
    linked: column("viewers"),
    rooms: rows.map(() => 1),
    p2p: column("p2p"),
    store: column("store"),
    seed: column("seed"),
    startup: column("startup"),
    startup_p2p: rows.map(() => 0),
    wanted: column("wanted"),
    uploaded: column("p2p"),
    stalls: column("stalls"),
    replays_p2p: rows.map(() => 0),
    replays_store: rows.map(() => 0),
    latency_s: rows.map((row) => row.latency_s ?? null),
  };
}

describe("the history", () => {
  it("is drawn in steps of half a minute: sums of bytes, mean latency", () => {
    const history = new HistoryWindow(3600);
    history.add(
      columns([
        { viewers: 2, p2p: 30, store: 10, stalls: 1, latency_s: 8 },
        { viewers: 4, p2p: 30, store: 20, latency_s: 10 },
        { viewers: null },
        { viewers: 3, seed: 5 },
      ]),
    );
    const series = history.series();
    expect(series.at).toEqual([START + 30, START + 60]);
    expect(series.viewers).toEqual([4, 3]);
    expect(series.p2p).toEqual([60 / 90, 0]);
    expect(series.seed).toEqual([0, 1]);
    expect(series.stalls).toEqual([1, 0]);
    expect(series.latencyS).toEqual([9, null]);
  });

  it("counts fetched copies per segment, without start-up", () => {
    const history = new HistoryWindow(3600);
    const row = { viewers: 10, p2p: 900, store: 100, wanted: 1000 };
    history.add(columns([row, row, { ...row, store: 500, startup: 400 }]));
    expect(history.series().copies).toEqual([1]);
    expect(history.copiesNow).toBe(1);
    expect(new HistoryWindow(60).copiesNow).toBeNull();
    const alone = new HistoryWindow(60);
    alone.add(columns([{ viewers: 1, store: 500, wanted: 500 }]));
    expect(alone.copiesNow).toBe(1);
  });

  it("has null for a step without data", () => {
    const history = new HistoryWindow(3600);
    history.add(columns([{ viewers: null }, { viewers: null }, { viewers: null }]));
    const { p2p, viewers, stalls, copies } = history.series();
    expect([p2p, viewers, stalls, copies]).toEqual([[null], [null], [null], [null]]);
  });

  it("ignores repeated rows, and drops rows older than its time range", () => {
    const history = new HistoryWindow(60);
    history.add(columns([{ viewers: 1 }, { viewers: 2 }, { viewers: 3 }]));
    history.add(columns([{ viewers: 9 }, { viewers: 9 }, { viewers: 9 }, { viewers: 4 }]));
    expect(history.size).toBe(4);
    history.add(columns(Array<Row>(20).fill({ viewers: 5, stalls: 1 }), START + 40));
    expect(history.size).toBe(6);
    expect(history.stalls).toBe(6);
    expect(history.newest).toBe(START + 240);
  });

  it("limits the number of points for a day", () => {
    const history = new HistoryWindow(86_400);
    history.add(columns(Array<Row>(8640).fill({ viewers: 5 })));
    expect(history.series().at.length).toBeLessThanOrEqual(241);
  });
});
