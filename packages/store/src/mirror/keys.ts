/**
 * The mirror's keys: all of an order key in one partition, on that partition's slot.
 *
 *   key              type    written by                                  ends
 *   {p}:o            STREAM  append (intents); park, ack take away       empty when all is done
 *   {p}:of           STRING  claim: the owner's fence                    never: it keeps rising
 *   {p}:ok:<key>     HASH    append, park, settle, ack: a key's state    with its last intent; diverged: 8 days
 *   {p}:op:<key>     LIST    park: "<entry id> <intent>"                 with its last intent
 *   {p}:oz           ZSET    park: parked keys by next try               with the list
 *   {p}:oa           ZSET    park: parked keys by age of the oldest      with the list
 *   {p}:os           HASH    settle: entry id → outcome                  ack
 *   {p}:ol           HASH    append, park, ack: load by service          never (a field per service)
 *   {p}:og           STREAM  gaps                                        capped by length
 *   {p}:oc:<hour>    HASH    append, settle, gap: coverage counters      8 days
 *   {p}:or:<hour>    HASH    settle: sums of differences                 8 days
 *   {p}:on           ZSET    settle: difference records by time          TTL and bound of the route
 *   {p}:onx          ZSET    settle: the same by end                     the same
 *   {p}:onr          HASH    settle: the records; "a:…" a note, "c:…" a link the same
 *   {p}:onc          STREAM  settle, acknowledge: links over records     capped by length
 *   {p}:onh          HASH    settle, acknowledge: the chain's head       never
 *   {p}:om:<service> HASH    ids: "<collection> <id>" → secondary's id   never
 */
import type { Keys } from "../keys.ts";

export interface MirrorKeys {
  intents(partition: number): string;
  owner(partition: number): string;
  keyState(partition: number, orderKey: string): string;
  parkedList(partition: number, orderKey: string): string;
  parked(partition: number): string;
  parkedSince(partition: number): string;
  settled(partition: number): string;
  load(partition: number): string;
  gaps(partition: number): string;
  counters(partition: number, window: number): string;
  sums(partition: number, window: number): string;
  byTime(partition: number): string;
  byEnd(partition: number): string;
  records(partition: number): string;
  links(partition: number): string;
  chain(partition: number): string;
  ids(partition: number, service: string): string;
}

export function createMirrorKeys(keys: Pick<Keys, "partition">): MirrorKeys {
  const of = (kind: string) => (p: number) => keys.partition(p) + kind;
  return {
    intents: of("o"),
    owner: of("of"),
    keyState: (p, orderKey) => `${keys.partition(p)}ok:${orderKey}`,
    parkedList: (p, orderKey) => `${keys.partition(p)}op:${orderKey}`,
    parked: of("oz"),
    parkedSince: of("oa"),
    settled: of("os"),
    load: of("ol"),
    gaps: of("og"),
    counters: (p, window) => `${keys.partition(p)}oc:${window}`,
    sums: (p, window) => `${keys.partition(p)}or:${window}`,
    byTime: of("on"),
    byEnd: of("onx"),
    records: of("onr"),
    links: of("onc"),
    chain: of("onh"),
    ids: (p, service) => `${keys.partition(p)}om:${service}`,
  };
}
