/**
 * Every Redis key of processes and of the cluster's own data. `{p17}` is the hash tag that keeps one partition on one
 * slot, so that a script touches one node. Cache and mirror have key families of their own on the same tags.
 *
 *   key                       type    written by                         ends
 *   {p}:x:<scope>             HASH    create, commit, renew, supersede   keepUntil; purge
 *   {p}:x:<scope>:<epoch>     HASH    supersede (RENAME), commit         keepUntil; purge
 *   {p}:b:<scope>[:<epoch>]   STRING  commit (stored response)           with its record
 *   {p}:q:<scope>[:<epoch>]   STRING  create, supersede (request)        with its record
 *   {p}:t                     ZSET    all but read: member by wakeAt or hide time           purge, forget
 *   {p}:f                     STRING  create, commit, supersede          never: fences keep rising
 *   {p}:i:<service>:<status>  ZSET    create, commit, supersede: member by epoch            purge, forget
 *   {p}:d                     ZSET    commit, supersede: member by epoch                    purge, forget
 *   {p}:l:<scope>:<epoch>     LIST    commit, supersede, note: the process's timeline       capped; with its record
 *   {p}:w                     sharded channel  "id:version:status"
 *   {p}:h                     HASH    what each holder stores: create, commit, supersede    purge, forget
 *   {p}:r:<service>           ZSET    keepEarly: jobs of early reports by their end         its own TTL; takeEarly
 *   {p}:r:<service>:<digest>  STRING  keepEarly: a report before its job is known           its own TTL; takeEarly
 *   {p}:j:<digest>            STRING  hold-job: who holds a service's job id; remember        its own TTL
 *   {p}:m:<digest>            STRING  useMessage: what a signed message was used for          its own TTL
 *   {p}:g:<node>              STRING  the durability gate: how often the node asked           its own TTL
 *   {meta}:settings           HASH    openMeta                           never
 *   {meta}:sealing            HASH    openStore: a proof of each key by its id             never
 *   {meta}:services           SET     the process store: names that have lists              never
 *   {meta}:health:<service>   STRING  registry: probe results            TTL
 *   {meta}:pause:<service>    STRING  registry: the service's pause      TTL
 *   {meta}:pauses:<service>   ZSET    registry: paused callers           TTL
 *   {meta}:rate:<seconds>:<holder>  STRING  shared rates: requests in the window          its window
 *   {meta}:breaker:<service>  ZSET    registry: breaker advice           TTL
 *   {meta}:replica:<id>       STRING  registry: heartbeat                TTL
 *   {meta}:installation       STRING  registry: whose keys these are                        30 days after its last beat
 *   {meta}:replicas           ZSET    registry: replicas by last heartbeat                  trimmed
 *   {meta}:api-keys          HASH    api keys: digest → facts             revoke
 *   {meta}:api-keys-version  STRING  every change of an API key          never
 *   {meta}:identity-switches HASH    since when scopes hold principal, host never
 *   {meta}:rules:<digest>     STRING  pins: rules that processes are pinned to              TTL
 *   {meta}:rules-of:<service> SET     pins: digests of the service's descriptions           TTL
 *   {meta}:forgotten          STRING  incarnation: a fail-over has lost confirmed writes      TTL
 *   {meta}:migration:<service> HASH  migrations: authority, phase, epoch, barrier             never
 *   {meta}:migration-views:<service>  ZSET  migrations: each node's last word by its time    trimmed; TTL
 *   {meta}:mirror-alerts     HASH    alerts of the mirror that are on       when it is over
 *   {meta}:canary             HASH    profile: the canary's record       TTL
 *   {meta}:audit              STREAM  what operators do                  capped by length and age
 *   {meta}:audit-results      HASH    results by the entry's id          trimmed with it
 *   {meta}:bulk:<id>          HASH    bulk jobs, one field per writer    TTL
 *   {meta}:bulk-items:<id>    STREAM  bulk jobs: result per item         TTL
 *   {meta}:bulk-jobs          ZSET    bulk jobs by creation              trimmed
 *   {meta}:admin-token:<id>   HASH    operators' tokens                  their expiry
 *   {meta}:admin-tokens       SET     operators' tokens: their ids       never
 *   {meta}:admin-session:<digest>  STRING  the panel's sessions          TTL
 *   {meta}:ts:<seconds>:<start>:<service>  HASH  time series: counters of a bucket; no service: of all   TTL
 *   {lock}:<name>             STRING  redlock                            TTL
 *
 * A member of a set is `scope` for the current process, `scope:epoch` for a superseded one.
 */
export interface Keys {
  /** Begins every key and channel. */
  readonly prefix: string;
  /** `<prefix>{p17}:`, the family of one partition. */
  partition(partition: number): string;
  /** epoch null: the scope's current process; else the superseded one born with that fence. */
  process(partition: number, scope: string, epoch: number | null): string;
  result(partition: number, scope: string, epoch: number | null): string;
  request(partition: number, scope: string, epoch: number | null): string;
  alarms(partition: number): string;
  fence(partition: number): string;
  list(partition: number, service: string, status: string): string;
  deadLetters(partition: number): string;
  /** Under its own epoch from the start, so that moving the process aside moves nothing. */
  timeline(partition: number, scope: string, epoch: number): string;
  changes(partition: number): string;
  held(partition: number): string;
  job(partition: number, digest: string): string;
  /** A report that came before its job was known; digest null: the service's index of them. */
  early(partition: number, service: string, digest: string | null): string;
  message(partition: number, digest: string): string;
  /** What the durability gate of one node writes before it waits. */
  gate(partition: number, node: string): string;
  meta(name: string): string;
  lock(name: string): string;
}

export function createKeys(prefix: string): Keys {
  const partition = (p: number): string => `${prefix}{p${p}}:`;
  const inScope = (kind: string) => (p: number, scope: string, epoch: number | null) =>
    `${partition(p)}${kind}:${scope}${epoch === null ? "" : `:${epoch}`}`;
  return {
    prefix,
    partition,
    process: inScope("x"),
    result: inScope("b"),
    request: inScope("q"),
    alarms: (p) => `${partition(p)}t`,
    fence: (p) => `${partition(p)}f`,
    list: (p, service, status) => `${partition(p)}i:${service}:${status}`,
    deadLetters: (p) => `${partition(p)}d`,
    timeline: inScope("l"),
    changes: (p) => `${partition(p)}w`,
    held: (p) => `${partition(p)}h`,
    job: (p, digest) => `${partition(p)}j:${digest}`,
    early: (p, service, digest) => `${partition(p)}r:${service}${digest === null ? "" : `:${digest}`}`,
    message: (p, digest) => `${partition(p)}m:${digest}`,
    gate: (p, node) => `${partition(p)}g:${node}`,
    meta: (name) => `${prefix}{meta}:${name}`,
    lock: (name) => `${prefix}{lock}:${name}`,
  };
}
