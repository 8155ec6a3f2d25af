/** Accept-Encoding (RFC 9110 12.5.3): may a response with these content codings be sent? */
import { splitList } from "@sticky-proxy/protocol/http";
import { headerJoined, type HeaderList } from "./message.ts";

/**
 * A request without the field is taken to accept identity alone: by the RFC it accepts any coding, but who does not
 * mention them seldom undoes them, and identity is always right.
 * @param codings lower-case names, without identity
 */
export function acceptsCodings(headers: HeaderList, codings: readonly string[]): boolean {
  if (codings.length === 0) return true;
  const weights = new Map<string, number>();
  for (const member of splitList(headerJoined(headers, "accept-encoding") ?? "")) {
    const [coding = "", ...parameters] = splitList(member, ";");
    const weight = parameters
      .map((text) => /^q\s*=\s*([0-9.]+)$/i.exec(text)?.[1])
      .find((q) => q !== undefined);
    weights.set(coding.toLowerCase(), weight === undefined ? 1 : Number(weight));
  }
  return codings.every((coding) => {
    const name = coding.replace(/^x-/, "");
    return (weights.get(coding) ?? weights.get(name) ?? weights.get("*") ?? 0) > 0;
  });
}
