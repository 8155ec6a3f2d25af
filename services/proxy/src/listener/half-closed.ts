/**
 * A client that has closed its side of the connection while a response is due. Either it has nothing more to send and
 * reads on, or it is gone: the two look alike until something is written. So the response goes on, and while it lets
 * wait for itself an interim response is the question: one that is gone answers it with a reset (RFC 9110 15.2: a
 * client must take one that it did not ask for).
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The kernel of a client that is gone resets the connection at the first write, and only a second write shows that. */
const looksMs = [700, 300, 2_000, 10_000];
/** Looks before one is given up that cannot be asked: in the middle of a response, and without interim responses. */
const patience = { begun: 3, unasked: 4 };

/** `current`: the response that is due now; null: all are written, and the connection ends by itself. */
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
      // Nothing is left to write, so nothing tells whether anybody is there to read on.
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
