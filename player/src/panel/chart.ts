/** The chart of the last two minutes: what came, stacked by source, and what was sent, below. */

import uPlot from "uplot";
import uPlotCss from "uplot/dist/uPlot.min.css?inline";

import { adoptStyles } from "../ui/dom";
import { WINDOW_S } from "./rates";

const HEIGHT_PX = 150;
const LINE_PX = 1.5;

type Columns = [number[], number[], number[], number[], number[]];

export class Chart {
  #host: HTMLElement;
  #plot: uPlot;
  #resized: ResizeObserver;

  /** Draw into `host`, whose CSS has the colours. */
  constructor(host: HTMLElement) {
    this.#host = host;
    adoptStyles(host.getRootNode() as Document | ShadowRoot, uPlotCss);
    this.#plot = new uPlot(this.#options(), [[], [], [], [], []], host);
    this.#resized = new ResizeObserver(() => {
      this.#plot.setSize({ width: host.clientWidth, height: HEIGHT_PX });
    });
    this.#resized.observe(host);
    // light and dark have other colours, which a canvas does not follow by itself
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#plot.redraw(false);
    });
  }

  show(columns: Columns): void {
    this.#plot.setData(columns);
  }

  #options(): uPlot.Options {
    const colour = (name: string) => () =>
      getComputedStyle(this.#host).getPropertyValue(name).trim() || "#888";
    const line = (label: string, name: string): uPlot.Series => ({
      ...{ label, stroke: colour(name), fill: colour(`${name}-fill`), width: LINE_PX },
      points: { show: false },
    });
    const axis: uPlot.Axis = {
      stroke: colour("--chart-text"),
      grid: { stroke: colour("--chart-grid"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    return {
      width: this.#host.clientWidth,
      height: HEIGHT_PX,
      cursor: { show: false },
      legend: { show: false },
      scales: { x: { time: false, range: [-WINDOW_S, 0] }, y: { range: scale } },
      axes: [
        { ...axis, size: 24, values: (_, at) => at.map((s) => (s === 0 ? "now" : `${s} s`)) },
        { ...axis, size: 40, values: (_, at) => at.map((mbps) => String(Math.abs(mbps))) },
      ],
      series: [
        {},
        line("seed", "--seed"),
        line("store", "--store"),
        line("viewers", "--viewers"),
        line("sent", "--sent"),
      ],
      bands: [
        { series: [3, 2], fill: colour("--viewers-fill") },
        { series: [2, 1], fill: colour("--store-fill") },
      ],
    };
  }
}

/** Zero is always there, and a station at rest is no noise. */
function scale(_: uPlot, min: number | null, max: number | null): [number, number] {
  const [low, high] = [Math.min(0, min ?? 0), Math.max(1, max ?? 0)];
  return [low * 1.1, high * 1.1];
}
