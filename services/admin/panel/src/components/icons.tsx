/** Icons of 14 to 16 px as inline SVG: shape and word always stand together, so no meaning is colour alone. */
import type { ComponentChild } from "preact";

type Shape = readonly ComponentChild[];

const shapes: Readonly<Record<string, Shape>> = {
  completed: [
    <circle cx="8" cy="8" r="7" fill="currentColor" stroke="none" />,
    <path d="m5 8.2 2.1 2.1L11.2 6" stroke="var(--surface)" />,
  ],
  failed: [
    <circle cx="8" cy="8" r="7" fill="currentColor" stroke="none" />,
    <path d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8" stroke="var(--surface)" />,
  ],
  "in-progress": [
    <circle cx="8" cy="8" r="6" />,
    <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" stroke="none" />,
  ],
  "awaiting-callback": [<circle cx="8" cy="8" r="6" />, <path d="M11 8H5.5m2.2-2.3L5.4 8l2.3 2.3" />],
  "backing-off": [<circle cx="8" cy="8" r="6" />, <path d="M8 4.6V8l2.2 1.6" />],
  pending: [<circle cx="8" cy="8" r="6" stroke-dasharray="2.4 2.3" />],
  cancelled: [<circle cx="8" cy="8" r="6" />, <path d="m4 12 8-8" />],
  unknown: [
    <circle cx="8" cy="8" r="6" />,
    <path d="M6.2 6.4a1.9 1.9 0 1 1 2.7 1.8c-.6.3-.9.6-.9 1.2m0 1.9v.1" />,
  ],
  warn: [<path d="M8 2.2 14.4 13.4H1.6z" />, <path d="M8 6.4v3.1m0 1.9v.1" />],
  overview: [<path d="M1.5 8.5h3l2-5 3 9 2-4h3" />],
  processes: [<path d="M2 4h12M2 8h12M2 12h8" />],
  "dead-letters": [<path d="M2 9.5h3.4l1 1.8h3.2l1-1.8H14M2 9.5v4h12v-4L12 3H4z" />],
  cache: [<path d="m8 2 6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3" />],
  mirror: [<path d="M2 3h5v10H2zM9 3h5v10H9zM2 6.5h5M9 9.5h5" />],
  services: [<path d="M2 3h12v4H2zM2 9h12v4H2zM4.5 5h.1M4.5 11h.1" />],
  replicas: [
    <circle cx="8" cy="3.5" r="1.8" />,
    <circle cx="3.4" cy="12" r="1.8" />,
    <circle cx="12.6" cy="12" r="1.8" />,
    <path d="M7.2 5.2 4.3 10.3m4.5-5.1 2.9 5.1M5.3 12h5.3" />,
  ],
  audit: [<path d="M3.5 2h9v12h-9zM6 5.5h4M6 8h4M6 10.5h4" />],
  config: [
    <path d="M2 5h6m4 0h2M2 11h2m4 0h6" />,
    <circle cx="10" cy="5" r="1.8" />,
    <circle cx="6" cy="11" r="1.8" />,
  ],
  search: [<circle cx="7" cy="7" r="4.5" />, <path d="m10.4 10.4 3.4 3.4" />],
  copy: [<path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3" />],
  again: [<path d="M13 8a5 5 0 1 1-1.5-3.6M13 2v3h-3" />],
  menu: [<path d="M2 4h12M2 8h12M2 12h12" />],
  close: [<path d="m4 4 8 8m0-8-8 8" />],
  arrow: [<path d="M3 8h10m-3.2-3.2L13 8l-3.2 3.2" />],
  logo: [<path d="M1.5 5h6a3.5 3.5 0 0 1 0 6h-6M9.5 8h5" />],
};

export function Icon({ name, label }: { readonly name: string; readonly label?: string }) {
  const shape = shapes[name] ?? shapes["unknown"]!;
  const role =
    label === undefined
      ? ({ "aria-hidden": true } as const)
      : ({ role: "img", "aria-label": label } as const);
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" {...role}>
      {shape}
    </svg>
  );
}
