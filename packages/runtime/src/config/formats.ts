/** The kinds of value a configuration entry can have, each with a message that says what to write instead. */
import { addressOfHost, isMachineAddress } from "@sticky-proxy/core/http";
import { isFieldValue, isToken } from "@sticky-proxy/protocol/http";
import { isPointer } from "@sticky-proxy/protocol/json";
import { isIP, isIPv6 } from "node:net";
import { readSigningKey } from "@sticky-proxy/protocol";
import Joi from "joi";

const year = 366 * 24 * 3_600_000;

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** What an entry is when it is not written; "dynamic": decided later, from other entries. */
export type Initial<T> = T | null | "dynamic";

export function integer(about: string, initial: Initial<number>, bounds: Bounds = {}): Joi.NumberSchema {
  const schema = Joi.number()
    .integer()
    .min(bounds.min ?? 0)
    .max(bounds.max ?? 2 ** 31 - 1)
    .description(about);
  return initial === "dynamic" ? schema : schema.default(initial);
}

/** A span; up to ten years, so that nothing overflows an epoch in milliseconds. */
export function millis(about: string, initial: Initial<number>, bounds: Bounds = {}): Joi.NumberSchema {
  return integer(about, initial, { min: bounds.min ?? 1, max: bounds.max ?? 10 * year })
    .unit("ms")
    .messages({ "number.base": "must be a number of milliseconds" });
}

export function bytes(about: string, initial: Initial<number>, bounds: Bounds = {}): Joi.NumberSchema {
  return integer(about, initial, { min: bounds.min ?? 1, max: bounds.max ?? 2 ** 40 })
    .unit("bytes")
    .messages({ "number.base": "must be a number of bytes" });
}

export function fraction(about: string, initial: Initial<number>, max = 1): Joi.NumberSchema {
  const schema = Joi.number().min(0).max(max).description(about);
  return initial === "dynamic" ? schema : schema.default(initial);
}

export function flag(about: string, initial: boolean): Joi.BooleanSchema {
  return Joi.boolean().description(about).default(initial);
}

export function oneOf<const T extends string>(
  about: string,
  words: readonly T[],
  initial?: NoInfer<T>,
): Joi.StringSchema {
  const schema = Joi.string()
    .valid(...words)
    .description(about);
  return initial === undefined ? schema : schema.default(initial);
}

/** Text that `check` accepts (null) or refuses (what to write instead). */
export function text(
  about: string,
  check: (value: string) => string | null,
  maxLength = 2048,
): Joi.StringSchema {
  return Joi.string()
    .max(maxLength)
    .custom((value: string, helpers) => {
      const wrong = check(value);
      return wrong === null ? value : helpers.message({ custom: wrong });
    })
    .description(about);
}

export function list(
  about: string,
  items: Joi.Schema,
  max = 100,
  initial: Initial<readonly unknown[]> = [],
): Joi.ArraySchema {
  const schema = Joi.array().items(items).max(max).description(about);
  return initial === "dynamic" ? schema : schema.default(initial);
}

/** A default that depends on other entries: resolved later, described here in words. */
export function byIdentity<S extends Joi.Schema>(schema: S, words: string): S {
  return schema.meta({ defaultText: words }) as S;
}

/** An object where the value is a mapping, else `other`; messages then speak of the branch that was meant. */
export function either(mapping: Joi.ObjectSchema, other: Joi.Schema): Joi.AlternativesSchema {
  return Joi.alternatives().conditional(Joi.object().unknown(), { then: mapping, otherwise: other });
}

export const serviceName = /^[a-z0-9][a-z0-9-]{0,62}$/;
const methodName = /^[A-Z][A-Z-]{0,31}$/;
const hostName =
  /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** RFC 3986 pchar, with escapes only for bytes that are not ASCII: everything else has one spelling without. */
const plainPath = /^\/(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[89A-F][0-9A-F])+(?:\/(?!$)|$))*$/;

export const notReserved = "must not lie under /_sticky, which the gateway answers itself";

export function checkPath(value: string): string | null {
  if (!plainPath.test(value))
    return 'must be a path such as "/charges": no empty segment, no slash at the end, no query';
  if (value.split("/").some((segment) => segment === "." || segment === ".."))
    return "must not hold dot segments";
  return null;
}

