// Runs the tests of *.test.mjs in Debian's Chromium, one after the other, as test_dashboard.py asks for them.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [, , origin, patience] = process.argv;
const WAIT_MS = 8000 * Number(patience);

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  chromiumSandbox: process.getuid() !== 0,
  args: ["--disable-dev-shm-usage"],
});

/** What every test has: a window, an organization, and hands. */
async function stage(organization, complaints) {
  const context = await browser.newContext({ baseURL: origin, locale: "en-GB", timezoneId: "Europe/Berlin", viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
  context.setDefaultTimeout(WAIT_MS);
  const expected = [];
  const watch = (page) => {
    page.on("pageerror", (error) => complaints.push(`script: ${error.stack}`));
    page.on("console", (message) => {
      // An answer with 4xx is the test's business; all else that the browser calls an error is a fault.
      if (message.type() === "error" && ![/Failed to load resource/, ...expected].some((known) => known.test(message.text()))) complaints.push(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) complaints.push(`another host: ${request.url()}`);
    });
  };
  context.on("page", watch);
  const page = await context.newPage();

  /** A call of the API by a key, past the browser. */
  const call = async (method, path, body, env = "live") => {
    const reply = await fetch(`${origin}/api/v1${path}`, {
      method,
      headers: { "x-api-key": organization.keys[env], "Content-Type": "application/json" },
      ...(body && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
    return Object.assign(JSON.parse(text), { text });
  };
  const customer = (email, more = {}) => call("POST", "/customers", { email, ...more });

  const signIn = async (path = "/dashboard/", role = "owner", where = page) => {
    await where.goto(path);
    await where.getByLabel("E-mail address").fill(organization.people[role]);
    await where.getByLabel(/^Password/).fill(organization.password);
    await where.getByRole("button", { name: "Sign in" }).click();
    await where.getByRole("navigation", { name: "Pages of the dashboard" }).waitFor();
  };

  /**
   * No violation of accessibility rules on what is shown now; when it is dark, its colours alone are others. known: those of a
   * library that cannot be mended, each rule with what the elements look like that break it. All of them must be there.
   */
  const accessible = async (where = page, known = {}) => {
    const seen = new Set();
    for (const [colorScheme, runOnly] of [
      ["light", { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }],
      ["dark", { type: "rule", values: ["color-contrast"] }],
    ]) {
      await where.emulateMedia({ colorScheme });
      await where.locator(`html[data-mantine-color-scheme=${colorScheme}], body.${colorScheme}-mode, main.docs-page`).first().waitFor();
      // What comes or goes is pale for a moment; some of the reference turns for ever.
      await where.waitForFunction(() => document.getAnimations().every(({ effect, playState }) => playState !== "running" || effect.getComputedTiming().endTime === Infinity));
      if (!(await where.evaluate(() => "axe" in window))) await where.evaluate(axe);
      const { violations } = await where.evaluate((runOnly) => window.axe.run(document, { runOnly, resultTypes: ["violations"] }), runOnly);
      for (const { id, help, nodes: all } of violations) {
        const nodes = all.filter(({ html }) => !known[id]?.test(html));
        seen.add(id);
        if (nodes.length > 0) complaints.push(`axe, ${colorScheme}: ${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join("\n")}`);
      }
    }
    for (const id of Object.keys(known)) if (!seen.has(id)) complaints.push(`axe: ${id} is not broken any more`);
    await where.emulateMedia({ colorScheme: "light" });
  };

  /** An error that the browser shows because of what the test does. */
  const expect = (pattern) => expected.push(pattern);

  return { page, context, origin, organization, call, customer, signIn, accessible, expect, watch };
}

/** Waits for what an assertion would only look at once. */
globalThis.until = async (what, condition) => {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`it did not happen: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const { file, name, organization } = JSON.parse(line);
  const complaints = [];
  let context;
  try {
    const tests = await import(new URL(file, import.meta.url));
    const given = await stage(organization, complaints);
    ({ context } = given);
    try {
      await tests[name](given);
    } catch (failure) {
      const shown = await given.page.locator("body").innerText({ timeout: 500 }).catch(() => "");
      throw new Error(`${failure.stack}\n--- ${given.page.url()}\n${shown.slice(0, 2000)}`);
    }
    if (complaints.length > 0) throw new Error("the browser complains");
    console.log(JSON.stringify({ ok: true }));
  } catch (failure) {
    console.log(JSON.stringify({ ok: false, error: [failure.stack, ...complaints].join("\n") }));
  } finally {
    await context?.close();
  }
}
await browser.close();
