/* Answers in lines, page after page, as Clientele-Next-Cursor leads; and what they make, as a file. */
import { ApiError, type Answer } from "./client";

/** The text of a page, what leads to the next one, and how many rows it has, where that is known. */
export type Piece = Pick<Answer<string>, "text" | "next"> & { rows?: number };
export type Page = (cursor: string | undefined, signal: AbortSignal) => Promise<Piece>;
/** What has come so far. */
export interface Come {
  bytes: number;
  rows: number;
}

const TRIES = 5;

const wait = (ms: number, signal: AbortSignal) =>
  new Promise<void>((done, fail) => {
    signal.throwIfAborted();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), fail(signal.reason as Error)), { once: true });
  });

/* One page of thousands is no reason to begin anew: a service that is away or asks for patience is asked again. */
async function patiently(page: Page, cursor: string | undefined, signal: AbortSignal) {
  for (let tried = 1; ; tried++) {
    try {
      return await page(cursor, signal);
    } catch (failure) {
      if (!(failure instanceof ApiError) || !(failure.isAway || failure.status === 429) || tried === TRIES) throw failure;
      await wait(failure.retryAfter ? 1000 * failure.retryAfter : 500 * tried, signal);
    }
  }
}

/** The text of each page from a cursor on, and the cursor behind it. */
export async function* pages(page: Page, signal: AbortSignal, cursor?: string): AsyncGenerator<{ text: string; next: string | undefined; rows: number }> {
  do {
    const { text, next, rows = 0 } = await patiently(page, cursor, signal);
    cursor = next ?? undefined;
    yield { text, next: cursor, rows };
  } while (cursor !== undefined);
}

/** Gathers all pages in the browser's own store, where large blobs are on disk, and offers them as one file. */
export async function download(name: string, type: string, page: Page, signal: AbortSignal, progress: (come: Come) => void) {
  const parts: Blob[] = [];
  const come: Come = { bytes: 0, rows: 0 };
  for await (const { text, rows } of pages(page, signal)) {
    const part = new Blob([text]);
    parts.push(part);
    come.bytes += part.size;
    come.rows += rows;
    progress({ ...come });
  }
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  /* The browser has opened it by then. */
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
