/** What charts show: time series from the store's rings, without Prometheus. */
import { allServices, ranges, seriesNames, seriesOf, windowOf, type Range } from "@sticky-proxy/core/series";
import { Problem } from "@sticky-proxy/protocol";
import { ownService, unknownName } from "@sticky-proxy/runtime";
import type { AdminDeps } from "../deps.ts";
import { route, type Route, type Schema } from "../http/route.ts";
import { answerObject, list, object, text, time } from "./schemas.ts";

interface SeriesQuery {
  readonly range: Range;
  readonly service?: string;
  readonly names?: string;
}

const nullable = (schema: Schema): Schema => ({ ...schema, type: [schema["type"], "null"] });
const perName = (value: Schema): Schema => ({ type: "object", additionalProperties: value });
const known: ReadonlySet<string> = new Set(seriesNames);
/** What the gateway answers without a service has counters, too. */
const withoutProcesses = [unknownName, ownService];

export function seriesRoutes({ series, serviceNames, now }: AdminDeps): readonly Route[] {
  return [
    route<SeriesQuery>({
      method: "GET",
      path: "/series",
      role: "viewer",
      operationId: "readSeries",
      summary: "Counters and times of a range, as charts show them",
      query: object({
        range: { type: "string", enum: ranges, default: "15m" },
        service: { ...text(200), description: "Absent: every service together." },
        names: { ...text(1000), description: `Separated by commas; absent: all. ${seriesNames.join(", ")}` },
      }),
      answer: answerObject({
        from: time,
        step: { type: "integer", description: "Of one point, ms." },
        lastStep: { type: "integer", description: "How much of the last point's step has passed, ms." },
        series: {
          ...perName(list(nullable({ type: "number" }))),
          description:
            "A value for each point, oldest first; null: no data. Counts, times in ms, gauges at their greatest.",
        },
        totals: { ...perName(nullable({ type: "number" })), description: "The same over the whole range." },
        asOf: time,
      }),
      problems: ["service-not-found"],
      async run({ query }) {
        const names = namesOf(query.names);
        if (query.service !== undefined && !withoutProcesses.includes(query.service))
          if (!(await serviceNames()).includes(query.service)) throw new Problem("service-not-found");
        const asOf = await now();
        const { ring, stepMs, from, points, lastMs } = windowOf(query.range, asOf);
        const read = await series.read(ring.stepMs, points.flat(), query.service ?? allServices);
        const grouped = points.map((starts, i) => read.slice(i * starts.length, (i + 1) * starts.length));
        return {
          status: 200,
          body: {
            range: query.range,
            service: query.service ?? null,
            from: new Date(from).toISOString(),
            step: stepMs,
            lastStep: lastMs,
            ...seriesOf(grouped, names),
            asOf: new Date(asOf).toISOString(),
          },
        };
      },
    }),
  ];
}

/** @throws Problem invalid-parameter naming the one that is not known */
function namesOf(given: string | undefined): typeof seriesNames {
  if (given === undefined) return seriesNames;
  const wanted = new Set(given.split(",").map((name) => name.trim()));
  const strange = [...wanted].find((name) => !known.has(name));
  if (strange !== undefined)
    throw new Problem("invalid-parameter", { detail: `names: there is no series "${strange}"` });
  return seriesNames.filter((name) => wanted.has(name));
}
