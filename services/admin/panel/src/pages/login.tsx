/** The way in: a token. The link that a first start prints carries one in its fragment, which no server sees. */
import { useEffect, useState } from "react";
import { ApiError, basePath, call } from "../api.ts";
import { Icon } from "../components/icons.tsx";
import { useTitle } from "../hooks.ts";

export function LoginPage({ onLogin }: { readonly onLogin: () => void }) {
  const [token, setToken] = useState("");
  const [why, setWhy] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  useTitle("Log in");

  async function logIn(text: string): Promise<void> {
    setBusy(true);
    setWhy(null);
    try {
      await call("POST", "/session", { body: { token: text.trim() } });
      if (location.pathname.endsWith("/login")) history.replaceState(null, "", `${basePath}/`);
      onLogin();
    } catch (error) {
      setWhy(
        error instanceof ApiError
          ? (error.problem.detail ?? error.problem.title)
          : "The admin service does not answer.",
      );
    } finally {
      setBusy(false);
    }
  }
  useEffect(() => {
    const given = /^#token=(\S+)$/.exec(location.hash)?.[1];
    if (given === undefined) return;
    history.replaceState(null, "", `${basePath}/login`); // the token does not stay in the history
    void logIn(given);
  }, []);

  return (
    <main class="login">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void logIn(token);
        }}
      >
        <p class="brand">
          <Icon name="logo" /> sticky-proxy
        </p>
        <label class="field">
          <span>Token</span>
          <input
            type="password"
            value={token}
            autoFocus
            autoComplete="current-password"
            aria-describedby="token-help"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p id="token-help" class="quiet">
          Made by <code>sticky-proxy token create --role operator --name me</code>
        </p>
        {why !== null && (
          <p class="warning" role="alert">
            {why}
          </p>
        )}
        <button type="submit" class="primary" disabled={isBusy || token.trim() === ""}>
          Log in
        </button>
      </form>
    </main>
  );
}
