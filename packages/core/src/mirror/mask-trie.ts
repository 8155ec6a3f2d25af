/**
 * Masks: what may differ, by JSON Pointer with "*" (one token) and "**" (any number, none included).
 * All pointers are compiled into one trie and followed during the walk; a mask costs nothing where it cannot apply.
 */
import type { ComparePolicy, MaskRule } from "../registry/service.ts";

export type Mask = MaskRule | { readonly kind: "ignore" };

/** A place in the trie. A walk holds a set of them, because "**" can be at several places at once. */
export interface MaskNode {
  readonly literals: Map<string, MaskNode>;
  any: MaskNode | null;
  /** Entered without a token; stays for any token. */
  deep: MaskNode | null;
  readonly stays: boolean;
  readonly masks: Mask[];
}

export type MaskStates = readonly MaskNode[];

export const noMasks: MaskStates = [];

function maskNode(stays: boolean): MaskNode {
  return { literals: new Map(), any: null, deep: null, stays, masks: [] };
}

/** The states at the root of a document. */
export function compileMasks(policy: Pick<ComparePolicy, "ignore" | "rules">): MaskStates {
  const root = maskNode(false);
  for (const at of policy.ignore) insert(root, at).masks.push({ kind: "ignore" });
  for (const rule of policy.rules) insert(root, rule.at).masks.push(rule);
  return policy.ignore.length + policy.rules.length === 0 ? noMasks : closed([root]);
}

function insert(root: MaskNode, at: readonly string[]): MaskNode {
  let node = root;
  for (const token of at) {
    if (token === "**") node = node.deep ??= maskNode(true);
    else if (token === "*") node = node.any ??= maskNode(false);
    else {
      let next = node.literals.get(token);
      if (next === undefined) node.literals.set(token, (next = maskNode(false)));
      node = next;
    }
  }
  return node;
}

/** The states below member or index `token`. */
export function stepMasks(states: MaskStates, token: string): MaskStates {
  if (states.length === 0) return noMasks;
  const next = new Set<MaskNode>();
  for (const node of states) {
    if (node.stays) next.add(node);
    const literal = node.literals.get(token);
    if (literal !== undefined) next.add(literal);
    if (node.any !== null) next.add(node.any);
  }
  return next.size === 0 ? noMasks : closed([...next]);
}

function closed(nodes: readonly MaskNode[]): MaskStates {
  const all = new Set<MaskNode>();
  for (let node of nodes) {
    all.add(node);
    while (node.deep !== null) all.add((node = node.deep));
  }
  return [...all];
}

export function masksHere(states: MaskStates): readonly Mask[] {
  if (states.length === 0) return [];
  if (states.length === 1) return states[0]!.masks;
  return states.flatMap((node) => node.masks);
}
