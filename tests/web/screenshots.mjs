// Each page with believable data at three widths, as doc/screenshots keeps them; screenshots.py asks for it.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const SIZES = [[1440, 900], [768, 1024], [390, 844]];
const QUALITY = 55;
const FIRST = "Ada Grace Alan Edsger Barbara Donald Frances Ken Radia Tim Margaret Dennis Katherine Niklaus Shafi Leslie".split(" ");
const LAST = "Lovelace Hopper Turing Dijkstra Liskov Knuth Allen Thompson Perlman Lee Hamilton Ritchie Johnson Wirth Goldwasser Lamport".split(" ");
const CUSTOMERS = 180;
const DAY_MS = 86_400_000;

/** Customers of the last year, more of them each month; the newest first. */
async function people({ origin, organization, call }) {
  const lines = Array.from({ length: CUSTOMERS }, (_, at) => {
    const [first, last] = [FIRST[at % 16], LAST[(at * 7 + (at >> 4)) % 16]];
    const age = 350 * (1 - Math.sqrt(at / CUSTOMERS));
    return JSON.stringify({
      email: `${first}.${last}${at > 31 ? at : ""}@example.com`.toLowerCase(),
      fullName: `${first} ${last}`,
      externalId: `user_${1000 + at}`,
      createdAt: new Date(Date.now() - age * DAY_MS).toISOString(),
      ...(at % 3 === 0 && { metadata: { source: "shop", seats: 1 + (at % 9) } }),
    });
  });
  const reply = await fetch(`${origin}/api/v1/imports?keepCreatedAt=true`, {
    method: "POST",
    headers: { "x-api-key": organization.keys.live, "Content-Type": "application/x-ndjson", "Commet-Version": "2026-08-27" },
    body: lines.join("\n"),
  });
  const made = await reply.json();
  if (!reply.ok) throw new Error(JSON.stringify(made));
  await until("the customers are there", async () => (await call("GET", `/imports/${made.id}`)).status === "done");
  return [...(await call("GET", "/customers?limit=100")).data];
}

async function fill(stage) {
  const { call } = stage;
  const group = await call("POST", "/plan-groups", { name: "Self-service", description: "What customers choose themselves." });
  const plans = [];
  for (const [code, name, price, trialDays] of [["basic", "Basic", 1900, 0], ["pro", "Pro", 4900, 14], ["team", "Team", 14900, 14]]) {
    const plan = await call("POST", "/plans", { name, code, isPublic: true, planGroupId: group.id, description: `${name}, for ${code === "team" ? "ten" : "one"}.` });
    await call("POST", `/plans/${plan.id}/prices`, { billingInterval: "monthly", price, trialDays });
    await call("POST", `/plans/${plan.id}/prices`, { billingInterval: "yearly", price: price * 10, trialDays });
    plans.push(plan);
  }
  await call("POST", "/plans", { name: "Enterprise", code: "enterprise", description: "By agreement." });
  const customers = await people(stage);
  for (const [at, { id }] of customers.slice(0, 24).entries()) {
    const { id: subscription } = await call("POST", "/subscriptions", { customerId: id, planId: plans[at % 3].id, ...(at % 2 === 0 && { skipTrial: true }) });
    const { data } = await call("GET", `/invoices?subscriptionId=${subscription}`);
    if (data.length > 0 && at % 8 !== 6) await call("PATCH", `/invoices/${data[0].id}/status`, { status: "paid" });
    if (at % 9 === 8) await call("POST", `/subscriptions/${subscription}/cancel`, {});
  }
  await call("PATCH", `/customers/${customers[0].id}`, {
    taxDocument: "12345678", timezone: "Europe/London",
    address: { line1: "12 St James's Square", postalCode: "SW1Y 4JH", city: "London", country: "GB" },
  });
  for (const at of [3, 5]) await call("POST", "/customers", { email: customers[at].email.toUpperCase(), fullName: customers[at].fullName });
  return {
    group, plan: plans[1], customer: customers[0],
    invoice: (await call("GET", `/invoices?customerId=${customers[0].id}`)).data[0],
    file: await brokenFile(stage),
    request: await requests(stage),
  };
}

