/** Interim responses of a service, passed on as they are (RFC 9110 15.2). */
import { STATUS_CODES } from "node:http";
import type { ServerResponse } from "node:http";

import { connectionOptions } from "@sticky-proxy/core";
import type { HeaderList } from "@sticky-proxy/core";

/** Fields that frame, or speak about the connection or the gateway: none belongs in an interim response. */
const dropped =
  /^(?:connection|keep-alive|transfer-encoding|content-length|upgrade|trailer|te|date|sticky-.*)$/i;

/**
 * 100 belongs to the gateway's own hop and 101 would change the protocol; an HTTP/1.0 client gets none.
 * A response that waits behind another on a pipelined connection has no socket yet: then the hint is left out.
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
  const named = connectionOptions(headers);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (const [name, value] of headers) {
    if (dropped.test(name) || named?.has(name.toLowerCase()) === true) continue;
    head += `${name}: ${value}\r\n`;
  }
  socket.write(`${head}\r\n`, "latin1");
}
