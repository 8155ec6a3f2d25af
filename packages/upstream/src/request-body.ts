/**
 * A request body for undici. Bytes can be sent again. A stream is wrapped: undici destroys
 * the body of a failed request, and destroying Node's incoming message would close the client's connection before its response.
 */
import { CodedError } from "@sticky-proxy/protocol";
import { Readable } from "node:stream";

export interface OutgoingBody {
  readonly content: Buffer | Readable | null;
  /** The complete body is available for another attempt. */
  repeatable(): boolean;
  /** Ends the attempt; the rest of a wrapped stream stays unread. */
  discard(): void;
  /** How many bytes of a stream were read so far; null: it is none. */
  readonly streamed: (() => number) | null;
}

const none: OutgoingBody = { content: null, repeatable: () => true, discard: () => {}, streamed: null };

export function requestBody(body: Uint8Array | Readable | null, maxBytes: number): OutgoingBody {
  if (body === null) return none;
  if (body instanceof Uint8Array) {
    const content = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    return { content, repeatable: () => true, discard: () => {}, streamed: null };
  }
  const wrapper = new Detached(body, maxBytes);
  return {
    content: wrapper,
    repeatable: () => !wrapper.touched,
    discard: () => wrapper.destroy(),
    streamed: () => wrapper.taken,
  };
}

/** The streamed request is longer than allowed; the service has received part of it. */
export class BodyTooLarge extends CodedError {
  override readonly name = "BodyTooLarge";
  override readonly code = "BODY_TOO_LARGE";

  constructor() {
    super("the request body is larger than allowed");
  }
}

/** The client left before its request was complete. */
export class RequestCut extends CodedError {
  override readonly name = "RequestCut";
  override readonly code = "REQUEST_CUT";

  constructor() {
    super("the client left before its request was complete");
  }
}

class Detached extends Readable {
  /** Part of the source was read, so it cannot be sent again. */
  touched = false;
  taken = 0;
  readonly #source: Readable;
  #attached = false;
  #left: number;

  constructor(source: Readable, maxBytes: number) {
    super();
    this.#source = source;
    this.#left = maxBytes;
  }

  override _read(): void {
    if (!this.#attached) {
      this.#attached = true;
      this.#source.on("data", this.#onData);
      this.#source.on("end", this.#onEnd);
      this.#source.on("error", this.#onError);
      this.#source.on("close", this.#onClose);
      if (this.#source.destroyed) this.#onClose();
    }
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.off("data", this.#onData);
    this.#source.off("end", this.#onEnd);
    this.#source.off("error", this.#onError);
    this.#source.off("close", this.#onClose);
    // Unless another reader already drains the rest.
    if (this.#attached && this.#source.listenerCount("data") === 0) this.#source.pause();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.touched = true;
    this.taken += chunk.length;
    this.#left -= chunk.length;
    if (this.#left < 0) {
      this.destroy(new BodyTooLarge());
      return;
    }
    if (!this.push(chunk)) this.#source.pause();
  };

  readonly #onEnd = (): void => {
    this.touched = true;
    this.push(null);
  };

  readonly #onError = (error: Error): void => {
    this.destroy(error);
  };

  readonly #onClose = (): void => {
    if (!this.#source.readableEnded) this.destroy(new RequestCut());
  };
}