/** An import of which two lines failed. */
async function brokenFile({ origin, organization, call }) {
  const reply = await fetch(`${origin}/api/v1/imports?format=csv&dryRun=true`, {
    method: "POST",
    headers: { "x-api-key": organization.keys.live, "Content-Type": "text/csv", "Commet-Version": "2026-08-27" },
    body: `email,fullName,timezone\n${LAST.map((name) => `${name.toLowerCase()}${name === "Lee" ? "" : "@example.com"},${name},${name === "Knuth" ? "Mars/Olympus" : "UTC"}\n`).join("")}`,
  });
  const { id } = await reply.json();
  await until("the file was read", async () => (await call("GET", `/imports/${id}`)).status === "done");
  return id;
}

/** Something that is refused; the id of its answer. */
async function wrong({ origin, organization }, method, path, body) {
  const reply = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: { "x-api-key": organization.keys.live, "Content-Type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  return reply.headers.get("X-Request-Id");
}

async function requests(stage) {
  for (const path of ["/customers/user_1", "/plans/gold", "/invoices/INV-000001", "/customers?limit=1000", "/subscriptions?status=lost"]) await wrong(stage, "GET", path);
  return wrong(stage, "POST", "/customers", { email: "nonsense" });
}

/** An hour of requests, as the pictures are taken within one of its minutes. */
async function anHour(page) {
  await page.route("**/requests/summary?minutes=60", async (route) => {
    const reply = await route.fetch();
    const now = await reply.json();
    const minutes = now.minutes.map((minute, at) => {
      const requests = Math.round(90 + 50 * Math.sin(at / 7) + 17 * ((at * 7) % 5));
      return { ...minute, requests, clientErrors: (at * 5) % 11, serverErrors: at > 40 && at < 44 ? 12 : 0, p50Ms: 3 + (at % 4) / 3, p95Ms: 9 + ((at * 3) % 13) + (at > 40 && at < 44 ? 60 : 0), p99Ms: 90 };
    });
    return route.fulfill({ response: reply, json: { ...now, since: minutes[7].at, minutes } });
  });
}

export async function photograph(stage) {
  const { page, context, signIn, organization } = stage;
  const { group, plan, customer, invoice, file, request } = await fill(stage);
  const pages = {
    overview: "overview",
    customers: "customers",
    customer: `customers/${customer.id}`,
    plans: "plans",
    plan: `plans/${plan.id}`,
    "plan-group": `plans/groups/${group.id}`,
    subscriptions: "subscriptions",
    invoices: "invoices",
    invoice: `invoices/${invoice.id}`,
    "api-keys": "api-keys",
    users: "users",
    account: "account",
    imports: "imports",
    import: `imports/${file}`,
    duplicates: "duplicates",
    requests: "requests?status=4xx",
    request: `requests/${request}`,
  };
  await rm(organization.into, { recursive: true, force: true });
  await mkdir(organization.into, { recursive: true });
  const devtools = await context.newCDPSession(page);
  const shoot = async (name, open = () => {}) => {
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await open();
      await page.mouse.move(0, 0);
      await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== "running"));
      const { data } = await devtools.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
      await writeFile(join(organization.into, `${name}-${width}.webp`), Buffer.from(data, "base64"));
    }
  };
  await page.goto("/dashboard/");
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await shoot("sign-in");
  await signIn();
  for (const [name, path] of [["docs", ""], ["docs-call", "#tag/customers/POST/customers"], ["docs-guide", "guides/tour.html"], ["docs-errors", "errors.html"]]) {
    // At each size anew: the place in the reference is found when it is loaded.
    await shoot(name, async () => {
      await page.goto("about:blank");
      await page.goto(`/docs/${path}`, { waitUntil: "networkidle" });
      await page.getByRole("heading", { name: name === "docs-call" ? "Create a customer" : /./, exact: true }).first().waitFor();
    });
  }
  await anHour(page);
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(`/dashboard/${path}`, { waitUntil: "networkidle" });
    await page.getByRole("heading", { level: 1 }).waitFor();
    await shoot(name);
  }
}
