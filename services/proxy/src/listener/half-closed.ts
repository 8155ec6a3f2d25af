/**
 * A client that half-closes its connection while a response is due. Either it has nothing more to send and
 * still reads, or it is gone: the two are indistinguishable until something is written. So the request continues, and
 * until its response starts, interim responses are sent as a test: a client that is gone replies with a reset (RFC 9110
 * 15.2: a client must accept an unsolicited one).
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The first write to a closed peer causes a reset; only a second write fails because of it. */
const looksMs = [700, 300, 2_000, 10_000];
/** Number of checks before a client is given up that cannot be tested: within a response, or without interim responses. */
const patience = { begun: 3, unasked: 4 };

/** `current`: the response that is due; null: all are written, and the connection closes. */
export function watchHalfClosed(socket: Socket, current: () => ServerResponse | null): void {
  let looks = 0;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    timer = setTimeout(look, looksMs[Math.min(looks, looksMs.length - 1)]);
    looks += 1;
  };
  let written = socket.bytesWritten;
  const look = (): void => {
    const response = current();
    if (response === null) return;
    if (mayAsk(response)) {
      response.writeContinue();
    } else if (
      looks >= (response.headersSent ? patience.begun : patience.unasked) &&
      socket.bytesWritten === written &&
      socket.writableLength === 0
    ) {
      // Nothing is left to write, so whether the client still reads cannot be tested.
      socket.destroy();
      return;
    }
    written = socket.bytesWritten;
    wait();
  };
  socket.once("close", () => clearTimeout(timer));
  wait();
}

/** An HTTP/1.0 client gets no interim response. */
function mayAsk({ headersSent, socket, req }: ServerResponse): boolean {
  return !headersSent && socket !== null && req.httpVersion === "1.1";
}
