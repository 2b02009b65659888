/* Whose session it is, where it acts, and what its role may. */
import { useQuery, type Query } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { answer, api, ApiError, setCsrfToken } from "../api/client";
import { queries } from "../api/query";
import type { SignIn } from "../api/schema";
import type { Session } from "../api/types";

export const SESSION = ["session"];
export type Mode = { organizationId: string; livemode: boolean };

/* Tabs share the cookie: what one of them does with the session holds for all. */
const tabs = new BroadcastChannel("clientele-session");
type Said = "moved" | "left";
const tell = (said: Said) => tabs.postMessage(said);

const current = () => queries.getQueryData<Session | null>(SESSION) ?? null;
const rest = { predicate: ({ queryKey }: Query) => queryKey[0] !== SESSION[0] };
const forget = () => queries.removeQueries(rest);

/** Who acts where. What is shown and typed in one place belongs to no other. */
export const placeOf = ({ user, organization, livemode }: Session) => `${user.id} ${organization.id} ${livemode}`;

/** Is called when the session acts elsewhere than before, and nobody in this window asked for that. */
let onElsewhere: (now: Session) => void = () => {};
export function whenElsewhere(then: typeof onElsewhere) {
  onElsewhere = then;
}

/** Goes on with a session. What was fetched elsewhere is forgotten; else what the session before was refused is fetched again. */
function arrive(session: Session, elsewhere = onElsewhere): Session {
  sessionStorage.removeItem(LEFT);
  const before = current();
  const stays = before && placeOf(before) === placeOf(session);
  setCsrfToken(session.csrfToken);
  if (!stays) forget();
  queries.setQueryData<Session | null>(SESSION, session);
  if (before && !stays) elsewhere(session);
  if (stays && before.csrfToken !== session.csrfToken) void queries.invalidateQueries(rest);
  return session;
}

async function ask(): Promise<Session | null> {
  try {
    return (await answer(api.GET("/session"))).data;
  } catch (failure) {
    if (failure instanceof ApiError && failure.status === 401) return null;
    throw failure;
  }
}

/* One question for all calls that are refused at the same time. */
let asked: Promise<Session | null> | null = null;
function look(): Promise<Session | null> {
  asked ??= ask().finally(() => (asked = null));
  return asked;
}

/*
 * Whether somebody has signed out in this window or in another one, who wants to stay out until he says otherwise. A session
 * that has ended leaves the pages as they are.
 */
const LEFT = "clientele-signed-out";
export const hasLeft = () => sessionStorage.getItem(LEFT) !== null;
const leave = () => sessionStorage.setItem(LEFT, "yes");

/** After a call was refused for its session's sake: goes on with the one that there is by now. False: it has ended. */
export async function goOn(): Promise<boolean> {
  const before = current();
  const session = await look();
  if (session) arrive(session);
  return session !== null || hasLeft() || current() !== before;
}

export function useSessionQuery() {
  return useQuery<Session | null>({
    queryKey: SESSION,
    staleTime: Infinity,
    queryFn: async () => {
      const session = await look();
      if (session) return arrive(session);
      if (!hasLeft()) return current();
      forget();
      return null;
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

const move = async (mode: Mode) => (await answer(api.PATCH("/session", { params: { header: { "X-CSRF-Token": "" } }, body: mode }))).data;

/* A new session acts in the first organization, live. Who was elsewhere goes back there, if that is still allowed. */
async function backTo(before: Session, session: Session): Promise<Session> {
  if (before.user.id !== session.user.id || placeOf(before) === placeOf(session)) return session;
  setCsrfToken(session.csrfToken);
  try {
    return await move({ organizationId: before.organization.id, livemode: before.livemode });
  } catch (failure) {
    if (failure instanceof ApiError && !failure.isAway) return session;
    throw failure;
  }
}

/** Goes on with a session that has just begun, in all windows. */
export function begin(session: Session): Session {
  arrive(session);
  tell("moved");
  return session;
}

async function enter(body: SignIn, before: Session | undefined): Promise<Session> {
  setCsrfToken("1");
  const { data } = await answer(api.POST("/session", { params: { header: { "X-CSRF-Token": "1" } }, body }));
  return begin(before ? await backTo(before, data) : data);
}

/* Whether it was a proxy before the service that said who sits in this browser. Such a one may have no password. */
const VOUCHED = "clientele-vouched";
export const isVouchedFor = () => localStorage.getItem(VOUCHED) !== null;

/** before: the session that has ended, in the place of which this one comes. */
export async function signIn(email: string, password: string, code?: string, before?: Session): Promise<Session> {
  const session = await enter({ email, password, ...(code ? { code } : {}) }, before);
  localStorage.removeItem(VOUCHED);
  return session;
}

/** By the word of an authenticating proxy (sign_in_by_proxy in clientele.conf). Without one it is refused, like an empty form. */
export async function signInByProxy(before?: Session): Promise<Session> {
  const session = await enter({ email: "", password: "" }, before);
  localStorage.setItem(VOUCHED, "yes");
  return session;
}

/** Whether nothing is wrong but that a code of the second factor is wanted: a field for it says so. */
export const wantsCode = (failure: Error | null) => failure instanceof ApiError && failure.code === "sign_in_failed" && failure.param === "code";

export async function moveTo(mode: Mode): Promise<void> {
  arrive(await move(mode), () => {});
  tell("moved");
}

export async function signOut(): Promise<void> {
  await answer(api.DELETE("/session", { params: { header: { "X-CSRF-Token": "" } } }));
  leave();
  forget();
  queries.setQueryData(SESSION, null);
  tell("left");
}

/** Where another window has begun, moved or ended the session, this one goes on with what holds now. */
export function watchTabs() {
  tabs.onmessage = ({ data }: MessageEvent<Said>) => {
    if (data === "left") leave();
    asked = null; // its answer may be of before
    void queries.refetchQueries({ queryKey: SESSION });
  };
}
