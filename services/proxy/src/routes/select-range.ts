/** Range and conditional requests on a stored result (RFC 9110 13, 14). Pure. */
import {
  evaluateRange,
  isNotModified,
  isPreconditionFailed,
  notModifiedHeaders,
} from "@sticky-proxy/core/cache";
import { withoutHeaders, type HeaderList } from "@sticky-proxy/core/http";
import type { Reply } from "../reply.ts";

const lengthFields = new Set(["content-length", "content-range"]);

/** @param reply with a complete body; anything but a 200 in answer to GET or HEAD comes back as it is */
export function selectRange(method: string, request: HeaderList, reply: Reply): Reply {
  if (
    reply.status !== 200 ||
    !(reply.body instanceof Uint8Array) ||
    (method !== "GET" && method !== "HEAD")
  ) {
    return reply;
  }
  // A result has no Date of its own to compare with; 0 makes a missing Last-Modified never match.
  const representation = { status: 200, headers: reply.headers, dateAt: 0 };
  if (isPreconditionFailed(request, representation, 0)) {
    return { status: 412, headers: notModifiedHeaders(reply.headers), body: null };
  }
  if (isNotModified(request, representation, 0)) {
    return { status: 304, headers: notModifiedHeaders(reply.headers), body: null };
  }
  const { body } = reply;
  // 14.2: Range has a meaning with GET only.
  if (method === "HEAD") return { ...reply, headers: [...reply.headers, ["Accept-Ranges", "bytes"]] };
  const range = evaluateRange(request, representation, body.length, 0);
  switch (range.as) {
    case "full":
      return { ...reply, headers: [...reply.headers, ["Accept-Ranges", "bytes"]] };
    case "unsatisfiable":
      return {
        status: 416,
        headers: [
          ...withoutHeaders(reply.headers, new Set(["content-type", ...lengthFields])),
          ["Content-Range", `bytes */${body.length}`],
        ],
        body: null,
      };
    case "range":
      return {
        status: 206,
        headers: [
          ...withoutHeaders(reply.headers, lengthFields),
          ["Content-Range", `bytes ${range.first}-${range.last}/${body.length}`],
        ],
        body: body.subarray(range.first, range.last + 1),
      };
  }
}
