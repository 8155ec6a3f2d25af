/**
 * Two JSON values, walked side by side without recursion and within a budget. A budget that runs out is the answer
 * `too-large`, never "equal". What a mask excuses is counted as masked, never as a match.
 */
import { type Pointer, pointerStep } from "@sticky-proxy/protocol/json";
import { alignLists, matchMultisets, type ItemPair } from "./compare-list.ts";
import {
  JsonArray,
  JsonNumber,
  JsonObject,
  memberHash,
  mix,
  valueHash,
  type JsonValue,
} from "./json-walk.ts";
import { isExcused, jsonType } from "./mask-value.ts";
import { type Mask, type MaskStates, masksHere, stepMasks } from "./mask-trie.ts";
import { valueAt } from "./order-key.ts";
import type { Shower } from "./redact.ts";

/** `missing`: only the primary has it; `extra`: only the secondary; `order`: the same items in another order. */
export type EditKind = "changed" | "type" | "missing" | "extra" | "order";

export interface Edit {
  /** Where: "body", "header" or "status". */
  readonly part: "status" | "header" | "body";
  /** RFC 6901 pointer into a body, field name of a header, "" for the whole. Cut at 512 characters. */
  readonly path: string;
  readonly kind: EditKind;
  /** Redacted and cut; null: absent on that side. */
  readonly primary: string | null;
  readonly secondary: string | null;
}

export interface WalkBudget {
  /** Pairs visited, and values hashed under masks. */
  readonly maxNodes: number;
  readonly maxEdits: number;
  /** Asked now and then; true ends the walk. */
  readonly isOver: () => boolean;
}

export const walkBounds = { maxNodes: 200_000, maxEdits: 200, maxMs: 200 } as const;

export type WalkResult =
  | {
      readonly kind: "walked";
      readonly edits: readonly Edit[];
      readonly masked: number;
      readonly truncated: boolean;
    }
  | { readonly kind: "too-large"; readonly edits: readonly Edit[] };

/** A place in both documents. */
interface Place {
  readonly a: JsonValue | undefined;
  readonly b: JsonValue | undefined;
  readonly token: string;
  readonly parent: Place | null;
  readonly states: MaskStates;
  readonly masked: boolean;
}

class OutOfBudget extends Error {}

export function compareJson(
  a: JsonValue,
  b: JsonValue,
  masks: MaskStates,
  budget: WalkBudget,
  show: Shower,
): WalkResult {
  const walk = new Walk(budget, show);
  try {
    walk.run({ a, b, token: "", parent: null, states: masks, masked: false });
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return { kind: "too-large", edits: walk.edits };
  }
  return { kind: "walked", edits: walk.edits, masked: walk.masked, truncated: walk.truncated };
}

class Walk {
  readonly edits: Edit[] = [];
  masked = 0;
  truncated = false;
  private readonly budget: WalkBudget;
  private readonly show: Shower;
  private spent = 0;
  private nextCheck = 512;
  /** Breadth first: what differs near the root is reported first. */
  private readonly queue: Place[] = [];

  constructor(budget: WalkBudget, show: Shower) {
    this.budget = budget;
    this.show = show;
  }

  run(root: Place): void {
    this.queue.push(root);
    for (let i = 0; i < this.queue.length && !this.truncated; i++) {
      this.spend(1);
      this.visit(this.queue[i]!);
    }
  }

  private spend(steps: number): void {
    this.spent += steps;
    if (this.spent > this.budget.maxNodes) throw new OutOfBudget();
    if (this.spent < this.nextCheck) return;
    this.nextCheck = this.spent + 512;
    if (this.budget.isOver()) throw new OutOfBudget();
  }

  private visit(place: Place): void {
    const { a, b, states } = place;
    const here = masksHere(states);
    const masked =
      place.masked ||
      here.some((mask) => mask.kind === "ignore" || (mask.kind === "type" && isSameContainer(a, b)));
    const at = masked === place.masked ? place : { ...place, masked };
    if (a === undefined || b === undefined) this.report(at, a === undefined ? "extra" : "missing");
    else if (a instanceof JsonArray && b instanceof JsonArray) this.lists(at, a, b, here);
    else if (a instanceof JsonObject && b instanceof JsonObject) this.objects(at, a, b);
    else if (!isEqualScalar(a, b)) {
      if (here.some((mask) => isExcused(mask, a, b))) this.masked++;
      else this.report(at, jsonType(a) === jsonType(b) ? "changed" : "type");
    }
  }

  private objects(at: Place, a: JsonObject, b: JsonObject): void {
    for (const [name, value] of a.members) this.push(at, name, value, b.members.get(name));
    for (const [name, value] of b.members) if (!a.members.has(name)) this.push(at, name, undefined, value);
  }

