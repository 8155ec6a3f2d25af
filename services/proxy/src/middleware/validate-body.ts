import { pointerObstacle, parseJsonStrict, type Json, type Pointer } from "@sticky-proxy/protocol/json";
import { isSafe } from "@sticky-proxy/protocol/http";
import { headerLines } from "@sticky-proxy/core/http";
import type { Route, Service } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";

import { compileBodySchema, type BodyCheck } from "./body-schema.ts";
import type { BodyValidator, CheckedBody } from "./body-validator.ts";
import { schemaCost, type SchemaCost } from "./schema-cost.ts";
import type { Middleware, ProxyState } from "../state.ts";

/** Up to here all faults are told; in a larger body the first one. Larger bodies are read in a thread. */
const smallBytes = 65_536;
/** Subschemas times bytes that are validated at once: a few milliseconds. */
const maxInlineWork = 2_000_000;

interface Compiled {
  readonly check: BodyCheck;
  readonly cost: SchemaCost;
}

/**
 * Refuses a body that does not match the route's schema, or that cannot take the callback's address where the service
 * looks for it, before anything is begun or sent. Reads state.route, state.options, state.body; gives back a part of state.room; writes nothing. The
 * schemas known at the start are compiled then. What may take long is done by `validator`, off the event loop.
 * @throws Error when the schema of one of `services` cannot be compiled
 */
export function validateBody(services: () => readonly Service[], validator: BodyValidator): Middleware {
  const compiled = new WeakMap<object, Compiled>();

  function compiledOf({ bodySchema, name }: Route): Compiled | null {
    if (bodySchema === null) return null;
    let known = compiled.get(bodySchema);
    if (known === undefined) {
      try {
        known = { check: compileBodySchema(bodySchema), cost: schemaCost(bodySchema) };
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`bodySchema of route ${name}: ${why}`, { cause });
      }
      compiled.set(bodySchema, known);
    }
    return known;
  }

  function checked(state: ProxyState, schema: Compiled | null, address: Pointer | null): Checked {
    const body = bytesOf(state);
    if (schema !== null) requireJson(state);
    const isSmall = body.length <= smallBytes;
    const cost = schema?.cost;
    if (
      isSmall &&
      (cost === undefined || (cost.isBounded && cost.subschemas * body.length <= maxInlineWork))
    ) {
      const value = parsed(state, body);
      return {
        faults: schema === null ? [] : schema.check(value, isSmall),
        blocked: address === null ? null : pointerObstacle(value, address),
      };
    }
    const { holder } = state.client;
    const bodySchema = schema === null ? null : state.route!.bodySchema;
    return validator.check({ schema: bodySchema, body, isSmall, address, holder }).catch((error: unknown) => {
      if (error instanceof Problem && error.slug === "malformed-json") requireJson(state);
      throw error;
    });
  }

  for (const { routes } of services()) routes.forEach(compiledOf);

  return async function validateBody(ctx, next) {
    const { route, options } = ctx.state;
    const schema = route === null || isBodiless(ctx.state) ? null : compiledOf(route);
    const address = options?.rules.policy.callback.inject.json ?? null;
    if (schema === null && address === null) return next();
    const { faults, blocked } = await checked(ctx.state, schema, address);
    ctx.state.room?.keep(bytesOf(ctx.state).byteLength); // no thread has a copy of it any more
    const errors = [...faults];
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

type Checked = CheckedBody | Promise<CheckedBody>;

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
