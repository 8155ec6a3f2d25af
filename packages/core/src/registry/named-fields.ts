/** The request fields by which a service's configuration decides. Pure; worked out once for each service. */
import type { Service } from "./service.ts";

const known = new WeakMap<Service, ReadonlySet<string>>();

/** Lower-case names; a client cannot take these away by naming them in Connection. */
export function fieldsNamedBy(service: Service): ReadonlySet<string> {
  let names = known.get(service);
  if (names === undefined) known.set(service, (names = new Set(namesIn(service))));
  return names;
}

function* namesIn({ credential, match, routes }: Service): Generator<string> {
  yield* credential;
  yield* Object.keys(match.headers ?? {});
  for (const route of routes) {
    yield* Object.keys(route.match.headers ?? {});
    yield* route.process?.fingerprintHeaders ?? [];
    const injected = route.process?.callback.inject.header ?? null;
    if (injected !== null) yield injected;
    yield* route.cache?.keyHeaders ?? [];
    const orderKey = route.mirror?.orderKey ?? null;
    if (orderKey !== null && "header" in orderKey) yield orderKey.header;
    yield* route.headers.request.keys();
  }
}
