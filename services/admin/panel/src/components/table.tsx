/** A real table: rows are walked with j and k, opened with Enter, chosen with x. */
import type { ComponentChildren } from "preact";
import { useRef } from "react";
import { useKeys } from "../keys.ts";

export interface Column<T> {
  readonly name: string;
  /** Heads that only screen readers need. */
  readonly hidden?: boolean;
  readonly numeric?: boolean;
  /** Where it stands in the two lines of a narrow row; absent: it is left out there. */
  readonly area?: "a" | "b" | "c" | "d";
  readonly cell: (row: T) => ComponentChildren;
}

interface Props<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly onOpen?: (row: T) => void;
  readonly onSelect?: (row: T) => void;
  readonly isMarked?: (row: T) => boolean;
}

export function DataTable<T>({ label, columns, rows, keyOf, onOpen, onSelect, isMarked }: Props<T>) {
  const body = useRef<HTMLTableSectionElement>(null);

  function step(by: number): void {
    const all = [...(body.current?.rows ?? [])];
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const next =
      all[at === -1 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    next?.focus();
  }
  useKeys({ j: () => step(1), k: () => step(-1) });

  return (
    <div class="table-box">
      <table aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ name, numeric, hidden }) => (
              <th key={name} scope="col" class={numeric === true ? "numeric" : ""}>
                {hidden === true ? <span class="unseen">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <tr
              key={keyOf(row)}
              tabIndex={onOpen === undefined && onSelect === undefined ? -1 : 0}
              class={`${onOpen === undefined ? "" : "opens"} ${isMarked?.(row) === true ? "marked" : ""}`}
              onClick={(event) => {
                if ((event.target as Element).closest("a, button, input, label") === null) onOpen?.(row);
              }}
              onKeyDown={(event) => {
                if (event.target !== event.currentTarget) return;
                if (event.key === "Enter") onOpen?.(row);
                if (event.key === "x") onSelect?.(row);
              }}
            >
              {columns.map(({ name, numeric, area, cell }) => (
                <td
                  key={name}
                  class={`${numeric === true ? "numeric" : ""} ${area === undefined ? "wide-only" : `area-${area}`}`}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface PagerProps {
  readonly shown: number;
  readonly total: number | null;
  readonly scanned: number | null;
  readonly onOlder: (() => void) | null;
  readonly onNewest: (() => void) | null;
}

export function Pager({ shown, total, scanned, onOlder, onNewest }: PagerProps) {
  return (
    <footer class="pager">
      <span class="quiet">
        {total === null
          ? `${shown} shown${scanned === null || scanned <= shown ? "" : `; looked at ${scanned} processes`}`
          : `Newest first. ${shown} of ${total}`}
      </span>
      <span class="actions">
        {onNewest !== null && (
          <button type="button" onClick={onNewest}>
            Newest
          </button>
        )}
        {onOlder !== null && (
          <button type="button" onClick={onOlder}>
            {total === null && shown === 0 ? "Look further" : "Older"}
          </button>
        )}
      </span>
    </footer>
  );
}
