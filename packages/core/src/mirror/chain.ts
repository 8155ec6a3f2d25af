/**
 * Tamper evidence: every difference record, and every word about one, adds a link to the chain of its partition, and each
 * link covers the one before it. What has been changed, taken out or put in behind a link is found; who rewrites all of a
 * chain is found out by an export from before, because each record carries the link before it and its own. Pure.
 */
import { createHash } from "node:crypto";
import { sha256 } from "./compare.ts";

/** Links that are kept of a partition; the oldest give way. */
export const chainLength = 2000;

export interface ChainLink {
  /** The record's place in its partition. */
  readonly member: string;
  /** "difference": the record itself; "acknowledged": a word about it. */
  readonly kind: string;
  /** SHA-256 of what was written, hexadecimal. */
  readonly digest: string;
  /** When the record's time is over, epoch ms. */
  readonly ends: string;
  /** The link before; "": none. */
  readonly before: string;
  readonly link: string;
}

export interface ChainFacts {
  readonly partition: number;
  /** The last link that was made, and how many there were. */
  readonly head: string;
  readonly count: number;
  /** Records up to this place have given way to newer ones. */
  readonly floor: number;
  readonly links: readonly ChainLink[];
  readonly records: ReadonlyMap<string, string>;
  readonly notes: ReadonlyMap<string, string>;
  readonly now: number;
  readonly bound: number;
}

export interface ChainReport {
  readonly partition: number;
  readonly links: number;
  readonly records: number;
  /** Records older than the oldest link: nothing vouches for them. */
  readonly unchained: number;
  /** For people, each with its place; empty: nothing is wrong. */
  readonly broken: readonly string[];
}

export interface MirrorChain {
  /** One report for each partition that holds anything. @throws StoreUnavailable */
  verify(): Promise<readonly ChainReport[]>;
}

/** What is written as a link's value. */
export function chainValue({ before, member, kind, digest, ends }: Omit<ChainLink, "link">): string {
  return createHash("sha1").update(`${before} ${member} ${kind} ${digest} ${ends}`).digest("hex");
}

/** A link's digest of what was written. */
export function chainDigest(text: string): string {
  return sha256(Buffer.from(text));
}

export function checkChain(facts: ChainFacts): ChainReport {
  const { partition, links, records, notes } = facts;
  const broken: string[] = [];
  const say = (member: string, what: string): void => void broken.push(`${partition}.${member}: ${what}`);
  const vouched = new Set<string>();
  const noted = new Set<string>();
  for (const [i, link] of links.entries()) {
    const { member, kind, digest, before } = link;
    const earlier = i === 0 ? null : links[i - 1]!.link;
    if (earlier !== null && before !== earlier) say(member, "the link before it is another one");
    if (link.link !== chainValue(link)) say(member, "its link has been changed");
    if (kind === "difference") vouched.add(member);
    else noted.add(member);
    const held = kind === "difference" ? records.get(member) : notes.get(member);
    if (held !== undefined) {
      if (chainDigest(held) !== digest) say(member, `${nameOf(kind)} has been changed`);
    } else if (!isOver(facts, link)) say(member, `${nameOf(kind)} has been taken out`);
  }
  const oldest = links[0];
  if (oldest !== undefined && links.length === facts.count && oldest.before !== "")
    say(oldest.member, "it is not the first link");
  if (links.length < Math.min(facts.count, facts.bound))
    broken.push(`${partition}: links have been taken out`);
  if ((links.at(-1)?.link ?? "") !== facts.head) broken.push(`${partition}: the last link is not the head`);
  let unchained = 0;
  for (const member of records.keys()) {
    if (vouched.has(member)) continue;
    if (oldest === undefined || Number(member) < Number(oldest.member)) unchained++;
    else say(member, "the record has been put in");
  }
  for (const member of notes.keys())
    if (vouched.has(member) && !noted.has(member)) say(member, "an acknowledgement has been put in");
  return { partition, links: links.length, records: records.size, unchained, broken };
}

/** A record that has given way, or whose time is over, is missing by right, and so is what was said about it. */
function isOver({ floor, now }: ChainFacts, { member, ends }: ChainLink): boolean {
  return Number(ends) <= now || Number(member) <= floor;
}

function nameOf(kind: string): string {
  return kind === "difference" ? "the record" : "an acknowledgement";
}
