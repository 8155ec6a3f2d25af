/** A gateway before a service that writes what the test says. To be called in the body of a `describe`. */
import { RawClient, RawUpstream, type RawResponse } from "@sticky-proxy/testkit";
import { service, startGateway, type Gateway } from "./gateway.ts";

export const get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

export function startAnswering() {
  const open: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.close();
  });

  async function before(origin: string, more: Parameters<typeof service>[1] = {}): Promise<Gateway> {
    const gateway = await startGateway({ services: [service(origin, more)] });
    open.push(gateway);
    return gateway;
  }

  /** The gateway's answer when the service writes these bytes and closes. */
  async function answerTo(bytes: string, request = get): Promise<RawResponse> {
    const upstream = await RawUpstream.start(bytes);
    open.push(upstream);
    const gateway = await before(upstream.origin);
    return RawClient.exchange(gateway.port, request);
  }

  function slugOf(response: RawResponse): string {
    return (JSON.parse(response.body) as { type: string }).type.replace("/_sticky/problems/", "");
  }
  return { open, before, answerTo, slugOf };
}
