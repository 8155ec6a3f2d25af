import { expect } from "chai";

import { clientAddress } from "./client-address.ts";

const ours = (address: string): boolean => address.startsWith("10.") || address === "127.0.0.1";

function addressOf(peer: string, ...forwarded: string[]): string {
  const result = clientAddress(
    peer,
    forwarded.map((value) => ["X-Forwarded-For", value] as const),
    ours,
  );
  return result.ok ? result.address : result.reason;
}

describe("the client's address", () => {
  it("an untrusted peer is the client, whatever it says", () => {
    expect(addressOf("6.6.6.6", "1.1.1.1")).to.equal("6.6.6.6");
    expect(addressOf("::ffff:6.6.6.6")).to.equal("6.6.6.6");
  });

  it("behind our proxies it is the right-most hop that is not ours", () => {
    expect(addressOf("10.0.0.1", "1.1.1.1, 2.2.2.2")).to.equal("2.2.2.2");
    expect(addressOf("10.0.0.1", "1.1.1.1", "2.2.2.2, 10.0.0.2")).to.equal("2.2.2.2");
    expect(addressOf("::ffff:127.0.0.1", "2001:db8::1")).to.equal("2001:db8::1");
    expect(addressOf("10.0.0.1", "10.0.0.3, 10.0.0.2")).to.equal("10.0.0.3");
    expect(addressOf("10.0.0.1")).to.equal("10.0.0.1");
  });

  it("an entry that is no address ends the walk", () => {
    expect(addressOf("10.0.0.1", "1.1.1.1, unknown, 10.0.0.2")).to.equal("10.0.0.2");
    for (const odd of ["<script>", "999.1.1.1", "127.1", "0x7f.0.0.1", "fe80::1%eth0", '"1.1.1.1'])
      expect(addressOf("10.0.0.1", odd), odd).to.equal("10.0.0.1");
  });

  it("an empty member of the list is none (RFC 9110 5.6.1)", () => {
    expect(addressOf("10.0.0.1", "1.1.1.1, , 10.0.0.2,")).to.equal("1.1.1.1");
  });

  it("more than 20 hops are refused", () => {
    expect(
      clientAddress("10.0.0.1", [["X-Forwarded-For", "10.0.0.2,".repeat(20) + "1.1.1.1"]], ours).ok,
    ).to.equal(false);
  });

  it("a port and brackets are not part of an address", () => {
    for (const [node, address] of [
      ["1.1.1.1:8080", "1.1.1.1"],
      ["[2001:db8::1]:443", "2001:db8::1"],
      ["[2001:db8::1]", "2001:db8::1"],
      ['"[2001:db8::1]:443"', "2001:db8::1"],
    ] as const)
      expect(addressOf("10.0.0.1", node), node).to.equal(address);
  });
});

