/** Who is logged in: buttons that the role does not allow are not there. */
import { createContext, useContext } from "react";
import type { Role, Session } from "./answers.ts";

export const SessionContext = createContext<Session | null>(null);

const order: readonly Role[] = ["viewer", "operator", "admin"];

export function useMay(role: Role): boolean {
  const session = useContext(SessionContext);
  return session !== null && order.indexOf(session.role) >= order.indexOf(role);
}
