/** The panel: who is logged in, and which page the path names. */
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { render } from "preact";
import { useEffect } from "react";
import { Route, Router, Switch } from "wouter";
import { ApiError, basePath, get } from "./api.ts";
import { Empty, Failure } from "./components/parts.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { CachePage } from "./pages/cache.tsx";
import { ConfigPage } from "./pages/config.tsx";
import { DeadLettersPage } from "./pages/dead-letters.tsx";
import { LoginPage } from "./pages/login.tsx";
import { MirrorPage } from "./pages/mirror.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { ProcessPage } from "./pages/process.tsx";
import { ProcessesPage } from "./pages/processes.tsx";
import { ReplicasPage } from "./pages/replicas.tsx";
import { ServicesPage } from "./pages/services.tsx";
import { SessionContext } from "./session.ts";
import { Shell } from "./shell.tsx";
import type { Session } from "./answers.ts";
import "./style.css";

const client = new QueryClient({
  defaultOptions: { queries: { staleTime: 500, refetchOnWindowFocus: true } },
});

function Panel() {
  const session = useQuery<Session>({
    queryKey: ["session"],
    queryFn: () => get<Session>("/session"),
    retry: false,
    staleTime: 60_000,
  });
  const isOut = session.error instanceof ApiError && session.error.problem.status === 401;
  // Any answer that says "unauthorized" ends the session on the screen too.
  useEffect(
    () =>
      client.getQueryCache().subscribe(({ query }) => {
        const error: unknown = query.state.error;
        const key = query.queryKey as readonly unknown[];
        if (key[0] !== "session" && error instanceof ApiError && error.problem.status === 401)
          void client.invalidateQueries({ queryKey: ["session"] });
      }),
    [],
  );
  if (isOut) return <LoginPage onLogin={() => void client.resetQueries()} />;
  if (session.data === undefined)
    return session.error === null ? <div class="blank" /> : <Failure error={session.error} />;
  return (
    <SessionContext.Provider value={session.data}>
      <Router base={basePath}>
        <Shell session={session.data} onLogout={() => void client.resetQueries()}>
          <Switch>
            <Route path="/" component={OverviewPage} />
            <Route path="/login" component={OverviewPage} />
            <Route path="/processes" component={ProcessesPage} />
            <Route path="/processes/:id">{({ id }) => <ProcessPage id={decodeURIComponent(id)} />}</Route>
            <Route path="/dead-letters" component={DeadLettersPage} />
            <Route path="/cache" component={CachePage} />
            <Route path="/mirror" component={MirrorPage} />
            <Route path="/services" component={ServicesPage} />
            <Route path="/services/:name">
              {({ name }) => <ServicesPage only={decodeURIComponent(name)} />}
            </Route>
            <Route path="/replicas" component={ReplicasPage} />
            <Route path="/audit" component={AuditPage} />
            <Route path="/config" component={ConfigPage} />
            <Route>
              <Empty>There is no such page.</Empty>
            </Route>
          </Switch>
        </Shell>
      </Router>
    </SessionContext.Provider>
  );
}

render(
  <QueryClientProvider client={client}>
    <Panel />
  </QueryClientProvider>,
  document.getElementById("app")!,
);
