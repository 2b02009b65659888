/* Imports: what is fetched, and files on their way. */
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { answer, api, data } from "../api/client";
import { pages, type Page } from "../api/lines";
import { queries } from "../api/query";
import type { ImportCreate } from "../api/schema";
import type { Import } from "../api/types";

export type Format = Import["format"];
export type Rules = Required<{ [K in keyof ImportCreate]: NonNullable<ImportCreate[K]> }>;

/* A part that does not come through is sent again, and between two of them one sees how far it is. The API takes 8 MiB. */
const PART_BYTES = 2 * 1024 * 1024;
const LOOK_MS = 300;

export const CONFLICTS: Record<Rules["onConflict"], string> = {
  skip: "The customer stays as it is",
  update: "What the line gives is changed",
  fail: "The line fails",
};

export const isOpen = ({ status }: Import) => status === "receiving" || status === "queued" || status === "running";
export const hasFailed = ({ status, failed }: Import) => status === "failed" || failed > 0;

export function useImports(cursor: string | undefined) {
  const query = { limit: 20, cursor };
  return useQuery({
    queryKey: ["imports", query],
    queryFn: ({ signal }) => data(api.GET("/imports", { params: { query }, signal })),
    refetchInterval: ({ state }) => (state.data?.data.some(isOpen) ? 5 * LOOK_MS : false),
  });
}

const one = (id: string) => ["import", id];

export function useImport(id: string) {
  return useQuery({
    queryKey: one(id),
    queryFn: ({ signal }) => data(api.GET("/imports/{id}", { params: { path: { id } }, signal })),
    refetchInterval: ({ state }) => (state.data && isOpen(state.data) ? LOOK_MS : false),
  });
}

function show(made: Import): Import {
  queries.setQueryData(one(made.id), made);
  void queries.invalidateQueries({ queryKey: ["imports"] });
  return made;
}

/* ---- a file on its way */

/** Goes on while one looks at other pages, so it belongs to none of them. It ends with the window. */
export interface Sending {
  file: File;
  sent: number;
  error: Error | null;
}

const sendings = new Map<string, Sending>();
/* For a dry run that went well. */
const files = new Map<string, File>();
const watchers = new Set<() => void>();
const aborts = new Map<string, AbortController>();

function put(id: string, sending: Sending | null) {
  if (sending) sendings.set(id, sending);
  else sendings.delete(id);
  for (const watcher of watchers) watcher();
}

function watch(watcher: () => void) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function useSending(id: string): Sending | undefined {
  return useSyncExternalStore(watch, () => sendings.get(id));
}

/** The file of an import, if it was chosen in this window. */
export const fileOf = (id: string) => files.get(id);

const isSending = () => [...sendings.values()].some(({ error }) => error === null);
window.addEventListener("beforeunload", (event) => {
  if (isSending()) event.preventDefault();
});

/** Sends what has not come of a file, part after part, and starts the import. Whoever wants to know looks at useSending(). */
export async function send(id: string, file: File, parts: number) {
  const path = { id };
  const abort = new AbortController();
  const { signal } = abort;
  const before = sendings.get(id);
  const known = before?.file === file ? Math.ceil(before.sent / PART_BYTES) : 0;
  /* The last that has come is sent again: of another file it is a conflict. */
  const first = Math.max(parts, known, 1);
  let sent = (first - 1) * PART_BYTES;
  aborts.set(id, abort);
  files.set(id, file);
  put(id, { file, sent, error: null });
  try {
    for (let number = first; sent < file.size; number++) {
      const body = file.slice(sent, sent + PART_BYTES);
      const call = api.PUT("/imports/{id}/parts/{number}", {
        params: { path: { id, number } },
        headers: { "Content-Type": "application/octet-stream" },
        body: body as unknown as string,
        bodySerializer: (bytes) => bytes,
        signal,
      });
      await answer(call);
      sent += body.size;
      put(id, { file, sent, error: null });
    }
    show((await answer(api.POST("/imports/{id}/start", { params: { path }, signal }))).data);
    put(id, null);
  } catch (failure) {
    put(id, signal.aborted ? null : { file, sent, error: failure as Error });
  }
}

export async function begin(rules: Rules, file: File): Promise<Import> {
  const made = show((await answer(api.POST("/imports", { body: rules }))).data);
  void send(made.id, file, 0);
  return made;
}

export async function cancel(id: string) {
  aborts.get(id)?.abort();
  put(id, null);
  show((await answer(api.POST("/imports/{id}/cancel", { params: { path: { id } } }))).data);
}

/* ---- what has become of the lines */

export const resultsOf =
  (id: string, format: Format): Page =>
  (cursor, signal) =>
    answer(api.GET("/imports/{id}/results", { params: { path: { id }, query: { format, cursor } }, parseAs: "text", signal }));

export interface Failure {
  line: number;
  status: string;
  code: string;
  param: string | null;
  message: string;
}

const AT_ONCE = 50;

/** The lines that failed, as many as fit on a page, wherever in the results they are. */
export function useFailures({ id, failed, status }: Import) {
  return useInfiniteQuery({
    queryKey: ["import-failures", id, status],
    enabled: failed > 0,
    placeholderData: keepPreviousData,
    initialPageParam: { cursor: undefined as string | undefined, after: 0, seen: 0 },
    queryFn: async ({ pageParam: { cursor, after, seen }, signal }) => {
      const found: Failure[] = [];
      let from = cursor;
      for await (const { text, next } of pages(resultsOf(id, "ndjson"), signal, cursor)) {
        const lines = text.split("\n").filter((line) => line.includes('"failed"'));
        found.push(...lines.map((line) => JSON.parse(line) as Failure).filter(({ line, status }) => status === "failed" && line > after));
        if (found.length >= AT_ONCE || seen + found.length >= failed) break;
        from = next;
      }
      const rows = found.slice(0, AT_ONCE);
      return { rows, next: { cursor: from, after: rows.at(-1)?.line ?? after, seen: seen + rows.length } };
    },
    getNextPageParam: ({ rows, next }) => (rows.length > 0 && next.seen < failed ? next : undefined),
  });
}
