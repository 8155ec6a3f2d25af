/** A client that sends exactly the given bytes and reads the response, without an HTTP library. */
import net from "node:net";
import type { Socket } from "node:net";

export interface RawResponse {
  readonly status: number;
  readonly version: string;
  readonly reason: string;
  readonly rawHeaders: readonly (readonly [name: string, value: string])[];
  /** By lower-case name, lines joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Names and values after the last chunk. */
  readonly trailers: ReadonlyMap<string, string>;
}

export class RawClient {
  readonly socket: Socket;
  #buffer = "";
  #closed = false;
  #error: Error | null = null;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#buffer += chunk.toString("latin1");
      this.#wake();
    });
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  static async connect(port: number, localAddress?: string): Promise<RawClient> {
    const socket = net.connect({
      port,
      host: "127.0.0.1",
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawClient(socket);
  }

  /** One connection: send, read one response, close. */
  static async exchange(port: number, bytes: string): Promise<RawResponse> {
    const client = await RawClient.connect(port);
    try {
      client.send(bytes);
      return await client.response({ head: bytes.startsWith("HEAD ") });
    } finally {
      client.close();
    }
  }

  /** latin1 text, sent unchanged. */
  send(bytes: string): void {
    this.socket.write(bytes, "latin1");
  }

  close(): void {
    this.socket.destroy();
  }

  /** Received bytes that no response() has consumed. */
  get pending(): string {
    return this.#buffer;
  }

  get error(): Error | null {
    return this.#error;
  }

  /** Resolves when the peer has closed the connection. */
  async closed(): Promise<void> {
    while (!this.#closed) await this.#change();
  }

  /** All bytes until the connection is closed. */
  async rest(): Promise<string> {
    await this.closed();
    const text = this.#buffer;
    this.#buffer = "";
    return text;
  }

  /**
   * The next response, interim ones included. `head`: the request was HEAD.
   * @throws when the connection closes in the middle, or the framing is broken
   */
  async response({ head = false }: { head?: boolean } = {}): Promise<RawResponse> {
    const block = await this.#until("\r\n\r\n");
    const [statusLine = "", ...lines] = block.split("\r\n");
    const match = /^(HTTP\/\d\.\d) (\d{3}) ?(.*)$/.exec(statusLine);
    if (match === null) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
    const rawHeaders = lines.filter((line) => line !== "").map(fieldOf);
    const headers = joined(rawHeaders);
    const status = Number(match[2]);
    const base = { status, version: match[1]!, reason: match[3]!, rawHeaders, headers };
    if (head || status < 200 || status === 204 || status === 304)
      return { ...base, body: "", trailers: new Map() };
    if (headers.get("transfer-encoding")?.toLowerCase() === "chunked")
      return { ...base, ...(await this.#chunked()) };
    const length = headers.get("content-length");
    const body = length === undefined ? await this.rest() : await this.#take(Number(length));
    return { ...base, body, trailers: new Map() };
  }

  async #chunked(): Promise<{ body: string; trailers: ReadonlyMap<string, string> }> {
    let body = "";
    for (;;) {
      const size = Number.parseInt(await this.#until("\r\n"), 16);
      if (Number.isNaN(size)) throw new Error("a chunk size is missing");
      if (size === 0) break;
      body += await this.#take(size);
      await this.#take(2);
    }
    const trailers: (readonly [string, string])[] = [];
    for (;;) {
      const line = await this.#until("\r\n");
      if (line === "") return { body, trailers: joined(trailers) };
      trailers.push(fieldOf(line));
    }
  }

  /** Text up to the mark; consumes the mark. */
  async #until(mark: string): Promise<string> {
    let at = this.#buffer.indexOf(mark);
    while (at === -1) {
      await this.#more();
      at = this.#buffer.indexOf(mark);
    }
    const text = this.#buffer.slice(0, at);
    this.#buffer = this.#buffer.slice(at + mark.length);
    return text;
  }

  async #take(length: number): Promise<string> {
    while (this.#buffer.length < length) await this.#more();
    const text = this.#buffer.slice(0, length);
    this.#buffer = this.#buffer.slice(length);
    return text;
  }

  async #more(): Promise<void> {
    if (this.#closed)
      throw new Error(`the connection was closed; left: ${JSON.stringify(this.#buffer.slice(0, 200))}`);
    await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function joined(lines: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const [received, value] of lines) {
    const name = received.toLowerCase();
    const earlier = map.get(name);
    map.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return map;
}
