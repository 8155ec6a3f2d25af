/** Interim responses of a service, passed on as they are (RFC 9110 15.2). */
import { STATUS_CODES, type ServerResponse } from "node:http";

import type { HeaderList } from "@sticky-proxy/core/http";

/**
 * 100 belongs to the gateway's own hop and 101 would change the protocol; an HTTP/1.0 client gets none.
 * A response behind another one on a pipelined connection has no socket yet: its interim response is dropped.
 * `headers`: as from the forwarder, the header rules of responses applied.
 */
export function informational(
  response: ServerResponse,
  httpVersion: "1.0" | "1.1",
  status: number,
  headers: HeaderList,
): void {
  const { socket } = response;
  if (status < 102 || httpVersion === "1.0" || socket === null || response.headersSent || socket.destroyed)
    return;
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
  socket.write(`${head}\r\n`, "latin1");
}
