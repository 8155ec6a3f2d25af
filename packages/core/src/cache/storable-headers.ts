/** The header fields of a response that are stored (RFC 9111 3.1), and their sizes. */
import { formatHttpDate } from "@sticky-proxy/protocol/http";
import { headerLines, headerValue, type HeaderList } from "../http/message.ts";
import { qualifiedFields, type Directives } from "./cache-control.ts";
import { endToEnd } from "./stored-metadata.ts";

/** Drops hop-by-hop fields, Age (computed on reuse), and fields named by no-cache or private; adds a missing Date. */
export function headersToStore(headers: HeaderList, directives: Directives, responseAt: number): HeaderList {
  const dropped = new Set(["age", "content-length"]);
  for (const name of ["no-cache", "private"] as const) {
    const fields = qualifiedFields(directives, name);
    if (fields !== null && fields !== "all") for (const field of fields) dropped.add(field);
  }
  const kept = endToEnd(headers).filter(([name]) => !dropped.has(name.toLowerCase()));
  return headerValue(kept, "date") === null ? [...kept, ["Date", formatHttpDate(responseAt)]] : kept;
}

/** Content-Length in bytes; 0 when it is absent or more than one number. */
export function announcedLength(headers: HeaderList): number {
  const values = new Set(headerLines(headers, "content-length"));
  const [value] = values;
  return values.size === 1 && /^[0-9]+$/.test(value ?? "") ? Number(value) : 0;
}

/** Bytes of the fields as HTTP/1.1 header lines. */
export function byteLength(headers: HeaderList): number {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
}
