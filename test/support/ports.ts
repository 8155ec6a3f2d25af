/** Ports for what must know its port before it starts. */
import { once } from "node:events";
import net from "node:net";

/** Below what systems give to outgoing connections and to port 0: nobody takes one of these by chance meanwhile. */
const range = { from: 10_000, to: 32_000 };

/** Ports of the loopback address that nothing listens on, and that no other call of this gets at once. */
export async function freePorts(count: number): Promise<number[]> {
  const held: net.Server[] = [];
  while (held.length < count) {
    const port = range.from + Math.floor(Math.random() * (range.to - range.from));
    const server = net.createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EADDRINUSE") throw error;
        return false;
      },
    );
    if (isFree) held.push(server);
  }
  const ports = held.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
