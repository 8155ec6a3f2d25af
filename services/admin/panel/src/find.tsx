/** Finds by one field: what is typed goes out in a request's body and stays out of URL, history and logs. */
import { useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { ApiError, call } from "./api.ts";
import { ProcessId, Status } from "./components/parts.tsx";
import type { CacheKey, ProcessDetail } from "./answers.ts";
import { readPastedRequest } from "./pasted-request.ts";

interface Hit {
  readonly how: string;
  readonly process: ProcessDetail;
}

export function FindDialog({
  services,
  onClose,
}: {
  readonly services: readonly string[];
  readonly onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [, navigate] = useLocation();
  const [text, setText] = useState("");
  const [principal, setPrincipal] = useState("");
  const [host, setHost] = useState("");
  const [found, setFound] = useState<{
    readonly hits: readonly Hit[];
    readonly keys: readonly CacheKey[];
  } | null>(null);
  const [state, setState] = useState<"idle" | "looking" | "failed">("idle");
  const [pasted, setPasted] = useState<string | null>(null);
  useEffect(() => dialog.current?.showModal(), []);

  /** Only key or URL and host of a request come into the fields: its credentials and its body go nowhere. */
  function takeRequest(value: string): boolean {
    const request = readPastedRequest(value);
    if (request === null) return false;
    const { method, url, host: sentTo, idempotencyKey } = request;
    setText(idempotencyKey ?? url);
    setHost(sentTo ?? "");
    setFound(null);
    setPasted(
      idempotencyKey === null
        ? `That ${method} carries no Idempotency-Key: looking for its URL in the cache.`
        : `Key and host of that ${method} are taken; its credentials and body are not.`,
    );
    return true;
  }

  function openProcess(id: string): void {
    dialog.current?.close();
    navigate(`/processes/${encodeURIComponent(id)}`);
  }

  async function look(): Promise<void> {
    const wanted = text.trim();
    if (wanted === "" || takeRequest(wanted)) return;
    if (/^\d{1,4}\.[\w-]{22}\.[0-9a-z]+$/.test(wanted)) return openProcess(wanted);
    setState("looking");
    const whose = {
      ...(principal.trim() === "" ? {} : { principal: principal.trim() }),
      ...(host.trim() === "" ? {} : { host: host.trim() }),
    };
    try {
      const lookUps = services.flatMap((service) => [
        lookUp({ service, idempotencyKey: wanted, ...whose }, `key of ${service}`),
        lookUp({ service, jobId: wanted }, `job of ${service}`),
      ]);
      const isUrl = wanted.startsWith("/") || URL.canParse(wanted);
      const [hits, keys] = await Promise.all([Promise.all(lookUps), isUrl ? explain(wanted) : []]);
      const all = hits.filter((hit) => hit !== null);
      if (all.length === 1 && keys.length === 0) return openProcess(all[0]!.process.id);
      setFound({ hits: all, keys });
      setState("idle");
    } catch {
      setState("failed");
    }
  }

  return (
    <dialog ref={dialog} onClose={onClose} aria-label="Find">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void look();
        }}
      >
        <label class="field">
          <span>Process id, idempotency key, job id or URL; or paste a request (curl, HTTP)</span>
          <input
            type="text"
            value={text}
            maxLength={8192}
            autoFocus
            autoComplete="off"
            spellcheck={false}
            onPaste={(event) => {
              if (takeRequest(event.clipboardData?.getData("text/plain") ?? "")) event.preventDefault();
            }}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setFound(null);
              setPasted(null);
            }}
          />
        </label>
        {pasted !== null && (
          <p class="quiet" role="status">
            {pasted}
          </p>
        )}
        <details open={pasted !== null && host !== ""}>
          <summary>A key of one principal or host</summary>
          <Whose label="Principal, as it was proved" value={principal} onChange={setPrincipal} />
          <Whose label="Host, as clients send it" value={host} onChange={setHost} />
        </details>
        <div aria-live="polite">
          {state === "failed" && <p class="warning">The store does not answer.</p>}
          {found !== null && found.hits.length === 0 && found.keys.length === 0 && (
            <p>Nothing is kept under that key, job id or URL in {services.length} services.</p>
          )}
          {found !== null && (
            <ul class="hits">
              {found.hits.map(({ how, process }) => (
                <li key={process.id}>
                  <ProcessId id={process.id} /> <Status status={process.status} phase={process.phase} /> {how}
                </li>
              ))}
              {found.keys.map((key) => (
                <li key={key.key}>
                  In the cache of {key.service}: {key.variants.length} stored, {key.hits} hits
                </li>
              ))}
            </ul>
          )}
        </div>
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
          <button type="submit" class="primary" disabled={state === "looking"}>
            Find
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** Keys are looked for under every principal with an API key and every host of the configuration; others are told here. */
function Whose({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="text"
        value={value}
        maxLength={255}
        autoComplete="off"
        spellcheck={false}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </label>
  );
}

/** null: nothing is kept under it. */
async function lookUp(body: object, how: string): Promise<Hit | null> {
  try {
    const { process } = await call<{ process: ProcessDetail }>("POST", "/processes:lookup", { body });
    return { how, process };
  } catch (error) {
    if (error instanceof ApiError && error.problem.status < 500) return null;
    throw error;
  }
}

async function explain(url: string): Promise<readonly CacheKey[]> {
  try {
    return (await call<{ keys: readonly CacheKey[] }>("POST", "/cache:explain", { body: { url } })).keys;
  } catch (error) {
    if (error instanceof ApiError && error.problem.status < 500) return [];
    throw error;
  }
}
