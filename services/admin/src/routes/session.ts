/** The way in: log in with a token, see who one is, log out. */
import type { AdminDeps } from "../deps.ts";
import { writeCookie } from "../access/cookie.ts";
import { route, type Route } from "../http/route.ts";
import { answerObject, object, text, time } from "./schemas.ts";

const sessionS = 24 * 3600;

export function sessionRoutes({ logins, cookie, version, environment, now }: AdminDeps): readonly Route[] {
  return [
    route<unknown, { token: string }>({
      method: "POST",
      path: "/session",
      role: null,
      operationId: "logIn",
      summary: "Opens a session with a token; the cookie carries it",
      body: object({ token: text(200) }, ["token"]),
      answer: answerObject({ actor: { type: "string" }, role: { type: "string" }, expireTime: time }),
      problems: ["unauthorized", "rate-limited", "csrf-rejected"],
      async run({ body, actor }) {
        const { id, session } = await logins.login(body.token, actor.address);
        return {
          status: 201,
          headers: { "Set-Cookie": writeCookie(cookie, id, sessionS) },
          body: {
            actor: session.actor,
            role: session.role,
            expireTime: new Date(session.createdAt + sessionS * 1000).toISOString(),
          },
        };
      },
    }),
    route({
      method: "GET",
      path: "/session",
      role: "viewer",
      operationId: "showSession",
      summary: "Who the caller is, and what this installation is",
      answer: answerObject({
        actor: { type: "string" },
        role: { type: "string" },
        version: { type: "string" },
        environment: { type: "string" },
        serverTime: time,
      }),
      async run({ actor }) {
        const serverTime = new Date(await now()).toISOString();
        return {
          status: 200,
          body: {
            actor: actor.name,
            role: actor.role,
            source: actor.source,
            version,
            environment,
            serverTime,
          },
        };
      },
    }),
    route({
      method: "DELETE",
      path: "/session",
      role: null,
      operationId: "logOut",
      summary: "Ends the session",
      async run({ request }) {
        await logins.logout(request);
        return { status: 204, headers: { "Set-Cookie": writeCookie(cookie, "", 0) } };
      },
    }),
  ];
}