describe("what our proxies say of the client", () => {
  function factsOf(headers: [string, string][], peer = "10.0.0.1") {
    const { ok: _, ...facts } = clientAddress(peer, headers, ours) as Extract<
      ReturnType<typeof clientAddress>,
      { ok: true }
    >;
    return facts;
  }

  it("is believed of them alone", () => {
    const said: [string, string][] = [
      ["X-Forwarded-Proto", "https"],
      ["X-Forwarded-Host", "shop.example"],
      ["Forwarded", "for=1.1.1.1;proto=https;host=shop.example"],
    ];
    expect(factsOf(said, "6.6.6.6")).to.deep.equal({
      address: "6.6.6.6",
      peer: "6.6.6.6",
      trustedPeer: false,
      hops: [],
      protocol: null,
      host: null,
    });
    expect(factsOf(said)).to.deep.equal({
      address: "1.1.1.1",
      peer: "10.0.0.1",
      trustedPeer: true,
      hops: ["1.1.1.1"],
      protocol: "https",
      host: "shop.example",
    });
  });

  for (const { what, said, facts } of [
    {
      what: "the element of the client's hop counts, not what stands left of it",
      said: [
        [
          "Forwarded",
          'for=9.9.9.9;proto=http;host=evil, for="[2001:db8::1]:1";proto=https;host="a:8443", for=10.0.0.2',
        ],
      ],
      facts: { address: "2001:db8::1", protocol: "https", host: "a:8443" },
    },
    {
      what: "a hidden node ends the walk, and its scheme is still told",
      said: [["Forwarded", "for=_hidden;proto=https"]],
      facts: { address: "10.0.0.1", protocol: "https" },
    },
    {
      what: "parameters have no case and no order",
      said: [["forwarded", "PROTO=HTTPS; For=1.1.1.1"]],
      facts: { address: "1.1.1.1", protocol: "https" },
    },
    {
      what: "of a list of schemes the first is the client's",
      said: [
        ["X-Forwarded-For", "1.1.1.1, 10.0.0.2"],
        ["X-Forwarded-Proto", "https, http"],
      ],
      facts: { address: "1.1.1.1", protocol: "https", hops: ["1.1.1.1", "10.0.0.2"] },
    },
    {
      what: "X-Forwarded-* count before Forwarded",
      said: [
        ["X-Forwarded-For", "1.1.1.1"],
        ["X-Forwarded-Proto", "https"],
        ["Forwarded", "for=2.2.2.2;proto=http"],
      ],
      facts: { address: "1.1.1.1", protocol: "https" },
    },
    {
      what: "an empty field says nothing",
      said: [
        ["X-Forwarded-For", ""],
        ["X-Forwarded-Proto", ""],
      ],
      facts: { address: "10.0.0.1", hops: [], protocol: null },
    },
    {
      what: "another scheme says nothing",
      said: [["X-Forwarded-Proto", "gopher"]],
      facts: { protocol: null },
    },
    { what: "what is no authority says nothing", said: [["X-Forwarded-Host", "a b"]], facts: { host: null } },
  ] satisfies { what: string; said: [string, string][]; facts: object }[]) {
    it(what, () => expect(factsOf(said)).to.deep.include(facts));
  }
});

describe("the client behind a balancer that names it in a PROXY protocol header", () => {
  const said: [string, string][] = [
    ["X-Forwarded-For", "1.1.1.1"],
    ["X-Forwarded-Proto", "https"],
    ["X-Forwarded-Host", "shop.example"],
  ];
  const fields = { protocol: "https", host: "shop.example" };
  const none = { protocol: null, host: null };

  for (const { what, peer, source, encrypted = null, facts } of [
    {
      what: "no fields of a client that a balancer of layer 4 passes on are believed",
      peer: "192.0.2.9",
      source: "6.6.6.6",
      facts: { address: "6.6.6.6", peer: "6.6.6.6", trustedPeer: false, hops: [], ...none },
    },
    {
      what: "its word about TLS counts",
      peer: "192.0.2.9",
      source: "6.6.6.6",
      encrypted: true,
      facts: { address: "6.6.6.6", protocol: "https", host: null },
    },
    {
      what: "a trusted balancer's fields say scheme and host, and never another address",
      peer: "10.0.0.1",
      source: "6.6.6.6",
      facts: { address: "6.6.6.6", peer: "6.6.6.6", trustedPeer: true, hops: [], ...fields },
    },
    {
      what: "the header outweighs fields about the scheme of its own client",
      peer: "10.0.0.1",
      source: "6.6.6.6",
      encrypted: false,
      facts: { address: "6.6.6.6", protocol: "http", host: "shop.example" },
    },
    {
      what: "a source that is a trusted proxy has its fields believed, whoever passed its connection on",
      peer: "192.0.2.9",
      source: "10.0.0.7",
      encrypted: false,
      facts: { address: "1.1.1.1", peer: "10.0.0.7", trustedPeer: true, hops: ["1.1.1.1"], ...fields },
    },
  ]) {
    it(what, () =>
      expect(clientAddress(peer, said, ours, { address: source, encrypted })).to.deep.include(facts),
    );
  }
});
