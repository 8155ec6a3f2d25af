import {
  headerValue,
  mountedHeaders,
  ownReference,
  type HeaderList,
  type Mount,
} from "@sticky-proxy/core/http";
import { strippedPrefix, type Service } from "@sticky-proxy/core/registry";
import { fields } from "@sticky-proxy/protocol";
import type { Middleware } from "../state.ts";

const ownAuthorities = new WeakMap<Service, ReadonlySet<string>>();

/**
 * Maps what a service below a prefix says of its own paths to where its clients find them, fresh or stored, and what they
 * say of them back. Around every step that answers, so that these see the service's own words. Reads state.service,
 * state.client; writes state.serviceHead, state.reply.
 */
export function mount(): Middleware {
  return async function mount(ctx, next) {
    const { state } = ctx;
    const { service } = state;
    if (service === null || service.rewrite === "off") return next();
    const place: Mount = {
      prefix: strippedPrefix(service.match),
      own: authoritiesOf(service),
      host: state.client.host,
    };
    const { headers } = state.serviceHead;
    if (headerValue(headers, "destination") !== null)
      state.serviceHead = { ...state.serviceHead, headers: withOwnDestination(headers, place) };
    await next();
    const { reply } = state;
    if (reply === null || headerValue(reply.headers, sourceField) === "gateway") return;
    const mapped = mountedHeaders(reply.headers, place);
    if (mapped !== reply.headers) state.reply = { ...reply, headers: mapped };
  };
}

const sourceField = fields.stickySource.toLowerCase();

function authoritiesOf(service: Service): ReadonlySet<string> {
  let known = ownAuthorities.get(service);
  if (known === undefined) {
    known = new Set(service.instances.map(({ origin }) => new URL(origin).host));
    ownAuthorities.set(service, known);
  }
  return known;
}

function withOwnDestination(headers: HeaderList, place: Mount): HeaderList {
  return headers.map((line) =>
    line[0].toLowerCase() === "destination" ? [line[0], ownReference(line[1], place)] : line,
  );
}
