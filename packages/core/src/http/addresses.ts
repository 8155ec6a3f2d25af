/**
 * IP addresses: which ranges are special (IANA's special-purpose registries, as ipaddr.js names them), and sets of
 * blocks in CIDR notation. One table for the guard of outgoing calls, the configuration's checks and trusted peers.
 */
import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** What `allowPrivate` opens. */
const privateRanges: ReadonlySet<string> = new Set(["private", "uniqueLocal", "loopback", "carrierGradeNat"]);

/** Where clouds outside the link-local range answer a machine's questions about itself, credentials among them. */
const metadata = [
  "100.100.100.200", // Alibaba Cloud
  "168.63.129.16", // Azure
  "192.0.0.192", // Oracle Cloud
  "fd00:ec2::/32", // Amazon: metadata, credentials of pods, time, names
  "fd00:c1::a9fe:a9fe", // Oracle Cloud
  "fd00:42::42", // Scaleway
  "fd20:ce::254", // Google Cloud
];

/** Why this address may not be called; null: it may. @param allowPrivate private and loopback ones too */
export function addressFault(address: string, allowPrivate: boolean): string | null {
  // Zone ids name an interface of this machine.
  if (address.includes("%") || !ipaddr.isValid(address)) return "it is not an address";
  const meant = embedded(ipaddr.parse(address));
  if (isMetadata(meant.toString())) return "it is a metadata service";
  const range = meant.range();
  if (range === "unicast" || (allowPrivate && privateRanges.has(range))) return null;
  return `it is ${range}`;
}

/** Where clouds answer a machine's questions about itself: link-local addresses, and metadata services elsewhere. */
export function isMachineAddress(address: string): boolean {
  if (address.includes("%") || !ipaddr.isValid(address)) return false;
  const meant = embedded(ipaddr.parse(address));
  return meant.range() === "linkLocal" || isMetadata(meant.toString());
}

/** One address and nothing else: dotted decimal or IPv6, without a zone, a port or the short forms of inet_aton. */
export function isAddress(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || (!text.includes("%") && ipaddr.IPv6.isValid(text));
}

/** An IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d, spelled as IPv4; any other text as it is. */
export function withoutMapping(address: string): string {
  const mapped = /^::ffff:(.*)$/i.exec(address)?.[1] ?? "";
  return ipaddr.IPv4.isValidFourPartDecimal(mapped) ? mapped : address;
}

/** The address in a URL's host, brackets removed; null: the host is a name. */
export function addressOfHost(hostname: string): string | null {
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(host) ? host : null;
}

/** This machine: a loopback address, or a name that always means it (RFC 6761 6.3). `host` as URL.hostname writes it. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/\.$/, "");
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  const address = addressOfHost(host);
  return address !== null && embedded(ipaddr.parse(address)).range() === "loopback";
}

/** The IPv4 address inside ::ffff:0:0/96, 64:ff9b::/96 (RFC 6052) and 2002::/16 (RFC 3056): where packets really go. */
function embedded(address: Address): Address {
  if (address.kind() === "ipv4") return address;
  const v6 = address as ipaddr.IPv6;
  if (v6.isIPv4MappedAddress()) return v6.toIPv4Address();
  const bytes = v6.toByteArray();
  if (v6.match(ipaddr.IPv6.parse("64:ff9b::"), 96)) return new ipaddr.IPv4(bytes.slice(12, 16));
  if (v6.match(ipaddr.IPv6.parse("2002::"), 16)) return new ipaddr.IPv4(bytes.slice(2, 6));
  return v6;
}

/**
 * Whether an address lies in one of `blocks`: addresses, or blocks such as "10.0.0.0/8". An IPv4 address that a
 * dual-stack socket shows as ::ffff:a.b.c.d counts as IPv4. What is no address lies in none.
 */
export function addressSet(blocks: readonly string[]): (address: string) => boolean {
  const ranges = blocks.map((block) => {
    const [address = "", bits] = block.split("/");
    const base = ipaddr.parse(address);
    return [base, bits === undefined ? (base.kind() === "ipv4" ? 32 : 128) : Number(bits)] as const;
  });
  if (ranges.length === 0) return () => false;
  return (text) => {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.process(text);
    return ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits));
  };
}

const isMetadata = addressSet(metadata);

/**
 * Ports that no web service listens on (Fetch 2.9, "bad port"), and those of stores and cluster managers, which take HTTP
 * for commands or give power to whoever can speak with them.
 */
const refusedPorts: ReadonlySet<number> = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
  109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
  526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1433, 1521, 1719, 1720,
  1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5671, 5672, 5984,
  6000, 6379, 6380, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 9200, 9300, 10080,
  10250, 10255, 10256, 11211, 15672, 16379, 26379, 27017, 27018, 28015,
]);

/** Why the port of this URL may not be called when somebody else chose it; null: it may. */
export function portFault({ port }: URL): string | null {
  return port !== "" && refusedPorts.has(Number(port)) ? `port ${port} is not one of a web service` : null;
}
