/** Whether the record of differences, and of what was said about them, is as it was written. */
import type { ChainReport } from "@sticky-proxy/core/mirror";
import type { MirrorPorts } from "./ports.ts";

export interface Verified {
  readonly links: number;
  readonly records: number;
  /** Written before there was a chain, or older than what is kept of it. */
  readonly unchained: number;
  /** Empty: nothing is wrong. */
  readonly broken: readonly string[];
}

/** @throws StoreUnavailable */
export async function verifyMirror({ chain }: Pick<MirrorPorts, "chain">): Promise<Verified> {
  const reports = await chain.verify();
  const sum = (of: (report: ChainReport) => number): number => reports.reduce((all, one) => all + of(one), 0);
  return {
    links: sum(({ links }) => links),
    records: sum(({ records }) => records),
    unchained: sum(({ unchained }) => unchained),
    broken: reports.flatMap(({ broken }) => broken),
  };
}
