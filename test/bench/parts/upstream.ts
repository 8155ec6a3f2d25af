/** The service behind the measured gateway: answers 1 KiB at once, /large 64 KiB; /slow after 40 ms. Tells its port first. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const small = Buffer.alloc(1024, "a");
const large = Buffer.alloc(65_536, "a");
const slowMs = 40;

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume();
  request.on("end", () => {
    const body = request.url!.includes("/large") ? large : small;
    const answer = (): void => {
      response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": body.length });
      response.end(body);
    };
    if (request.url!.includes("/slow")) setTimeout(answer, slowMs);
    else answer();
  });
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
