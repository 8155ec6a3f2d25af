import { expect } from "chai";
import { errorsOf, minimal, route, service } from "./testing.ts";

describe("configuration: what is refused", () => {
  const cases: readonly (readonly [what: string, yaml: string, error: RegExp])[] = [
    [
      "text where a number belongs",
      route("{process: {identity: key, waitMs: '5'}}"),
      /waitMs: must be a number of milliseconds$/m,
    ],
    ["a size with a unit", route("{maxBodyBytes: 1MB}"), /maxBodyBytes: must be a number of bytes$/m],
    ["one instance without a list", "services: {a: {instances: 'http://h'}}", /instances: must be a list$/m],
    ["a service without anything", "services: {a: }", /services\.a: must be a mapping$/m],
    [
      "a secret that no variable holds, said once",
      "services: {a: {instances: ['http://h'], callbackAuth: {secrets: [{env: STICKY_SECRET_NONE}]}}}",
      /^sticky\.yaml:\d+: services\.a\.callbackAuth\.secrets\[0\]: environment variable STICKY_SECRET_NONE is not set$/,
    ],
    [
      "a secret from a variable of any name",
      "services: {a: {instances: ['http://h'], callbackAuth: {sharedToken: {env: HOME}}}}",
      /sharedToken: must be text, or env alone with a name that begins with STICKY_SECRET_$/m,
    ],
    ["an unknown identity", route("{process: {identity: hash}}"), /identity: must be one of/],
    [
      "key with another identity",
      route("{process: {identity: request, key: optional}}"),
      /only for identity key/,
    ],
    [
      "retries in two places",
      route("{retries: {attempts: 2}, process: {identity: key, retries: {attempts: 3}}}"),
      /also given on the route/,
    ],
    ["minMs above maxMs", route("{retries: {minMs: 20, maxMs: 10}}"), /retries.minMs: must not exceed maxMs/],
    [
      "retry of unknowns at a service that may run twice",
      route("{process: {identity: key, onUnknown: retry}}"),
      /retry needs a service that honoursKey/,
    ],
    [
      "probe without a probe",
      route("{process: {identity: key, onUnknown: {lost: probe}}}"),
      /onUnknown.lost: probe needs process.probe/,
    ],
    [
      "a heartbeat longer than the deadline",
      route("{process: {identity: key, deadlineMs: 5, heartbeatTimeoutMs: 6}}"),
      /must not exceed deadlineMs/,
    ],
    ["force where nothing is kept", route("{process: {identity: none, force: true}}"), /nothing to force/],
    [
      "a correlated callback without proof",
      route(
        "{process: {identity: none, completion: callback, callback: {correlate: {response: /id, callback: /id}}}}",
      ),
      /correlate: needs callbackAuth/,
    ],
    [
      "a pointer without a slash",
      route("{process: {identity: key, callback: {inject: {json: a}}}}"),
      /must be a JSON Pointer/,
    ],
    [
      "a callback address for the whole body",
      route('{process: {identity: key, callback: {inject: {json: ""}}}}'),
      /inject\.json/,
    ],
    [
      "a pointer with a bad escape",
      route("{process: {identity: key, callback: {inject: {json: /a~2}}}}"),
      /must be a JSON Pointer/,
    ],
    ["callbacks without any proof", service("callbackAuth: {mode: none}"), /say insecure: true/],
    ["signatures without a secret", service("callbackAuth: {mode: both}"), /needs at least one secret/],
    ["a short shared token", service("callbackAuth: {sharedToken: abc}"), /sharedToken: must be 24 to 256/],
    [
      "a secret of 65 bytes",
      service(`callbackAuth: {secrets: ["whsec_${Buffer.alloc(65).toString("base64")}"]}`),
      /24 to 64 random bytes/,
    ],
    [
      "two routes that match the same",
      service("routes: [{match: {methods: [GET, POST]}}, {match: {methods: [POST, GET]}}]"),
      /routes\[1\]: has the same match as routes\[0\]/,
    ],
    [
      "two routes with one name",
      service("routes: [{name: x, match: {path: /a}}, {name: x}]"),
      /has the same name as routes\[0\]/,
    ],
    [
      "two services in one place",
      `${minimal.slice(0, -1)}, b: {instances: ['http://h:1'], match: {path: /a}}}`,
      /services.b.match: is the same as that of services.a/,
    ],
    [
      "one host for two services",
      "services: {a: {instances: ['http://h:1'], match: {host: [x.test, y.test], path: /}}, b: {instances: ['http://h:2'], match: {host: y.test, path: /}}}",
      /services.b.match: is the same as that of services.a/,
    ],
    ["a host twice", service("match: {host: [x.test, x.test]}"), /match.host: names one host twice/],
    ["a wildcard within a host", service("match: {host: a.*.test}"), /host: must be a lower-case host/],
    ["a pattern as a service's prefix", service("match: {path: /a/*}"), /must be a plain prefix: patterns/],
    ["a parameter as a service's prefix", service('match: {path: "/:tenant"}'), /must be a plain prefix/],
    [
      "a pattern without its end",
      service('routes: [{match: {path: "/a{b"}}]'),
      /^sticky\.yaml:4: services\.a\.routes\[0\]\.match\.path: is no URLPattern/,
    ],
    ["a pattern with a name twice", service('routes: [{match: {path: "/:a/:a"}}]'), /is no URLPattern/],
    ["a pattern without a slash", service('routes: [{match: {path: "*"}}]'), /begins with a slash/],
    [
      "an encoded slash that its route refuses",
      service('routes: [{match: {path: "/:x/%2f"}}]'),
      /match.path: holds an encoded slash, which needs encodedSlash/,
    ],
    [
      "a path in another spelling than that of requests",
      service('routes: [{match: {path: "/a[1]"}}]'),
      /match.path: must be written "\/a%5B1%5D"/,
    ],
    [
      "two routes whose conditions are the same",
      service("routes: [{match: {headers: {X-A: b}}}, {match: {headers: {x-a: b}}}]"),
      /routes\[1\]: has the same/,
    ],
    ["an instance twice", "services: {a: {instances: ['http://h:1', 'http://h:1/']}}", /listed twice/],
    [
      "the gateway as its own service",
      "port: 4001\nservices: {a: {instances: ['http://127.0.0.1:4001']}}",
      /gateway's own address/,
    ],
    ["metadata as a service", "services: {a: {instances: ['http://169.254.169.254']}}", /link-local/],
    ["metadata in hexadecimal", "services: {a: {instances: ['http://0xA9FEA9FE']}}", /link-local/],
    [
      "metadata as a mapped address",
      "services: {a: {instances: ['http://[::ffff:169.254.169.254]']}}",
      /link-local/,
    ],
    ["a path in an instance", "services: {a: {instances: ['http://h/api']}}", /must be an origin/],
    ["another scheme", "services: {a: {instances: ['file:///etc/passwd']}}", /must be an origin/],
    ["the reserved prefix", service("match: {path: /_sticky/x}"), /_sticky/],
    [
      "the reserved prefix below a catch-all",
      service("match: {path: /}", "routes: [{match: {path: /_sticky}}]"),
      /_sticky/,
    ],
    ["dot segments", service("match: {path: /a/../b}"), /dot segments/],
    ["a path with a slash at the end", service("match: {path: /a/}"), /must be a path/],
    ["an encoded slash", service("match: {path: /a%2Fb}"), /must be a path/],
    [
      "an upper-case service name",
      "services: {A: {instances: ['http://h']}}",
      /services.A: a name here is lower-case/,
    ],
    ["CONNECT", route("{match: {methods: [CONNECT]}}"), /never forwarded/],
    ["a lower-case method", route("{match: {methods: [get]}}"), /in capitals/],
    [
      "a header with a line break",
      route('{headers: {request: {set: {X-A: "a\\r\\nX-B: c"}}}}'),
      /no control characters/,
    ],
    ["a header name with a space", route("{headers: {request: {set: {'X A': b}}}}"), /X A: is not allowed/],
    ["upgrades on a cached route", route("{cache: {}, allowUpgrade: true}"), /cannot be cached/],
    [
      "a mirror to nobody",
      route("{match: {methods: [GET]}, mirror: {to: nope, mode: dual-read}}"),
      /there is no service named nope/,
    ],
    [
      "a mirror to itself",
      route("{match: {methods: [GET]}, mirror: {to: a, mode: dual-read}}"),
      /leads back to the service itself/,
    ],
    [
      "a sampled dual-write",
      route("{mirror: {to: b, mode: dual-write, rate: 0.5}}"),
      /rate: dual-write mirrors everything/,
    ],
    [
      "a dual-write that forwards credentials",
      route("{mirror: {to: b, mode: dual-write, credentials: forward}}"),
      /never stores credentials/,
    ],
    [
      "an order by credentials",
      route("{mirror: {to: b, mode: dual-write, orderKey: {header: Authorization}}}"),
      /orderKey.header: is a credential/,
    ],
    [
      "an order by what looks like one",
      route("{mirror: {to: b, mode: dual-write, orderKey: {header: X-Api-Key}}}"),
      /orderKey.header: is a credential/,
    ],
    [
      "a cached dual-write",
      route("{cache: {}, mirror: {to: b, mode: dual-write}}"),
      /may not be on a cached route/,
    ],
    [
      "a migration with a write that is not copied",
      "services: {a: {instances: ['http://h'], migration: {to: b}, routes: [{match: {path: /x}}, {mirror: {to: b, mode: dual-write}}]}, b: {instances: ['http://i'], match: none}}",
      /routes\[0\]\.mirror: must go to b: a write past it would be lacking/,
    ],
    [
      "a migration whose routes leave paths out",
      "services: {a: {instances: ['http://h'], migration: {to: b}, routes: [{match: {path: /x}, mirror: {to: b, mode: dual-write}}]}, b: {instances: ['http://i'], match: none}}",
      /needs a mirrored route for every method and path/,
    ],
    [
      "a migration to a service that clients reach",
      "services: {a: {instances: ['http://h'], migration: {to: b}, routes: [{mirror: {to: b, mode: dual-write}}]}, b: {instances: ['http://i'], match: {path: /b}}}",
      /migration\.to: b needs match: none/,
    ],
    [
      "a migration to nobody",
      "services: {a: {instances: ['http://h'], migration: {to: c}, routes: [{mirror: {to: b, mode: dual-write}}]}, b: {instances: ['http://i'], match: none}}",
      /migration\.to: there is no service named c/,
    ],
    [
      "a migration of what has differing ids",
      "services: {a: {instances: ['http://h'], migration: {to: b}, routes: [{mirror: {to: b, mode: dual-write, idMap: {into: [path.id]}}}]}, b: {instances: ['http://i'], match: none}}",
      /idMap: a service whose ids differ cannot be switched/,
    ],
    [
      "a credential that a switch would send to the other backend",
      "services: {a: {instances: ['http://h'], migration: {to: b}, routes: [{mirror: {to: b, mode: dual-write}}]}, b: {instances: ['http://i'], match: none, routes: [{headers: {request: {set: {Authorization: x}}}}]}}",
      /services\.b\.routes\[0\]\.headers\.request\.set: would stay with the name at a switch/,
    ],
    ["a dual-read of writes", route("{mirror: {to: b, mode: dual-read}}"), /GET and HEAD only/],
    [
      "a tolerance without an amount",
      route("{mirror: {to: b, mode: dual-write, compare: {rules: [{at: /x, kind: tolerance}]}}}"),
      /amount: is required/,
    ],
    [
      "two places for Redis",
      `redis: {url: 'redis://h', sentinels: {master: m, nodes: ['h:1']}}\n${minimal}`,
      /give one of url, sentinels, cluster/,
    ],
    [
      "a quorum of two",
      `redis: {profile: ha+quorum, lockNodes: ['redis://a', 'redis://b']}\n${minimal}`,
      /odd number/,
    ],
    ["lock nodes nobody uses", `redis: {lockNodes: ['redis://a']}\n${minimal}`, /only profile ha\+quorum/],
    ["one port for two servers", `port: 9180\n${minimal}`, /opsPort: must differ from port/],
    [
      "a drain that outlasts the hard stop",
      `shutdown: {drainDelayMs: 30000}\n${minimal}`,
      /below shutdown.hardMs/,
    ],
    ["a bad CIDR block", `trustedProxies: [10.0.0.0/33]\n${minimal}`, /must be an address or a block/],
    [
      "a webhook on loopback in disguise",
      `webhooks: {w: {url: 'http://127.1/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook in decimal",
      `webhooks: {w: {url: 'http://2130706433/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook at a mapped address",
      `webhooks: {w: {url: 'http://[::ffff:10.0.0.1]/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook behind NAT64",
      `webhooks: {w: {url: 'http://[64:ff9b::7f00:1]/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook at localhost.",
      `webhooks: {w: {url: 'http://localhost./', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /private address/,
    ],
    [
      "a webhook with a user",
      `webhooks: {w: {url: 'https://u:p@h/', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /user or password/,
    ],
    [
      "a webhook that is a file",
      `webhooks: {w: {url: 'file:///x', secrets: ['whsec_${Buffer.alloc(32).toString("base64")}']}}\n${minimal}`,
      /http\(s\) URL/,
    ],
    [
      "a webhook without a secret",
      `webhooks: {w: {url: 'https://h/', secrets: []}}\n${minimal}`,
      /secrets: must hold at least 1/,
    ],
  ];
  for (const [what, yaml, error] of cases)
    it(`refuses ${what}`, () => {
      expect(errorsOf(yaml).join("\n")).to.match(error);
    });
});
