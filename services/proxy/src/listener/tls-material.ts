/** Certificates of the listener: read from files, chosen by server name, replaced while connections go on. */
import { createHash, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";

import { CodedError } from "@sticky-proxy/protocol";
import type { Config } from "@sticky-proxy/runtime";

export type TlsPolicy = NonNullable<Config["tls"]>;

interface Named {
  readonly certificate: X509Certificate;
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
}

export interface TlsMaterial {
  /** The context for a name that a client asks for (RFC 6066 3); the first one for a name that no certificate has. */
  contextFor(serverName: string): SecureContext;
  /** What the first context is made of: for clients that ask for no name. */
  readonly first: SecureContextOptions;
  /** Called after each replacement. */
  onReplaced(listener: () => void): void;
  /** Reads the files again. "same": nothing has changed. Rejects when they cannot be used: the old ones stay in use. */
  reload(): Promise<"same" | "replaced">;
  /** When the first certificate ends; epoch ms. */
  readonly firstEnd: number;
}

export class TlsUnusable extends CodedError {
  override readonly name = "TlsUnusable";
  override readonly code = "TLS_UNUSABLE";
}

export type ReadFile = (path: string) => Promise<Buffer>;

/** @throws TlsUnusable: which file, and what is wrong with it */
export async function openTlsMaterial(policy: TlsPolicy, read: ReadFile): Promise<TlsMaterial> {
  let used = await loaded(policy, read);
  const listeners: (() => void)[] = [];
  return {
    contextFor(serverName) {
      const found = used.named.find(({ certificate }) => certificate.checkHost(serverName) !== undefined);
      return (found ?? used.named[0]!).context;
    },
    get first() {
      return used.named[0]!.options;
    },
    onReplaced: (listener) => void listeners.push(listener),
    async reload() {
      const next = await loaded(policy, read);
      if (next.digest === used.digest) return "same";
      used = next;
      for (const listener of listeners) listener();
      return "replaced";
    },
    get firstEnd() {
      return Math.min(...used.named.map(({ certificate }) => Date.parse(certificate.validTo)));
    },
  };
}

interface Loaded {
  readonly named: readonly Named[];
  /** Over every file. */
  readonly digest: string;
}

async function loaded(policy: TlsPolicy, read: ReadFile): Promise<Loaded> {
  const hash = createHash("sha256");
  const contents = async (path: string): Promise<Buffer> => {
    const bytes = await read(path).catch((error: unknown) => {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new TlsUnusable(`${path} cannot be read: ${code ?? message}`, { cause: error });
    });
    hash.update(String(bytes.byteLength)).update(bytes);
    return bytes;
  };
  const ca = policy.clientCa === null ? null : await contents(policy.clientCa);
  const named: Named[] = [];
  for (const files of [policy, ...policy.others]) {
    const [cert, key] = [await contents(files.cert), await contents(files.key)];
    named.push(namedBy(files, cert, key, ca, policy));
  }
  return { named, digest: hash.digest("hex") };
}

function namedBy(
  files: Pick<TlsPolicy, "cert" | "key">,
  cert: Buffer,
  key: Buffer,
  ca: Buffer | null,
  { minVersion }: TlsPolicy,
): Named {
  try {
    const certificate = new X509Certificate(cert);
    const options = { cert, key, minVersion, ...(ca === null ? {} : { ca }) };
    return { certificate, options, context: createSecureContext(options) };
  } catch (error) {
    // OpenSSL's words: "key values mismatch", "no start line".
    const why = error instanceof Error ? error.message : String(error);
    throw new TlsUnusable(`${files.cert} and ${files.key} are no certificate with its key: ${why}`, {
      cause: error,
    });
  }
}
