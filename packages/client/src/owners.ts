/**
 * Owner tokens of the processes that this client submitted: with one it may cancel, rerun, forget and look up its
 * process after its access token has changed. The latest few thousand are kept in memory.
 */
import { fields } from "@sticky-proxy/protocol";

export interface Owners {
  /** @param token the field Sticky-Owner; null: this call did not create the process */
  remember(id: string, key: string, token: string | null): void;
  /** Fields for a call about the process; none where this client did not submit it. */
  fields(id: string): Record<string, string>;
  fieldsOfKey(key: string): Record<string, string>;
}

const maxRemembered = 4096;

export function createOwners(): Owners {
  const byId = new Map<string, string>();
  const byKey = new Map<string, string>();
  const put = (map: Map<string, string>, name: string, token: string): void => {
    map.delete(name);
    map.set(name, token);
    if (map.size > maxRemembered) map.delete(map.keys().next().value!);
  };
  const asFields = (token: string | undefined): Record<string, string> =>
    token === undefined ? {} : { [fields.stickyOwner]: token };
  return {
    remember(id, key, token) {
      if (token === null) return;
      put(byId, id, token);
      put(byKey, key, token);
    },
    fields: (id) => asFields(byId.get(id)),
    fieldsOfKey: (key) => asFields(byKey.get(key)),
  };
}
