/** Authorities and certificates for tests, made on the spot. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

export interface Pair {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Pair {
  /** A certificate that this authority signs. `names`: DNS names or addresses; the first is the common name. */
  issue(names: readonly string[], more?: Issued): Promise<Pair>;
}

export interface Issued {
  readonly uri?: string;
  readonly email?: string;
  readonly notAfter?: Date;
}

/** The library's types name the browser's globals, which Node's types do not have. */
type Provider = NonNullable<Parameters<typeof x509.X509CertificateGenerator.create>[1]>;
type Key = Parameters<Provider["subtle"]["exportKey"]>[1];

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const hourMs = 3_600_000;

export async function createAuthority(name = "test authority"): Promise<Authority> {
  const crypto = webcrypto as unknown as Provider;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const issuer = `CN=${name}`;
  const own = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: "01",
      name: issuer,
      notBefore: new Date(Date.now() - hourMs),
      notAfter: new Date(Date.now() + 24 * hourMs),
      keys,
      signingAlgorithm: algorithm,
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
    },
    crypto,
  );
  let serial = 1;
  return {
    cert: own.toString("pem"),
    key: await pemOf(crypto, keys.privateKey),
    async issue(names, { uri, email, notAfter = new Date(Date.now() + 12 * hourMs) } = {}) {
      const leaf = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      serial += 1;
      const certificate = await x509.X509CertificateGenerator.create(
        {
          serialNumber: serial.toString(16).padStart(4, "0"),
          subject: `CN=${names[0]!.replace("*", "any")}`,
          issuer,
          notBefore: new Date(Date.now() - hourMs),
          notAfter,
          publicKey: leaf.publicKey,
          signingKey: keys.privateKey,
          signingAlgorithm: algorithm,
          extensions: [
            new x509.SubjectAlternativeNameExtension([
              ...names.map((value) => ({
                type: /^[\d.]+$/.test(value) ? ("ip" as const) : ("dns" as const),
                value,
              })),
              ...(uri === undefined ? [] : [{ type: "url" as const, value: uri }]),
              ...(email === undefined ? [] : [{ type: "email" as const, value: email }]),
            ]),
          ],
        },
        crypto,
      );
      return { cert: certificate.toString("pem"), key: await pemOf(crypto, leaf.privateKey) };
    },
  };
}

async function pemOf(crypto: Provider, key: Key): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)!.join("\n")}\n-----END PRIVATE KEY-----\n`;
}
