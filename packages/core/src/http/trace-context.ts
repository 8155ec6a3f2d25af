/** W3C Trace Context: what of a client's traceparent and tracestate is worth passing on. */

const shape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const zeroTrace = "0".repeat(32);
const zeroSpan = "0".repeat(16);
const maxTracestate = 512;

/** Whether it can be continued: known form, ids not all zero, version not ff (Trace Context 3.2). */
export function isTraceparent(text: string): boolean {
  const parts = shape.exec(text);
  if (parts === null || parts[1] === "ff" || parts[2] === zeroTrace || parts[3] === zeroSpan) return false;
  return parts[1] !== "00" || parts[5] === undefined;
}

/** Kept whole or dropped whole; only together with a traceparent that is kept. */
export function isTracestate(text: string): boolean {
  return text.length > 0 && text.length <= maxTracestate && /^[\x20-\x7e\t]*$/.test(text);
}
