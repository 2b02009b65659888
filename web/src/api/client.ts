/* The API as the dashboard calls it: typed by doc/openapi.json, with the session's token, and failures as ApiError. */
import createClient, { type Middleware } from "openapi-fetch";
import { asks, isDone, isRefused, keyOf, takesKey } from "./once";
import type { paths } from "./schema";

/* The version that the types are made from. */
const VERSION = "2026-08-27";
const TRIES = 3;

export interface FieldFault {
  field: string;
  message: string;
}

/** What was answered instead of what was asked for; without a status the service was not reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | null = null,
    readonly details: unknown = null,
    readonly requestId: string | null = null,
    readonly docUrl: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  /** The broken fields of a form. */
  get fields(): FieldFault[] {
    return Array.isArray(this.details) ? (this.details as FieldFault[]) : [];
  }

  get isAway(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** The token that a call which changes something has; the session's, once there is one. */
let csrfToken = "1";
export function setCsrfToken(token: string) {
  csrfToken = token;
}

/** Is called when a session has ended, or has another token since a window moved it. */
let onSession: (what: "ended" | "moved") => void = () => {};
export function whenSession(then: typeof onSession) {
  onSession = then;
}

/* What was sent, and the body of the answer as it came. */
const came = new WeakMap<Response, { request: Request; text: string }>();

const waitFor = (ms: number) => new Promise((done) => setTimeout(done, ms));

const hasKey = (request: Request) => request.headers.has("Idempotency-Key");

/* What is to be said where no answer has come. */
function lost(request: Request): string {
  if (asks(request.method, request.url)) return "The service was not reached. Is this machine online?";
  const next = hasKey(request) ? "Press again: it takes effect once." : "Look before you press again.";
  return `It is not known whether this was done. ${next}`;
}

function settle(request: Request, { status, ok }: Response, text: string) {
  if (ok) isDone(request);
  else if (status === 409 && !text.includes('"idempotency_in_progress"')) isRefused(request);
}

/* A write with an Idempotency-Key may be sent again when nobody knows what became of it. */
async function send(request: Request): Promise<Response> {
  const keyed = hasKey(request);
  for (let tried = 1; ; tried++) {
    const last = !keyed || tried === TRIES;
    try {
      const answer = await fetch(request.clone());
      const text = await answer.text();
      if (last || ![502, 503, 504].includes(answer.status)) {
        const kept = new Response(text, answer);
        came.set(kept, { request, text });
        if (keyed) settle(request, answer, text);
        return kept;
      }
    } catch (failure) {
      if (request.signal.aborted) throw failure;
      if (last) throw new ApiError(0, "not_reached", lost(request));
    }
    await waitFor(1000 * tried);
  }
}

const headers: Middleware = {
  async onRequest({ request, schemaPath }) {
    request.headers.set("Commet-Version", VERSION);
    if (request.method !== "GET") request.headers.set("X-CSRF-Token", csrfToken);
    if (takesKey(request.method, schemaPath) && !hasKey(request)) request.headers.set("Idempotency-Key", await keyOf(request));
  },
};

export const api = createClient<paths>({
  baseUrl: "/api/v1",
  fetch: send,
  querySerializer(query) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {}))
      if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
    return search.toString();
  },
});
api.use(headers);

export interface Answer<T> {
  data: T;
  /** The body as it came. */
  text: string;
  etag: string | null;
  requestId: string | null;
  /** Of an answer in lines, what leads to the next page. */
  next: string | null;
  /** The customer answered, where the one that was asked for was merged into it. */
  merged: string | null;
}

interface Fetched<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/* A front server that has waited too long speaks to programs. */
const isLost = ({ status }: Response, told: unknown) => status === 504 || (status >= 500 && !told);

function failure(error: unknown, response: Response): ApiError {
  const told = (error as { error?: Record<string, unknown> } | undefined)?.error;
  const { request } = came.get(response) ?? {};
  const unread = request && isLost(response, told) && !asks(request.method, request.url) ? lost(request) : null;
  const after = Number(response.headers.get("Retry-After"));
  const failed = new ApiError(
    response.status,
    String(told?.code ?? "unreadable_answer"),
    unread ?? String(told?.message ?? `The answer has the status ${response.status} and cannot be read.`),
    (told?.param as string | undefined) ?? null,
    told?.details ?? null,
    response.headers.get("X-Request-Id"),
    (told?.doc_url as string | undefined) ?? null,
    after > 0 ? after : null,
  );
  if (failed.status === 401 && failed.code !== "sign_in_failed") onSession("ended");
  if (failed.status === 403 && failed.param === "X-CSRF-Token") onSession("moved");
  return failed;
}

/* An answer in lines may have none. */
const isLines = (response: Response) => /^(text\/csv|application\/x-ndjson)/.test(response.headers.get("Content-Type") ?? "");

/** The answer of a call with all that belongs to it; throws ApiError. */
export async function answer<T>(call: Promise<Fetched<T>>): Promise<Answer<T>> {
  let fetched: Fetched<T>;
  try {
    fetched = await call;
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    if (cause instanceof SyntaxError) throw new ApiError(0, "unreadable_answer", "The answer cannot be read.");
    throw new ApiError(0, "not_reached", "The service was not reached. Is this machine online?");
  }
  const { data, error, response } = fetched;
  if (!response.ok || (data === undefined && !isLines(response))) throw failure(error, response);
  return {
    data: data as T,
    text: came.get(response)?.text ?? "",
    etag: response.headers.get("ETag"),
    requestId: response.headers.get("X-Request-Id"),
    next: response.headers.get("Clientele-Next-Cursor"),
    merged: response.headers.get("Clientele-Merged"),
  };
}

/** Only what was asked for. */
export async function data<T>(call: Promise<Fetched<T>>): Promise<T> {
  return (await answer(call)).data;
}
