/** A stored body: text only, never as markup; JSON is laid out where all of it is here. */
import { useState } from "react";
import { useQuery } from "@tanstack/react-query";
import { basePath, get } from "../api.ts";
import { bytes } from "../format.ts";
import type { Payload } from "../answers.ts";
import { Card, Failure } from "./parts.tsx";

export function PayloadCard({ id, kind }: { readonly id: string; readonly kind: "request" | "result" }) {
  const [isOpen, setOpen] = useState(false);
  const path = `/processes/${encodeURIComponent(id)}/${kind}`;
  const { data, error } = useQuery<Payload>({
    queryKey: [path],
    queryFn: () => get<Payload>(path),
    enabled: isOpen,
    retry: false,
  });
  const name = kind === "request" ? "Request" : "Result";
  return (
    <Card
      title={name}
      about={
        data === undefined ? "" : `${bytes(data.bytes)}${data.truncated ? ", the first 64 KiB shown" : ""}`
      }
      actions={
        data !== undefined && (
          <a class="button" href={`${basePath}/api/v1${path}/body`} download>
            Download
          </a>
        )
      }
    >
      <details class="payload" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Show the stored {kind}</summary>
        {error !== null && <Failure error={error} />}
        {data !== undefined && (
          <>
            <details>
              <summary>Headers {data.headers.length}</summary>
              <pre class="mono">
                {data.line}
                {"\n"}
                {data.headers.map(([header, value]) => `${header}: ${value}\n`)}
              </pre>
            </details>
            <pre class="mono body" tabIndex={0}>
              {laidOut(data)}
            </pre>
          </>
        )}
      </details>
    </Card>
  );
}

/** JSON on several lines, its numbers as written: whitespace is added between tokens and nothing is parsed into numbers. */
function laidOut({ body, truncated }: Payload): string {
  if (truncated) return body;
  try {
    JSON.parse(body);
  } catch {
    return body;
  }
  let text = "";
  let depth = 0;
  for (const [token] of body.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g)) {
    const line = (to: number): string => `\n${"  ".repeat(to)}`;
    if (token === "{" || token === "[") text += token + line((depth += 1));
    else if (token === "}" || token === "]") text += line((depth -= 1)) + token;
    else if (token === ",") text += token + line(depth);
    else text += token === ":" ? ": " : token;
  }
  return text.replaceAll(/([[{])\s+([\]}])/g, "$1$2");
}
