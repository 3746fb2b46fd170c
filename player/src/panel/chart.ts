/** Chart of the last two minutes: received, stacked by source, and sent, below the axis. */

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

  /** Draws into `host`; its CSS variables set the colors. */
  constructor(host: HTMLElement) {
    this.#host = host;
    adoptStyles(host.getRootNode() as Document | ShadowRoot, uPlotCss);
    this.#plot = new uPlot(this.#options(), [[], [], [], [], []], host);
    this.#resized = new ResizeObserver(() => {
      this.#plot.setSize({ width: host.clientWidth, height: HEIGHT_PX });
    });
    this.#resized.observe(host);
    // a canvas does not follow the switch between light and dark by itself
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#plot.redraw(false);
    });
  }

  show(columns: Columns): void {
    this.#plot.setData(columns);
  }

  #options(): uPlot.Options {
    const color = (name: string) => () =>
      getComputedStyle(this.#host).getPropertyValue(name).trim() || "#888";
    const line = (label: string, name: string): uPlot.Series => ({
      ...{ label, stroke: color(name), fill: color(`${name}-fill`), width: LINE_PX },
      points: { show: false },
    });
    const axis: uPlot.Axis = {
      stroke: color("--chart-text"),
      grid: { stroke: color("--chart-grid"), width: 1 },
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
        { series: [3, 2], fill: color("--viewers-fill") },
        { series: [2, 1], fill: color("--store-fill") },
      ],
    };
  }
}

/** Always includes zero and at least 1 Mbit/s, so that an idle station does not look noisy. */
function scale(_: uPlot, min: number | null, max: number | null): [number, number] {
  const [low, high] = [Math.min(0, min ?? 0), Math.max(1, max ?? 0)];
  return [low * 1.1, high * 1.1];
}
