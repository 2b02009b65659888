/* The last requests that the service has answered: what is fetched, and by what names. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data } from "../api/client";
import type { operations } from "../api/schema";
import type { LoggedRequest } from "../api/types";

type Query = NonNullable<operations["listRequests"]["parameters"]["query"]>;
type Method = NonNullable<Query["method"]>;

export const METHODS: Method[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
export const CLASSES: Record<string, string> = { "2xx": "2xx, done", "4xx": "4xx, refused", "5xx": "5xx, failed" };

export interface Search {
  q?: string;
  status?: string;
  method?: string;
  cursor?: string;
}

/** What was pasted may be the whole line of a header. */
export const requestId = (pasted: string) => pasted.trim().replace(/^x-request-id:\s*/i, "");

export function useRequests(search: Search) {
  const query: Query = {
    limit: 50,
    cursor: search.cursor,
    requestId: search.q,
    status: search.status,
    method: METHODS.find((method) => method === search.method),
  };
  return useQuery({
    queryKey: ["requests", query],
    placeholderData: keepPreviousData,
    // Who looks here wants to see what happened just now.
    staleTime: 0,
    queryFn: ({ signal }) => data(api.GET("/requests", { params: { query }, signal })),
  });
}

export function useSummary(minutes: number, refetchInterval: number | false = false) {
  return useQuery({
    queryKey: ["requests", "summary", minutes],
    refetchInterval,
    queryFn: ({ signal }) => data(api.GET("/requests/summary", { params: { query: { minutes } }, signal })),
  });
}

/** The names of keys and people, as far as they are still there; a list of them alone tells ids. */
export function useNames(): (actor: LoggedRequest["actor"]) => string {
  const keys = useQuery({ queryKey: ["api-keys", { limit: 100 }], queryFn: ({ signal }) => data(api.GET("/api-keys", { params: { query: { limit: 100 } }, signal })) });
  const users = useQuery({ queryKey: ["users"], queryFn: ({ signal }) => data(api.GET("/users", { signal })) });
  return ({ type, id }) => {
    if (type === "user") {
      const user = users.data?.data.find((one) => one.id === id);
      return user?.name ?? user?.email ?? id;
    }
    const key = keys.data?.data.find((one) => one.id === id);
    return `API key ${key?.name ?? id}`;
  };
}

export const tone = (status: number) => (status >= 500 ? "bad" : status >= 400 ? "warn" : "good");

/** Milliseconds, as exactly as they matter. */
export const ms = (duration: number) => `${duration.toLocaleString(undefined, duration < 10 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 })} ms`;
