/** A chart with its legend, and the same numbers as a table. Colours come from the sheet, so that both themes hold. */
import { useEffect, useRef, useState } from "react";
import { clock } from "../format.ts";
import { Card } from "./parts.tsx";
import { paint, type Line } from "./plot.ts";

interface Props {
  readonly title: string;
  readonly kind: "bars" | "lines";
  /** Epoch ms of the first point, and ms between two. */
  readonly from: number;
  readonly step: number;
  /** How much of the last point there is, ms. */
  readonly lastStep: number;
  readonly lines: readonly Line[];
  /** Of a value, with its unit. */
  readonly say: (value: number) => string;
  /** What the chart would show, where it has no data. */
  readonly empty: string;
}

export function Chart({ title, kind, from, step, lastStep, lines, say, empty }: Props) {
  const [at, setAt] = useState<number | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const look = useRef<ReturnType<typeof paint> | null>(null);
  const hasData = lines.some(({ values }) => values.some((value) => value !== null));
  const names = lines.map(({ name }) => name).join();

  useEffect(() => {
    if (box.current === null || !hasData) return;
    const painted = paint(box.current, { kind, lines, say, onHover: setAt });
    look.current = painted;
    return () => {
      look.current = null;
      painted.remove();
    };
    // Values are handed to the painted chart below: a poll does not paint it anew.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [kind, names, hasData]);
  useEffect(
    () => look.current?.show({ from, step, lastStep, lines }),
    [from, step, lastStep, lines, hasData],
  );

  return (
    <Card
      title={title}
      about={at === null ? undefined : clock(from + at * step).slice(0, 8)}
      actions={
        <ul class="legend">
          {lines.map(({ name, color, about, values }) => {
            const value = at === null ? null : (values[at] ?? null);
            return (
              <li key={name}>
                <i class={color} /> {name}{" "}
                <strong>{at === null ? about : value === null ? "–" : say(value)}</strong>
              </li>
            );
          })}
        </ul>
      }
    >
      {hasData ? (
        <>
          <div class="chart" ref={box} aria-hidden="true" />
          <AsTable title={title} from={from} step={step} lines={lines} say={say} />
        </>
      ) : (
        <p class="chart quiet">{empty}</p>
      )}
    </Card>
  );
}

/** Newest first; made when it is opened. */
function AsTable({
  title,
  from,
  step,
  lines,
  say,
}: Pick<Props, "title" | "from" | "step" | "lines" | "say">) {
  const [isOpen, setOpen] = useState(false);
  const points = (lines[0]?.values ?? []).map((_, i) => i).reverse();
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        As table<span class="unseen">: {title}</span>
      </summary>
      {isOpen && (
        <div class="table-box points" tabIndex={0} role="region" aria-label={`${title}, as table`}>
          <table class="plain" aria-label={title}>
            <thead>
              <tr>
                <th scope="col">Time (UTC)</th>
                {lines.map(({ name }) => (
                  <th key={name} scope="col" class="numeric">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {points.map((i) => (
                <tr key={i}>
                  <th scope="row">
                    {new Date(from + i * step)
                      .toISOString()
                      .slice(step < 3_600_000 ? 11 : 5, 19)
                      .replace("T", " ")}
                  </th>
                  {lines.map(({ name, values }) => (
                    <td key={name} class="numeric">
                      {values[i] == null ? "no data" : say(values[i])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

/** The course of one number, without an axis; the number stands beside. */
export function Sparkline({
  values,
  color,
}: {
  readonly values: readonly (number | null)[];
  readonly color: string;
}) {
  const [width, height] = [84, 28];
  const top = Math.max(...values.map((value) => value ?? 0));
  if (top === 0) return null;
  const place = (value: number, i: number): string =>
    `${((i / Math.max(1, values.length - 1)) * width).toFixed(1)} ${(height - (value / top) * height).toFixed(1)}`;
  let isDown = false;
  const path = values
    .map((value, i) => {
      if (value === null) {
        isDown = false;
        return "";
      }
      const step = `${isDown ? "L" : "M"}${place(value, i)}`;
      isDown = true;
      return step;
    })
    .join("");
  const last = values.at(-1) ?? null;
  return (
    <svg class={`spark ${color}`} viewBox={`-2 -2 ${width + 6} ${height + 4}`} aria-hidden="true">
      <path d={path} />
      {last !== null && <circle cx={width} cy={height - (last / top) * height} r="2" />}
    </svg>
  );
}
