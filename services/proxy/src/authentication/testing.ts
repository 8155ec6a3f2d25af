/** The other side of the methods' unit tests: a caller that answers from a list of replies, and time by hand. */
import { createManualClock } from "@sticky-proxy/core/testing";
import type { HeaderList } from "@sticky-proxy/core/http";
import type { OutboundCaller } from "@sticky-proxy/upstream";
import type { Asking } from "./method.ts";

type OutboundRequest = Parameters<OutboundCaller["call"]>[0];
type OutboundAnswer = Awaited<ReturnType<OutboundCaller["call"]>>;

export function methodWorld() {
  const clock = createManualClock();
  const asked: OutboundRequest[] = [];
  let answer: OutboundAnswer = { kind: "failed", reason: "connection", detail: "away" };
  return {
    clock,
    asked,
    call: async (request: OutboundRequest): Promise<OutboundAnswer> => {
      asked.push(request);
      return answer;
    },
    /** null: nobody answers any more. */
    answerWith(status: number | null, body: unknown = null, headers: HeaderList = []): void {
      answer =
        status === null
          ? { kind: "failed", reason: "timeout", detail: "away" }
          : { kind: "answered", status, headers, body: Buffer.from(JSON.stringify(body)), tooLarge: false };
    },
  };
}

export function asking(headers: HeaderList, peer = "192.0.2.1"): Asking {
  const client = { peer, address: peer, protocol: "http", host: "gateway.test" };
  return { headers, method: "GET", target: "/x?a=1", certificate: null, client };
}
