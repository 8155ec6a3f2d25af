import { pointerObstacle, parseJsonStrict, type Json } from "@sticky-proxy/protocol/json";
import { isSafe } from "@sticky-proxy/protocol/http";
import { headerLines } from "@sticky-proxy/core/http";
import type { Route, Service } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";

import { compileBodySchema, type BodyCheck } from "./body-schema.ts";
import type { Middleware, ProxyState } from "../state.ts";

/** Up to here all faults are told; in a larger body the first one. */
const smallBytes = 65_536;

/**
 * Refuses a body that does not match the route's schema, or that cannot take the callback's address where the service
 * looks for it, before anything is begun or sent. Reads state.route, state.options, state.body; writes nothing. The
 * schemas known at the start are compiled then.
 * @throws Error when the schema of one of `services` cannot be compiled
 */
export function validateBody(services: () => readonly Service[]): Middleware {
  const checks = new WeakMap<object, BodyCheck>();

  function checkOf({ bodySchema, name }: Route): BodyCheck | null {
    if (bodySchema === null) return null;
    let check = checks.get(bodySchema);
    if (check === undefined) {
      try {
        check = compileBodySchema(bodySchema);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`bodySchema of route ${name}: ${why}`, { cause });
      }
      checks.set(bodySchema, check);
    }
    return check;
  }

  for (const { routes } of services()) routes.forEach(checkOf);

  return function validateBody(ctx, next) {
    const { route, options } = ctx.state;
    const check = route === null || isBodiless(ctx.state) ? null : checkOf(route);
    const address = options?.rules.policy.callback.inject.json ?? null;
    if (check === null && address === null) return next();
    const body = bytesOf(ctx.state);
    if (check !== null) requireJson(ctx.state);
    const value = parsed(ctx.state, body);
    const errors = check === null ? [] : [...check(value, body.length <= smallBytes)];
    const blocked = address === null ? null : pointerObstacle(value, address);
    if (blocked !== null)
      errors.push({ pointer: blocked, message: "must be an object, to hold the callback's address" });
    if (errors.length === 0) return next();
    const [first] = errors;
    throw new Problem("validation-failed", {
      detail: `${first!.pointer === "" ? "The body" : first!.pointer} ${first!.message}.`,
      extensions: { errors },
    });
  };
}

function isBodiless({ hasBody, head }: ProxyState): boolean {
  return !hasBody && isSafe(head.method);
}

/** The step before has read it whole: a route with a schema never streams. */
function bytesOf({ body }: ProxyState): Uint8Array {
  if (body instanceof Uint8Array && body.length > 0) return body;
  if (body !== null && !(body instanceof Uint8Array)) throw new Error("the body was not read");
  throw new Problem("malformed-json", { detail: "The body is empty." });
}

/** JSON under another type will do where the route has no schema; what is none is told by its type first. */
function parsed(state: ProxyState, body: Uint8Array): Json {
  try {
    return parseJsonStrict(body);
  } catch (error) {
    requireJson(state);
    throw error;
  }
}

function requireJson({ head }: ProxyState): void {
  const types = headerLines(head.headers, "content-type");
  const type = types[0]?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const coded = headerLines(head.headers, "content-encoding").some(
    (line) => line.trim().toLowerCase() !== "identity",
  );
  if (types.length !== 1 || coded || !/^application\/(?:[^/\s]+\+)?json$/.test(type)) {
    throw new Problem("unsupported-media-type", {
      detail: "Send application/json without a Content-Encoding.",
    });
  }
}
