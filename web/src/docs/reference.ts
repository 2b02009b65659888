/* The reference of the API, of the document that the service itself gives out, with calls by the reader's own sandbox key. */
import { createApiReference } from "@scalar/api-reference";

const DOCUMENT = "/api/v1/openapi.json";

interface Parameter {
  name: string;
  required?: boolean;
  example?: unknown;
  examples?: Record<string, { value: unknown; "x-disabled": true }>;
}
interface Document {
  paths: Record<string, Record<string, { parameters?: Parameter[] }>>;
  components: { parameters: Record<string, Parameter> };
}

/* An example of a header or filter that need not be sent is shown, and sent only when the reader wants that: the same
 * Idempotency-Key with each call would be refused from the second one on. The version is sent, which is the one described. */
function asked(document: Document) {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  for (const parameter of [...Object.values(document.components.parameters), ...operations.flatMap(({ parameters }) => parameters ?? [])]) {
    if (parameter.required || parameter.name === "Commet-Version" || parameter.example === undefined) continue;
    parameter.examples = { example: { value: parameter.example, "x-disabled": true } };
    delete parameter.example;
  }
  return document;
}

/* Calls go to this service alone, and act for the key that was entered: never for one who has signed in to the dashboard,
 * whose cookie the browser would send along, and never on live data. */
const call: typeof fetch = async (input, init) => {
  const request = new Request(input, { ...init, credentials: "omit" });
  const key = request.headers.get("x-api-key") ?? request.headers.get("Authorization") ?? "";
  if (/\b[cr]k_live_/.test(key)) throw new Error("Calls are made here with a sandbox key, not with a live one. Nothing was sent.");
  const reply = await fetch(request);
  if (!reply.ok || new URL(request.url).pathname !== DOCUMENT || key) return reply;
  return new Response(JSON.stringify(asked((await reply.json()) as Document)), { headers: { "Content-Type": "application/json" } });
};

createApiReference("#reference", {
  url: DOCUMENT,
  customFetch: call,
  authentication: { preferredSecurityScheme: "ApiKey" },
  persistAuth: false, // a key is gone with the page
  // All that would call or advertise another host.
  agent: { disabled: true },
  documentDownloadType: "none",
  hideClientButton: true,
  mcp: { disabled: true },
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
  // As the system has it, like the guides.
  hideDarkModeToggle: true,
  setPageTitle: ({ title }) => `${title} · Clientele`,
});
