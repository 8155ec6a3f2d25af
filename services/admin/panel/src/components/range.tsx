/** The range that the page's charts show. */
import { ranges } from "../hooks.ts";
import { Segmented } from "./parts.tsx";

export function RangeChoice({
  range,
  onChange,
}: {
  readonly range: string;
  readonly onChange: (range: string) => void;
}) {
  const options = ranges.map((value) => ({ value: value as string, text: value }));
  return <Segmented label="Range of the charts" value={range} options={options} onChange={onChange} />;
}
