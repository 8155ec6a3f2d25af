/** What a request must have beside method and path, for a service and for a route alike. */
import { checkHostPattern, fieldName } from "../checks.ts";
import { text } from "../formats.ts";
import { oneOrMore, record } from "../shapes.ts";

const any = (): null => null;

export const hostPatterns = oneOrMore(
  text("A host, or `*.` and a host for all below it.", checkHostPattern),
  50,
);

export const conditions = {
  headers: record(fieldName, text("The value; `*` stands for any text.", any, { min: 0, max: 1024 }), 8)
    .as(
      (written): Readonly<Record<string, string>> =>
        Object.fromEntries(Object.entries(written).map(([name, value]) => [name.toLowerCase(), value])),
      (fields) => fields,
    )
    .description("Header fields that the request must have, each with its value (`*` alone: any).")
    .meta({ defaultText: "any" }),
  query: record(/^.{1,128}$/, text("The value; `*` stands for any text.", any, { min: 0, max: 1024 }), 8)
    .description("Query parameters that the request must have, each with its value (`*` alone: any).")
    .meta({ defaultText: "any" }),
};
