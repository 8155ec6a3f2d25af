/** How outbox entries and parked keys are written in Redis, read back. */
import type { Intent, OutboxEntry } from "@sticky-proxy/core/mirror";
import { type Reply, replyList, replyText } from "../redis/scripts.ts";

/** A parked key's name in the partition's sorted sets. */
export function splitMember(member: string): { orderKey: string; service: string } {
  const at = member.indexOf("|");
  return { orderKey: member.slice(0, at), service: member.slice(at + 1) };
}

export function streamEntry(reply: Reply): OutboxEntry {
  const [id, fields] = replyList(reply);
  return entryOf(replyText(id)!, replyText(replyList(fields)[1])!);
}

export function listEntry(item: string): OutboxEntry {
  const at = item.indexOf(" ");
  return entryOf(item.slice(0, at), item.slice(at + 1));
}

function entryOf(entryId: string, json: string): OutboxEntry {
  // A stream's ids begin with the server's milliseconds.
  // `after` is missing in what an older version wrote.
  const intent = JSON.parse(json) as Omit<Intent, "after"> & Partial<Intent>;
  return { after: [], ...intent, entryId, at: Number(entryId.split("-", 1)[0]) };
}
