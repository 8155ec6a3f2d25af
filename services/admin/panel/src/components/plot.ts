/** Paints a chart with uPlot: stacked bars for counts, lines for times. Zero is at the bottom, no data is a gap. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Line {
  readonly name: string;
  /** Name of a colour of the sheet: `--<color>`. */
  readonly color: string;
  readonly values: readonly (number | null)[];
  /** What the legend says while nothing is pointed at. */
  readonly about: string;
}

export interface Points {
  readonly from: number;
  readonly step: number;
  readonly lastStep: number;
  readonly lines: readonly Line[];
}

interface Painting {
  readonly kind: "bars" | "lines";
  readonly lines: readonly Line[];
  readonly say: (value: number) => string;
  readonly onHover: (at: number | null) => void;
}

const height = 180;

export function paint(box: HTMLElement, painting: Painting) {
  let points: Points | null = null;
  let plot: uPlot | null = null;

  function redraw(): void {
    plot?.destroy();
    plot = new uPlot(
      optionsOf(box, painting, () => points),
      dataOf(painting, points),
      box,
    );
    fit();
  }
  function fit(): void {
    plot?.setSize({ width: Math.max(200, box.clientWidth), height });
  }
  const sizes = new ResizeObserver(fit);
  sizes.observe(box);
  // Another theme has other colours.
  const themes = new MutationObserver(redraw);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);

  return {
    show(shown: Points): void {
      const isFirst = points === null;
      points = shown;
      if (isFirst || plot === null) redraw();
      else plot.setData(dataOf(painting, points));
    },
    remove(): void {
      sizes.disconnect();
      themes.disconnect();
      scheme.removeEventListener("change", redraw);
      plot?.destroy();
    },
  };
}

/** Times in seconds, then a row of values for each line; of stacked bars the tallest first, so that the others stand before it. */
function dataOf({ kind }: Painting, points: Points | null): uPlot.AlignedData {
  if (points === null) return [[]];
  const { from, step, lines } = points;
  const count = lines[0]?.values.length ?? 0;
  const shift = kind === "lines" ? step / 2 : 0;
  const times = Array.from({ length: count }, (_, i) => (from + i * step + shift) / 1000);
  if (kind === "lines") return [times, ...lines.map(({ values }) => [...values])];
  const sums: (number | null)[][] = [];
  let below: (number | null)[] = Array.from({ length: count }, () => null);
  for (const { values } of lines) {
    below = values.map((value, i) => (value === null ? below[i]! : value + (below[i] ?? 0)));
    sums.unshift(below);
  }
  return [times, ...sums];
}

function optionsOf(box: HTMLElement, painting: Painting, points: () => Points | null): uPlot.Options {
  const { kind, lines, say, onHover } = painting;
  const style = getComputedStyle(box);
  const colorOf = (name: string): string => style.getPropertyValue(`--${name}`);
  const font = `11px ${style.fontFamily}`;
  const bars = uPlot.paths.bars!({ size: [0.9, 40], align: 1, gap: 1 });
  const axis = { font, stroke: colorOf("ink-3"), ticks: { show: false } };
  const drawn = kind === "bars" ? [...lines].reverse() : lines;
  return {
    width: Math.max(200, box.clientWidth),
    height,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
    scales: {
      x: {
        range: () => {
          const { from, step, lines: shown } = points()!;
          return [from / 1000, (from + step * (shown[0]?.values.length ?? 1)) / 1000];
        },
      },
      y: { range: (_, __, top) => [0, top > 0 ? top * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 24, gap: 4, space: 90, grid: { show: false }, values: timeLabels },
      {
        ...axis,
        size: 62,
        gap: 6,
        space: 36,
        grid: { stroke: colorOf("line"), width: 1 },
        values: (_, marks) => marks.map((mark) => say(mark)),
      },
    ],
    series: [
      {},
      ...drawn.map(({ color }) =>
        kind === "bars"
          ? {
              paths: bars,
              fill: colorOf(color),
              stroke: colorOf("surface"),
              width: 0,
              points: { show: false },
            }
          : { stroke: colorOf(color), width: 1.5, spanGaps: false },
      ),
    ],
    hooks: {
      setCursor: [(plot) => onHover(plot.cursor.idx ?? null)],
      draw: [(plot) => hatch(plot, points(), colorOf("surface"))],
    },
  };
}

function timeLabels(_: uPlot, marks: readonly number[]): string[] {
  const isLong = (marks.at(-1) ?? 0) - (marks[0] ?? 0) > 86_400;
  return marks.map((at) =>
    new Date(at * 1000).toISOString().slice(...(isLong ? ([5, 10] as const) : ([11, 16] as const))),
  );
}

/** The last point is not over yet: it is hatched. */
function hatch({ ctx, bbox, valToPos }: uPlot, points: Points | null, color: string): void {
  if (points === null || points.lastStep >= points.step) return;
  const { from, step, lines } = points;
  const end = from + step * (lines[0]?.values.length ?? 0);
  const left = valToPos((end - step) / 1000, "x", true);
  const right = valToPos(end / 1000, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = color;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  for (let x = left - bbox.height; x < right; x += 5 * devicePixelRatio) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}
