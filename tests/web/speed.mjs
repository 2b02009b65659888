// How long the dashboard takes to show something; speed.py asks for it.
import { createRequire } from "node:module";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const ROUNDS = 7;
const AUDITED = ["customers", "overview"];

const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
const line = (what, all) => `${what.padEnd(60)} median ${Math.round(median(all))} ms, most ${Math.round(Math.max(...all))} ms, of ${all.length}\n`;

/** In the page: when a row was painted first, and what came of the last key. Times are of its own clock, from navigation on. */
function watch() {
  const seen = { key: 0, row: 0, rows: [] };
  window.seen = seen;
  addEventListener("keydown", () => (seen.key = performance.now()), true);
  const look = () => {
    const text = document.querySelector("tbody tr")?.textContent;
    if (!text) return;
    seen.row ||= performance.now();
    if (seen.rows.at(-1)?.text !== text) seen.rows.push({ text, at: performance.now() });
  };
  new MutationObserver(() => requestAnimationFrame(look)).observe(document, { subtree: true, childList: true, characterData: true });
}

async function cold({ context, signIn, page }) {
  await signIn();
  const state = await context.storageState();
  const took = [];
  for (let round = 0; round < ROUNDS; round++) {
    const fresh = await context.browser().newContext({ baseURL: page.url(), storageState: state, viewport: { width: 1280, height: 900 } });
    const one = await fresh.newPage();
    await one.addInitScript(watch);
    await one.goto("/dashboard/customers");
    await one.waitForFunction(() => window.seen.row);
    took.push(await one.evaluate(() => window.seen.row));
    await fresh.close();
  }
  return took;
}

/** Types each word, as fast as people do, and waits for the first row that is of it. */
async function searches({ context, page, organization }) {
  await page.addInitScript(watch);
  await page.goto("/dashboard/customers");
  await page.waitForFunction(() => window.seen.row);
  const took = [];
  for (const word of organization.words) {
    await page.getByLabel("Search").fill("");
    await page.waitForTimeout(600);
    await page.keyboard.type(word.toLowerCase(), { delay: 90 });
    const found = await page.waitForFunction((word) => {
      const { rows, key } = window.seen;
      const first = rows.find(({ at, text }) => at > key && text.includes(word));
      // All of what the letters before had asked for may be on the page already.
      return first ? first.at - key : rows.at(-1)?.text.includes(word) && performance.now() - key > 2000 ? -1 : null;
    }, word);
    const ms = await found.jsonValue();
    if (ms >= 0) took.push(ms);
  }
  return took;
}

async function audits({ origin, context, organization }) {
  const port = await new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
  const { default: lighthouse } = await import(`${organization.modules}/node_modules/lighthouse/core/index.js`);
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", chromiumSandbox: process.getuid() !== 0,
    args: ["--disable-dev-shm-usage", `--remote-debugging-port=${port}`] });
  let text = "";
  try {
    for (const path of AUDITED) for (const device of ["desktop", "mobile"]) {
      const cookies = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
      const config = device === "desktop" ? (await import(`${organization.modules}/node_modules/lighthouse/core/config/desktop-config.js`)).default : undefined;
      const { lhr } = await lighthouse(`${origin}/dashboard/${path}`, { port, onlyCategories: ["performance", "accessibility"], extraHeaders: { Cookie: cookies },
        logLevel: "error" }, config);
      const { performance, accessibility } = lhr.categories;
      const of = (name) => lhr.audits[name].displayValue;
      text += `${`Lighthouse, ${path}, ${device}`.padEnd(60)} performance ${Math.round(100 * performance.score)}, accessibility ${Math.round(100 * accessibility.score)}`
        + ` (largest paint ${of("largest-contentful-paint")}, blocked ${of("total-blocking-time")}, ${lhr.finalDisplayedUrl.replace(origin, "")})\n`;
      for (const audit of Object.values(lhr.audits))
        if (audit.score !== null && audit.score < 0.9 && audit.scoreDisplayMode !== "informative") text += `    ${audit.id}: ${audit.displayValue ?? audit.title}\n`;
    }
  } finally {
    await browser.close();
  }
  return text;
}

export async function measure(stage) {
  const out = new URL("../../var/", import.meta.url);
  await mkdir(out, { recursive: true });
  let text = line("first row of a million customers, cold cache", await cold(stage));
  text += line("result of a search, from the last key on", await searches(stage));
  text += await audits(stage);
  await writeFile(new URL("dashboard.txt", out), text);
}
