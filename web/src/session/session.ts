/* Whose session it is, where it acts, and what its role may. */
import { useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { answer, api, ApiError, setCsrfToken } from "../api/client";
import { queries } from "../api/query";
import type { Session } from "../api/types";

export const SESSION = ["session"];
export type Mode = { organizationId: string; livemode: boolean };

/* Tabs share the cookie: when one of them acts elsewhere, all do. */
const tabs = new BroadcastChannel("clientele-session");

function keep(session: Session): Session {
  setCsrfToken(session.csrfToken);
  queries.setQueryData<Session | null>(SESSION, session);
  return session;
}

export function useSessionQuery() {
  return useQuery<Session | null>({
    queryKey: SESSION,
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      try {
        return keep((await answer(api.GET("/session", { signal }))).data);
      } catch (failure) {
        if (failure instanceof ApiError && failure.status === 401) return null;
        throw failure;
      }
    },
  });
}

export const SessionContext = createContext<Session | null>(null);

/** Inside the shell, where there is one. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("There is no session outside the shell.");
  return session;
}

export function useMay() {
  const { role } = useSession();
  return { write: role !== "member", manageUsers: role === "owner" };
}

function forget() {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION[0] });
}

export async function signIn(email: string, password: string, code?: string): Promise<Session> {
  setCsrfToken("1");
  const { data } = await answer(
    api.POST("/session", { params: { header: { "X-CSRF-Token": "1" } }, body: { email, password, ...(code ? { code } : {}) } }),
  );
  return begin(data);
}

/* Whether a proxy before the service has said who sits here: whoever leaves then wants to stay out until he says otherwise. */
let vouched = false;
export const isVouchedFor = () => vouched;

/** By the word of an authenticating proxy (sign_in_by_proxy in clientele.conf). Without one it is refused, like an empty form. */
export async function signInByProxy(): Promise<Session> {
  const session = await signIn("", "");
  vouched = true;
  return session;
}

/** Whether nothing is wrong but that a code of the second factor is wanted: a field for it says so. */
export const wantsCode = (failure: Error | null) => failure instanceof ApiError && failure.code === "sign_in_failed" && failure.param === "code";

/** What was fetched for somebody else, or elsewhere, is forgotten. */
export function begin(session: Session): Session {
  const before = queries.getQueryData<Session | null>(SESSION);
  if (before?.user.id !== session.user.id || before.organization.id !== session.organization.id || before.livemode !== session.livemode) forget();
  return keep(session);
}

export async function moveTo(mode: Mode): Promise<void> {
  const { data } = await answer(api.PATCH("/session", { params: { header: { "X-CSRF-Token": "" } }, body: mode }));
  forget();
  keep(data);
  tabs.postMessage("moved");
}

export async function signOut(): Promise<void> {
  await answer(api.DELETE("/session", { params: { header: { "X-CSRF-Token": "" } } }));
  forget();
  queries.setQueryData(SESSION, null);
  tabs.postMessage("moved");
}

/** Where another tab has moved or ended the session, this one begins anew with what holds now. */
export function watchTabs(then: () => void) {
  tabs.onmessage = () => {
    forget();
    void queries.invalidateQueries({ queryKey: SESSION });
    then();
  };
}
