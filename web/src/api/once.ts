/* The keys that go with writes: each takes effect once, however often it is sent, by itself or by somebody who presses again. */

/** Nothing is done by it. */
export const asks = (method: string, path: string) => method === "GET" || path.endsWith("/preview-change");

/** As the API's description has it: what people who sign in do takes no key, nor does what deletes, but for customers. */
export const takesKey = (method: string, path: string) =>
  !asks(method, path) && !/^\/(sessions?|users)(\/|$)/.test(path) && (method !== "DELETE" || path === "/customers/{id}");

/* Of what was sent and is not known to be done: by where to, what it was, and its key. */
const open = new Map<string, { content: string; key: string }>();

const addressOf = ({ method, url }: Request) => `${method} ${url}`;
/* The customer, plan or subscription that a request changes, or the list that it adds to. */
const thingOf = (address: string) => address.split(" ")[1]?.split("/").slice(0, 7).join("/");

async function contentOf(request: Request): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", await request.clone().arrayBuffer());
  return [request.headers.get("If-Match"), ...new Uint8Array(bytes)].join();
}

/** The key for a request. It is that of before as long as nothing else is sent there. */
export async function keyOf(request: Request): Promise<string> {
  const address = addressOf(request);
  const content = await contentOf(request);
  const before = open.get(address);
  if (before?.content === content) return before.key;
  const key = crypto.randomUUID();
  open.set(address, { content, key });
  return key;
}

/** It is done: the same may be wanted once more, and so may what was sent to the same thing before. */
export function isDone(request: Request) {
  const thing = thingOf(addressOf(request));
  for (const address of open.keys()) if (thingOf(address) === thing) open.delete(address);
}

/** It was refused, and that is kept with its key. */
export function isRefused(request: Request) {
  open.delete(addressOf(request));
}
