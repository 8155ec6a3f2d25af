/** Replies from a response that is being stored. */
import { isNotModified, notModifiedHeaders } from "@sticky-proxy/core/cache";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { Reply } from "../reply.ts";
import type { FetchHead } from "./fetch.ts";
import { ageField } from "./stored-reply.ts";

/** The leading request gets the response unchanged; the others get the fields that may be reused (RFC 9111 3.1). */
export function sharedReply(
  request: RequestHead,
  { metadata, outcome, body, now }: Extract<FetchHead, { kind: "shared" }>,
  isLeader: boolean,
): Reply {
  const length = outcome.headers.filter(([name]) => name.toLowerCase() === "content-length");
  const headers: HeaderList = isLeader
    ? outcome.headers
    : [...metadata.headers, ...length, ageField(metadata, now)];
  if (isNotModified(request.headers, metadata, now)) {
    return { status: 304, headers: notModifiedHeaders(headers), body: null };
  }
  return { status: outcome.status, headers, body: request.method === "HEAD" ? null : body.reader() };
}
