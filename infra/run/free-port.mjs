// Ports on the loopback address.
import { once } from "node:events";
import { createServer } from "node:net";

/** A port that is free now: the preferred one when possible. */
export async function freePort(preferred = 0) {
  const probe = createServer();
  probe.listen({ host: "127.0.0.1", port: preferred });
  try {
    await once(probe, "listening");
  } catch (error) {
    if (preferred !== 0) return freePort();
    throw error;
  }
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}
