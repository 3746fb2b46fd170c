/** The dashboard's charts, drawn by uPlot. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { percent, seconds } from "../ui/format";
import { clock, copies, count } from "./format";
import type { Series } from "./history";

const HEIGHT_PX = 180;
/** Distances between the time axis's grid lines: whole minutes and hours. */
const INCREMENTS_S = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600];
const SYNC = "time";

type Values = (number | null)[];
type Format = (value: number | null) => string;

interface Line {
  label: string;
  /** a CSS variable */
  color: string;
  values: (series: Series) => Values;
  /** values for the legend, if they differ from those drawn */
  legendValues?: (series: Series) => Values;
  fill?: boolean;
  bars?: boolean;
}

interface Chart {
  id: string;
  lines: Line[];
  format: Format;
  /** the scale reaches at least this value */
  minTop: number;
}

const CHARTS: Chart[] = [
  {
    // painted over each other: each line is the sum of its own values and those of the lines after it
    id: "shares",
    format: percent,
    minTop: 1,
    lines: [
      {
        label: "seed",
        color: "--seed",
        values: ({ p2p, store, seed }) => stacked(p2p, store, seed),
        legendValues: ({ seed }) => seed,
        fill: true,
      },
      {
        label: "store",
        color: "--store",
        values: ({ p2p, store }) => stacked(p2p, store),
        legendValues: ({ store }) => store,
        fill: true,
      },
      { label: "viewers", color: "--p2p", values: ({ p2p }) => p2p, fill: true },
    ],
  },
  {
    id: "viewers",
    format: count,
    minTop: 4,
    lines: [
      { label: "viewers", color: "--text", values: ({ viewers }) => viewers },
      { label: "connected", color: "--p2p", values: ({ linked }) => linked },
    ],
  },
  {
    id: "copies",
    format: copies,
    minTop: 2,
    lines: [
      { label: "copies", color: "--store", values: (series) => series.copies },
      { label: "rooms", color: "--faint", values: ({ rooms }) => rooms },
      { label: "viewers", color: "--text", values: ({ viewers }) => viewers },
    ],
  },
  {
    id: "latency",
    format: seconds,
    minTop: 10,
    lines: [{ label: "latency", color: "--text", values: ({ latencyS }) => latencyS }],
  },
  {
    id: "stalls",
    format: count,
    minTop: 4,
    lines: [{ label: "stalls", color: "--bad", values: ({ stalls }) => stalls, bars: true }],
  },
];

/** Draws all charts into their <figure>s; returns a function that updates them. */
export function charts(figure: (id: string) => HTMLElement): (series: Series) => void {
  const drawn = CHARTS.map((chart) => drawInto(figure(chart.id), chart));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const { plot } of drawn) plot.redraw();
  });
  return (series) => {
    for (const { update } of drawn) update(series);
  };
}

function drawInto(parent: HTMLElement, { lines, format, minTop }: Chart) {
  let legendValues: Values[] = [];
  const empty = document.createElement("p");
  empty.className = "empty";
  const plot = new uPlot(
    {
      width: 1,
      height: HEIGHT_PX,
      cursor: { sync: { key: SYNC }, drag: { x: false, y: false }, points: { size: 6 } },
      padding: [8, 20, 0, 0],
      scales: { y: { range: (_, __, max) => [0, max > minTop ? max * 1.1 : minTop] } },
      axes: [
        axis({
          values: (_, times) => times.map((at) => clock(at)),
          incrs: INCREMENTS_S,
          space: 60,
          size: 28,
        }),
        axis({ values: (_, ticks) => ticks.map(format), size: 52, space: 40 }),
      ],
      series: [
        { label: "time", value: (plot, at: number | null) => time(at ?? plot.data[0].at(-1)) },
        ...lines.map(({ label, color, fill, bars }, i) => ({
          label,
          stroke: () => css(color),
          ...(fill || bars ? { fill: () => css(color) } : {}),
          ...(bars ? { paths: uPlot.paths.bars?.({ size: [0.8, 12] }) } : {}),
          width: fill ? 0 : 2,
          // uPlot shows a single row as a point
          ...(bars ? { points: { show: false } } : {}),
          // without a cursor: the newest value
          value: (_: uPlot, __: number, ___: number, at: number | null) =>
            format((at === null ? legendValues[i]?.at(-1) : legendValues[i]?.[at]) ?? null),
        })),
      ],
    } as uPlot.Options,
    [[], ...lines.map(() => [])] as uPlot.AlignedData,
    parent,
  );
  parent.append(empty);
  new ResizeObserver(([entry]) => {
    plot.setSize({ width: Math.max(1, entry?.contentRect.width ?? 0), height: HEIGHT_PX });
  }).observe(parent);
  const update = (series: Series): void => {
    legendValues = lines.map((line) => (line.legendValues ?? line.values)(series));
    const known = legendValues.some((values) => values.some((value) => value !== null));
    empty.textContent = known ? "" : emptyText(series);
    plot.setData([series.at, ...lines.map(({ values }) => values(series))] as uPlot.AlignedData);
  };
  return { plot, update };
}

function time(at: number | undefined): string {
  return at === undefined ? "" : clock(at, true);
}

function emptyText({ at }: Series): string {
  return at.length === 0
    ? "No data yet: signaling adds a row every ten seconds"
    : "No data in this time range";
}

function axis(options: uPlot.Axis): uPlot.Axis {
  return {
    stroke: () => css("--faint"),
    grid: { stroke: () => css("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...options,
  };
}

function stacked(...parts: Values[]): Values {
  return (parts[0] ?? []).map((first, i) =>
    first === null ? null : parts.reduce((total, values) => total + (values[i] ?? 0), 0),
  );
}

/** Returns a CSS variable's current color, dark or light. */
function css(variable: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
