/** Ids of one copy: what has to be known before it is sent, and what both answers teach. */
import {
  learntPair,
  mappedBody,
  mappedPath,
  neededIds,
  type IdMap,
  type IdPair,
} from "@sticky-proxy/core/mirror";
import type { StoredRequest } from "@sticky-proxy/core/process";
import type { ComparePolicy, MirrorPolicy } from "@sticky-proxy/core/registry";
import { isSafe } from "@sticky-proxy/protocol/http";
import { decodeBody, type DecodeBounds } from "@sticky-proxy/upstream";
import type { Compared } from "./comparer.ts";
import type { MirrorRoute } from "./mirrored-routes.ts";

/** On the event loop, so only what decodes at once; an id in a larger answer is not learnt. */
const decodeBounds: DecodeBounds = { maxBytes: 1024 * 1024, maxRatio: 200 };

type Route = Pick<MirrorRoute, "service" | "route" | "policy">;

export type Mapped =
  | { readonly kind: "mapped"; readonly request: StoredRequest }
  /** It would reach another thing than the primary's, or none that both sides know. */
  | { readonly kind: "unmapped"; readonly id: string };

/** The request as the secondary has to get it. @throws StoreUnavailable */
export async function mapIds(
  ids: IdMap,
  { service, route, policy }: Route,
  request: StoredRequest,
): Promise<Mapped> {
  const { head } = request;
  const needed = neededIds(head, request.body, policy, route.match.path);
  const places = [...needed.path, ...needed.body.map(({ place }) => place)];
  if (places.length === 0) return { kind: "mapped", request };
  const found = await ids.lookUp(service.name, places);
  const inPath = found.slice(0, needed.path.length);
  const nameOf = (i: number): string => `${places[i]!.collection}/${places[i]!.id}`;
  if (policy.idMap === null) {
    // Reading another thing harms nobody, and is told as a difference.
    const other = isSafe(head.method) ? -1 : found.findIndex((id, i) => id !== null && id !== places[i]!.id);
    return other < 0 ? { kind: "mapped", request } : { kind: "unmapped", id: nameOf(other) };
  }
  const missing = found.findIndex(
    (id, i) => id === null && (i >= needed.path.length || needed.required.has(i)),
  );
  if (missing >= 0) return { kind: "unmapped", id: nameOf(missing) };
  const body = needed.body.reduce(
    (bytes, { pointer }, i) => mappedBody(bytes, pointer, found[needed.path.length + i]!),
    request.body,
  );
  const headers =
    body === request.body ? head.headers : head.headers.filter(([name]) => !isOfBody(name.toLowerCase()));
  const path = mappedPath(head.path, inPath);
  return { kind: "mapped", request: { ...request, head: { ...head, path, headers }, body } };
}

/** What says something about the octets that have changed. */
function isOfBody(field: string): boolean {
  return field === "content-length" || field === "content-md5" || field.endsWith("digest");
}

/**
 * Keeps what both answers say of a new thing's ids. Without a map only ids that differ are kept: they must not be used.
 * @returns the pair where no map joins two ids that differ; null: nothing to tell
 * @throws StoreUnavailable
 */
export async function learnIds(
  ids: IdMap,
  { service, policy }: Route,
  request: StoredRequest,
  primary: Parameters<typeof learntPair>[2],
  secondary: Parameters<typeof learntPair>[3],
): Promise<IdPair | null> {
  const pair = learntPair(request.head, policy.idMap, decoded(primary), decoded(secondary));
  if (pair === null || (policy.idMap === null && pair.id === pair.secondary)) return null;
  await ids.learn(service.name, [pair]);
  return policy.idMap === null ? pair : null;
}

function decoded<A extends Parameters<typeof learntPair>[2]>(answer: A): A {
  if (answer.body === null) return answer;
  const plain = decodeBody(answer.headers, answer.body, decodeBounds);
  return { ...answer, body: plain.kind === "decoded" ? plain.body : null };
}

/** Ids that a map joins are the same, also in the address of the new thing. */
export function compareRules({ compare, idMap }: MirrorPolicy): ComparePolicy {
  if (idMap === null) return compare;
  const headers = compare.headers.filter((name) => name !== "location");
  return { ...compare, headers, ignore: [...compare.ignore, idMap.from] };
}

/** Two ids that nothing joins are a difference, whatever else the answers say and the masks excuse. */
export function withIds(compared: Compared, unjoined: IdPair | null): Compared {
  if (unjoined === null) return compared;
  const { comparison } = compared;
  const edit = { part: "body", path: "/id", kind: "changed" } as const;
  const edits = [{ ...edit, primary: unjoined.id, secondary: unjoined.secondary }, ...comparison.edits];
  return { ...compared, comparison: { ...comparison, result: "different", class: "id", edits } };
}
