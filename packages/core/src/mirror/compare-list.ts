/**
 * Which item of one list stands for which item of the other. Lists are lined up by item hashes:
 * common ends first, then a longest common subsequence where both middles are short, else as multisets.
 * The cost is linear beyond {@link maxAligned} items, whatever the lists hold. Paired items are still compared in
 * full by the caller, so a hash collision can cost precision, never hide a difference.
 */

/** A longest common subsequence is looked for up to this many items on each side. */
export const maxAligned = 256;

/** Index in the primary's list and in the secondary's; null: no counterpart. */
export type ItemPair = readonly [primary: number | null, secondary: number | null];

export type Alignment =
  /** Same items, other order. */
  { readonly kind: "reordered" } | { readonly kind: "paired"; readonly pairs: readonly ItemPair[] };

/** `spend` is told about quadratic work, in steps, before it is done. */
export function alignLists(
  a: readonly number[],
  b: readonly number[],
  spend: (steps: number) => void,
): Alignment {
  let head = 0;
  const shorter = Math.min(a.length, b.length);
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;

  const endA = a.length - tail;
  const endB = b.length - tail;
  const pairs: ItemPair[] = [];
  for (let i = 0; i < head; i++) pairs.push([i, i]);
  if (head < endA || head < endB) {
    if (a.length === b.length && sameMultiset(a.slice(head, endA), b.slice(head, endB))) {
      return { kind: "reordered" };
    }
    if (endA - head <= maxAligned && endB - head <= maxAligned) {
      spend((endA - head) * (endB - head));
      pairs.push(...commonSubsequence(a, b, head, endA, endB));
    } else {
      pairs.push(...pairLeftovers(matchMultisets(a, b, head, endA, endB)));
    }
  }
  for (let i = 0; i < tail; i++) pairs.push([endA + i, endB + i]);
  return { kind: "paired", pairs };
}

/** Pairs equal hashes regardless of order; what is left on either side has no counterpart. */
export function matchMultisets(
  a: readonly number[],
  b: readonly number[],
  from: number,
  endA: number,
  endB: number,
): ItemPair[] {
  const places = new Map<number, number[]>();
  for (let j = endB - 1; j >= from; j--) {
    const known = places.get(b[j]!);
    if (known === undefined) places.set(b[j]!, [j]);
    else known.push(j);
  }
  const pairs: ItemPair[] = [];
  const taken = new Set<number>();
  for (let i = from; i < endA; i++) {
    const j = places.get(a[i]!)?.pop();
    if (j === undefined) pairs.push([i, null]);
    else {
      taken.add(j);
      pairs.push([i, j]);
    }
  }
  for (let j = from; j < endB; j++) if (!taken.has(j)) pairs.push([null, j]);
  return pairs;
}

/** What found no equal stands for the other side's leftovers in order: a changed item is walked into. */
function pairLeftovers(pairs: readonly ItemPair[]): ItemPair[] {
  const left = pairs.flatMap(([i, j]) => (j === null ? [i] : []));
  const right = pairs.flatMap(([i, j]) => (i === null ? [j] : []));
  const longer = left.length > right.length ? left : right;
  return [
    ...pairs.filter(([i, j]) => i !== null && j !== null),
    ...longer.map((_, n): ItemPair => [left[n] ?? null, right[n] ?? null]),
  ];
}

function sameMultiset(a: readonly number[], b: readonly number[]): boolean {
  const x = Int32Array.from(a).sort();
  const y = Int32Array.from(b).sort();
  return x.every((hash, i) => hash === y[i]);
}

function commonSubsequence(
  a: readonly number[],
  b: readonly number[],
  from: number,
  endA: number,
  endB: number,
): ItemPair[] {
  const rows = endA - from;
  const columns = endB - from;
  const width = columns + 1;
  const lengths = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[from + i] === b[from + j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const pairs: ItemPair[] = [];
  let i = 0;
  let j = 0;
  let gapA = 0;
  let gapB = 0;
  // Between two common items the unlike ones stand for each other in order: a changed item is walked into.
  const closeGap = (): void => {
    for (; gapA < i || gapB < j; gapA++, gapB++) {
      pairs.push([gapA < i ? from + gapA : null, gapB < j ? from + gapB : null]);
    }
  };
  while (i < rows && j < columns) {
    if (a[from + i] === b[from + j]) {
      gapA = Math.min(gapA, i);
      closeGap();
      pairs.push([from + i, from + j]);
      gapA = ++i;
      gapB = ++j;
    } else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i++;
    else j++;
  }
  i = rows;
  j = columns;
  closeGap();
  return pairs;
}
