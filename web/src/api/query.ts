/* What was fetched is kept for a moment, and fetched anew when something was changed. */
import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client";

const FRESH_MS = 10_000;

export const queries = new QueryClient({
  defaultOptions: {
    // What is asked while this machine is offline fails, and says so.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      staleTime: FRESH_MS,
      retry: (count, failure) => count < 2 && failure instanceof ApiError && failure.isAway,
      retryDelay: (count) => 500 * 2 ** count,
    },
  },
});

declare module "@tanstack/react-query" {
  interface Register {
    defaultError: Error;
  }
}
