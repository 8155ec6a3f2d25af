/** The least that a reverse proxy on Node does: every request to the one service, and its answer back. Tells its port first. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { pipelining: 1 });

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const { method = "GET", url: path = "/", headers } = request;
  const { host: _host, connection: _connection, ...passed } = headers;
  const body = method === "GET" ? null : request;
  pool.request({ method, path, headers: passed, body }).then(
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.body.pipe(response);
    },
    () => response.destroy(),
  );
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