export function checkHost(value: string): string | null {
  if (value.startsWith("[") && value.endsWith("]") && isIPv6(value.slice(1, -1))) return null;
  return value.length <= 253 && hostName.test(value) ? null : "must be a lower-case host name without a port";
}

export function checkFieldName(value: string): string | null {
  return isToken(value) && value.length <= 128 ? null : "must be a header field name";
}

export function checkMethod(value: string): string | null {
  if (value === "CONNECT" || value === "TRACE") return `${value} is never forwarded`;
  return methodName.test(value) ? null : "must be an HTTP method in capitals";
}

/** `http(s)://host[:port]` and nothing else: no userinfo, path, query or fragment. */
export function checkOrigin(value: string): string | null {
  if (!/^https?:\/\/[^/?#@\\\s]+\/?$/i.test(value) || !URL.canParse(value))
    return 'must be an origin such as "http://127.0.0.1:4001": no user, path, query or fragment';
  return checkAddress(new URL(value));
}

/** An absolute http(s) URL that the gateway itself will call. */
export function checkUrl(value: string): string | null {
  if (!/^https?:\/\/[^\\\s]+$/i.test(value) || !URL.canParse(value)) return "must be an absolute http(s) URL";
  const url = new URL(value);
  if (url.username !== "" || url.password !== "") return "must not hold a user or password";
  if (url.hash !== "") return "must not hold a fragment";
  return checkAddress(url);
}

/** Link-local addresses serve machine metadata: nothing configured may lead there, however it is spelled. */
function checkAddress(url: URL): string | null {
  if (url.port === "0") return "must not use port 0";
  const address = addressOfHost(url.hostname);
  return address !== null && isMachineAddress(address)
    ? "must not be a link-local or metadata address"
    : null;
}

export function checkRedisUrl(value: string): string | null {
  if (!/^(?:rediss?:\/\/|unix:\/\/?|\/)/.test(value)) return "must begin with redis://, rediss:// or unix://";
  return value.startsWith("/") || URL.canParse(value) ? null : "must be a URL";
}

/** An address or a CIDR block. */
export function checkCidr(value: string): string | null {
  const [address = "", prefix, ...rest] = value.split("/");
  const family = isIP(address);
  const wrong = 'must be an address or a block such as "10.0.0.0/8"';
  if (family === 0 || rest.length > 0) return wrong;
  if (prefix === undefined) return null;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128) ? null : wrong;
}

export function checkHostPort(value: string): string | null {
  const match = /^(.+):(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  const isGood = match !== null && checkHost(match[1]!.toLowerCase()) === null && port > 0 && port < 65536;
  return isGood ? null : 'must be "host:port"';
}

/** RFC 6901; "" is the whole document. */
export function checkPointer(value: string): string | null {
  return isPointer(value) ? null : 'must be a JSON Pointer such as "/user/id" (RFC 6901)';
}

/** A Standard Webhooks secret: "whsec_" and the base64 of 24 to 64 bytes. */
export function checkSigningSecret(value: string): string | null {
  return readSigningKey(value) === null ? 'must be "whsec_" and the base64 of 24 to 64 random bytes' : null;
}

/** A shared token: long enough not to be guessed, fit for a header field. */
export function checkToken(value: string): string | null {
  return /^[\x21-\x7e]{24,256}$/.test(value) ? null : "must be 24 to 256 printable characters without spaces";
}

export function checkFieldValue(value: string): string | null {
  return isFieldValue(value)
    ? null
    : "must be a header field value: no control characters, no space at either end";
}

export const port = (about: string, initial: number): Joi.NumberSchema =>
  integer(about, initial, { min: 0, max: 65_535 });
export const pointer = (about: string): Joi.StringSchema => text(about, checkPointer).allow("");
export const path = (about: string): Joi.StringSchema => text(about, checkPath);
export const origin = (about: string): Joi.StringSchema => text(about, checkOrigin);
export const url = (about: string): Joi.StringSchema => text(about, checkUrl);
export const redisUrl = (about: string): Joi.StringSchema => text(about, checkRedisUrl);
const secretText = {
  "string.base": "must be text, or env alone with a name that begins with STICKY_SECRET_",
};
export const signingSecret = (about: string): Joi.StringSchema =>
  text(about, checkSigningSecret).messages(secretText);
export const token = (about: string): Joi.StringSchema => text(about, checkToken).messages(secretText);
export const field = (about: string): Joi.StringSchema => text(about, checkFieldName, 128);
