/** Answers without an end: what they belong to has happened when their head is there, and no copy waits for the rest. */
import { headerValue, type HeaderList } from "../http/message.ts";

/** An event stream (HTML, server-sent events). */
export function isEndless(headers: HeaderList): boolean {
  const type = headerValue(headers, "content-type");
  return type !== null && /^text\/event-stream\s*(?:;|$)/i.test(type.trim());
}