  private lists(at: Place, a: JsonArray, b: JsonArray, here: readonly Mask[]): void {
    const keyed = here.find((mask) => mask.kind === "keyed");
    const pairsByKey = keyed === undefined ? null : this.pairByKey(a, b, keyed.by);
    if (pairsByKey !== null) return this.pushUnordered(at, a, b, pairsByKey);

    const hashesA = this.itemHashes(a, at.states);
    const hashesB = this.itemHashes(b, at.states);
    if (here.some((mask) => mask.kind === "set")) {
      const pairs = matchMultisets(hashesA, hashesB, 0, hashesA.length, hashesB.length);
      return this.pushUnordered(at, a, b, pairs);
    }
    const alignment = alignLists(hashesA, hashesB, (steps) => this.spend(steps >> 6));
    if (alignment.kind === "reordered") this.report(at, "order");
    else this.pushPairs(at, a, b, alignment.pairs);
  }

  /** Another order is excused, and counted so. */
  private pushUnordered(at: Place, a: JsonArray, b: JsonArray, pairs: readonly ItemPair[]): void {
    const counterparts = pairs.flatMap(([i, j]) => (i === null || j === null ? [] : [j]));
    if (counterparts.some((j, n) => n > 0 && j < counterparts[n - 1]!)) this.masked++;
    this.pushPairs(at, a, b, pairs);
  }

  private pushPairs(at: Place, a: JsonArray, b: JsonArray, pairs: readonly ItemPair[]): void {
    for (const [i, j] of pairs) {
      this.push(at, String(i ?? j), i === null ? undefined : a.items[i], j === null ? undefined : b.items[j]);
    }
  }

  /** null: some item has no such key, or a key stands twice; then position decides as without the rule. */
  private pairByKey(a: JsonArray, b: JsonArray, by: Pointer): ItemPair[] | null {
    const [left, right] = [this.keyed(a, by), this.keyed(b, by)];
    if (left === null || right === null) return null;
    const pairs: ItemPair[] = [];
    for (const [key, i] of left) pairs.push([i, right.get(key) ?? null]);
    for (const [key, j] of right) if (!left.has(key)) pairs.push([null, j]);
    return pairs;
  }

  private keyed(list: JsonArray, by: Pointer): Map<string, number> | null {
    const keys = new Map<string, number>();
    for (const [i, item] of list.items.entries()) {
      const value = valueAt(item, by);
      const key =
        typeof value === "string" ? `s${value}` : value instanceof JsonNumber ? `n${value.key}` : null;
      if (key === null || keys.has(key)) return null;
      keys.set(key, i);
    }
    return keys;
  }

  private itemHashes(list: JsonArray, states: MaskStates): number[] {
    return list.items.map((item, i) => this.maskedHash(item, stepMasks(states, String(i))));
  }

  /** The hash without what masks leave out, so that items which differ only there line up. Depth: the parser's. */
  private maskedHash(value: JsonValue, states: MaskStates): number {
    if (states.length === 0) return valueHash(value);
    this.spend(1);
    const here = masksHere(states);
    if (here.length > 0) {
      if (here.some((mask) => mask.kind === "ignore")) return 0;
      const isList = value instanceof JsonArray;
      if (!isList && here.some((mask) => mask.kind !== "set" && mask.kind !== "keyed")) return 1;
    }
    if (value instanceof JsonArray) {
      const unordered = here.some((mask) => mask.kind === "set" || mask.kind === "keyed");
      let hash = 0x61;
      for (const [i, item] of value.items.entries()) {
        const h = this.maskedHash(item, stepMasks(states, String(i)));
        hash = unordered ? (hash + h) | 0 : mix(hash, h);
      }
      return hash;
    }
    if (value instanceof JsonObject) {
      let hash = 0x6f;
      for (const [name, member] of value.members) {
        const below = stepMasks(states, name);
        // An ignored member may as well be absent.
        if (masksHere(below).some((mask) => mask.kind === "ignore")) continue;
        hash = (hash + memberHash(name, this.maskedHash(member, below))) | 0;
      }
      return hash;
    }
    return valueHash(value);
  }

  private push(parent: Place, token: string, a: JsonValue | undefined, b: JsonValue | undefined): void {
    const { states, masked } = parent;
    this.queue.push({ a, b, token, parent, states: stepMasks(states, token), masked });
  }

  private report(at: Place, kind: EditKind): void {
    if (at.masked) {
      this.masked++;
      return;
    }
    const tokens: string[] = [];
    for (let place = at; place.parent !== null; place = place.parent) tokens.push(place.token);
    tokens.reverse();
    this.edits.push({
      part: "body",
      path: pointerText(tokens),
      kind,
      primary: at.a === undefined ? null : this.show(tokens, at.a),
      secondary: at.b === undefined ? null : this.show(tokens, at.b),
    });
    this.truncated = this.edits.length >= this.budget.maxEdits;
  }
}

function isSameContainer(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a instanceof JsonArray ? b instanceof JsonArray : a instanceof JsonObject && b instanceof JsonObject;
}

function isEqualScalar(a: JsonValue, b: JsonValue): boolean {
  if (a instanceof JsonNumber && b instanceof JsonNumber) return a.key === b.key;
  return a === b;
}

/** RFC 6901 text, cut at 512 characters. */
export function pointerText(tokens: readonly string[]): string {
  let text = "";
  for (const token of tokens) {
    text += pointerStep(token);
    if (text.length > 512) return `${text.slice(0, 511)}…`;
  }
  return text;
}
