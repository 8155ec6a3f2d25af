/** TLS in front of a test gateway, for SDKs that speak nothing else. The certificate names this machine only; its key is a test's, and no secret. */
import { createServer, type Server } from "node:https";
import http from "node:http";
import type { AddressInfo } from "node:net";

const certificate = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUNwDmSufKLZPinb5QLVKEkO6g9nowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTIwMTA1MjAwN1oYDzIxMjYxMTA3
MDUyMDA3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ11BQx4hiaQ1tYHaIauOEvKk/quQSfOvImJUbUNhCLR5Dzti94peE4
zMdDvyCgotRCtN9vVbAbRCUiuWQFoDKHo28wbTAdBgNVHQ4EFgQUwxkM80icVknH
EWnqFxSGRLq0cBMwHwYDVR0jBBgwFoAUwxkM80icVknHEWnqFxSGRLq0cBMwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAOi4BCVu4Lbl5m2IPxvSDA4igUBsJXBqfIUOzX6hTD+RAiEA
nv1bHP2nC2gbNZ6Id/t/WH179JraLgMbFiWM8T23Xek=
-----END CERTIFICATE-----
`;

const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCqgudyjW+Eu97b0Q
r3z0+oJNbocltv2q7qMrhkZNbu6hRANCAAQ11BQx4hiaQ1tYHaIauOEvKk/quQSf
OvImJUbUNhCLR5Dzti94peE4zMdDvyCgotRCtN9vVbAbRCUiuWQFoDKH
-----END PRIVATE KEY-----
`;

/** Passes every request on to `target`. */
export async function startTlsFront(target: string): Promise<{ readonly url: string; close(): void }> {
  const server: Server = createServer({ cert: certificate, key }, (request, response) => {
    const { method, headers, url = "/" } = request;
    const onward = http.request(new URL(url, target), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://localhost:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
