/**
 * The header that a balancer of layer 4 writes before a connection's own bytes: whose connection it is. "The PROXY
 * protocol, versions 1 & 2" (haproxy.org); sections are named by its numbers. Pure over the bytes that have come.
 */
import { isAddress, withoutMapping } from "./addresses.ts";

/** Whose connection a balancer passes on. */
export interface ProxiedSource {
  readonly address: string;
  /** Whether that connection is encrypted; null: the header does not say (2.2.6, PP2_TYPE_SSL). */
  readonly encrypted: boolean | null;
}

export type ProxyHeader =
  | { readonly kind: "incomplete" }
  | { readonly kind: "invalid"; readonly reason: string }
  /** `length`: bytes of the header. `source` null: a connection of the balancer's own, or of a client that it cannot name. */
  | { readonly kind: "read"; readonly length: number; readonly source: ProxiedSource | null };

const incomplete: ProxyHeader = { kind: "incomplete" };

/** 2.1: the longest line, its CRLF included. */
const maxLine = 107;
const lineStart = "PROXY ";
const signature = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const fixedBytes = signature.byteLength + 4;
/** Addresses and additions (TLVs) together; balancers write some hundred bytes. */
const maxBlock = 4096;

const additions = { checksum: 0x03, encryption: 0x20 } as const;

/** The header at the start of `bytes`. Nothing is guessed: bytes that cannot become a header are invalid at once. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (startsLike(bytes, signature)) return bytes.byteLength < fixedBytes ? incomplete : readBinary(bytes);
  const text = latin1(bytes.subarray(0, maxLine));
  if (text.startsWith(lineStart)) return readLine(text);
  return lineStart.startsWith(text) ? incomplete : invalid("there is none");
}

/** Whether bytes that were refused as HTTP begin as such a header does. */
export function looksProxied(bytes: Uint8Array): boolean {
  const isBinary = bytes.byteLength >= signature.byteLength && startsLike(bytes, signature);
  return isBinary || latin1(bytes.subarray(0, lineStart.length)) === lineStart;
}

function readLine(text: string): ProxyHeader {
  const end = text.indexOf("\r\n");
  if (end === -1) return text.length < maxLine ? incomplete : invalid("the line has no end");
  const [, family, source = "", target = "", ...ports] = text.slice(0, end).split(" ");
  const length = end + 2;
  if (family === "UNKNOWN") return { kind: "read", length, source: null };
  const isFamily =
    (family === "TCP4" && !source.includes(":") && !target.includes(":")) ||
    (family === "TCP6" && source.includes(":") && target.includes(":"));
  if (!isFamily || !isAddress(source) || !isAddress(target)) return invalid("its addresses are wrong");
  if (ports.length !== 2 || !ports.every(isPort)) return invalid("its ports are wrong");
  return { kind: "read", length, source: { address: withoutMapping(source), encrypted: null } };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** Bytes of the addresses of a family over a stream; others (datagrams, Unix sockets) name no client of HTTP. */
const addressBytes: ReadonlyMap<number, number> = new Map([
  [0x11, 12],
  [0x21, 36],
]);

function readBinary(bytes: Uint8Array): ProxyHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [version, command] = [bytes[12]! >> 4, bytes[12]! & 0x0f];
  if (version !== 2 || command > 1) return invalid("its version or command is unknown");
  const blockBytes = view.getUint16(14);
  if (blockBytes > maxBlock) return invalid(`it is longer than ${maxBlock} bytes`);
  const length = fixedBytes + blockBytes;
  if (bytes.byteLength < length) return incomplete;
  const header = bytes.subarray(0, length);
  const family = bytes[13]!;
  const taken = addressBytes.get(family) ?? 0;
  // 2.2: of LOCAL nothing else is read; a family that names no client is as UNKNOWN.
  if (command === 0 || taken === 0) return { kind: "read", length, source: null };
  if (blockBytes < taken) return invalid("its addresses are cut off");
  const found = readAdditions(header, fixedBytes + taken);
  if (typeof found === "string") return invalid(found);
  const at = header.subarray(fixedBytes);
  const address = family === 0x11 ? at.subarray(0, 4).join(".") : withoutMapping(sixteenBytes(at));
  return { kind: "read", length, source: { address, encrypted: found.encrypted } };
}

/** 2.2.1: type, length, value; a text says what is wrong with them. */
function readAdditions(header: Uint8Array, from: number): { encrypted: boolean | null } | string {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  let encrypted: boolean | null = null;
  let at = from;
  while (at < header.byteLength) {
    const start = at + 3;
    const end = start > header.byteLength ? Infinity : start + view.getUint16(at + 1);
    if (end > header.byteLength) return "an addition is cut off";
    const type = header[at]!;
    if (type === additions.checksum) {
      if (end - start !== 4) return "its checksum is wrong";
      const blank = Uint8Array.from(header);
      blank.fill(0, start, end);
      if (crc32c(blank) !== view.getUint32(start)) return "its checksum is wrong";
    }
    if (type === additions.encryption) {
      if (end === start) return "an addition is cut off";
      encrypted = (header[start]! & 0x01) !== 0;
    }
    at = end;
  }
  return { encrypted };
}

function sixteenBytes(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  const isMapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
  if (isMapped) return `::ffff:${bytes.subarray(12, 16).join(".")}`;
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** CRC-32C (RFC 3720 B.4), bit by bit: a header is short. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0x82f63b78);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Whether the one is the start of the other, as far as both go. */
function startsLike(bytes: Uint8Array, expected: Uint8Array): boolean {
  return expected.subarray(0, bytes.byteLength).every((byte, i) => byte === bytes[i]);
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function invalid(reason: string): ProxyHeader {
  return { kind: "invalid", reason };
}
