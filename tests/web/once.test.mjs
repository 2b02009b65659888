// src/api/once.ts: a write takes effect once, and is sent again by itself only where that is sure.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const web = new URL("../../web/", import.meta.url);
const { build } = createRequire(new URL("package.json", web))("esbuild");
const { outputFiles } = await build({ entryPoints: [new URL("src/api/once.ts", web).pathname], format: "esm", write: false });
const { asks, takesKey } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);

/* Of the calls that no page makes, this one is like none of the others. */
const STRANGE = "/test-clock/process-billing";

export async function keys_go_where_the_description_says_that_they_are_taken() {
  const { paths } = JSON.parse(readFileSync(new URL("../doc/openapi.json", web), "utf8"));
  let seen = 0;
  for (const [path, operations] of Object.entries(paths))
    for (const method of ["post", "put", "patch", "delete"].filter((name) => operations[name] && path !== STRANGE)) {
      const taken = (operations[method].parameters ?? []).some(({ $ref }) => $ref === "#/components/parameters/IdempotencyKey");
      const name = method.toUpperCase();
      assert.equal(takesKey(name, path) || asks(name, path), taken, `${name} ${path}`);
      seen++;
    }
  assert.ok(seen > 40, String(seen));
}

export async function what_is_pressed_again_after_a_lost_answer_is_done_once({ page, signIn, call }) {
  await signIn("/dashboard/customers?new=yes");
  const dialog = page.getByRole("dialog", { name: "New customer" });
  const make = async (name) => {
    await dialog.getByLabel("E-mail address").fill("ada@example.com");
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByRole("button", { name: "Create" }).click();
  };
  const keys = [];
  const lose = async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    keys.push(route.request().headers()["idempotency-key"]);
    await route.fetch();
    await route.abort();
  };
  await page.route("**/api/v1/customers", lose);
  await make("Ada");
  const unknown = dialog.getByText("It is not known whether this was done. Press again: it takes effect once.");
  await unknown.waitFor();
  await make("Ada King");
  await until("it was sent three times more", () => keys.length === 6);
  await unknown.waitFor();
  assert.equal(new Set(keys.slice(0, 3)).size, 1);
  assert.equal(new Set(keys.slice(3)).size, 1);
  assert.notEqual(keys[0], keys[3]); // other content is another customer

  await page.unroute("**/api/v1/customers", lose);
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/customers"));
  await make("Ada King");
  assert.equal((await sent).headers()["idempotency-key"], keys[3]);
  await page.getByRole("heading", { name: "Ada King" }).waitFor();
  const names = async () => (await call("GET", "/customers")).data.map(({ fullName }) => fullName).sort();
  assert.deepEqual(await names(), ["Ada", "Ada King"]);

  // What is done may be wanted once more.
  await page.goto("/dashboard/customers?new=yes");
  await make("Ada King");
  await page.getByRole("heading", { name: "Ada King" }).waitFor();
  assert.deepEqual(await names(), ["Ada", "Ada King", "Ada King"]);
}

/** It was sent three times: a second invitation is refused, and the link of the first was lost. */
export async function what_takes_no_key_is_sent_once_by_itself({ page, signIn }) {
  await signIn("/dashboard/users?new=yes");
  const keys = [];
  await page.route("**/api/v1/users", (route) => {
    if (route.request().method() !== "POST") return route.continue();
    keys.push(route.request().headers()["idempotency-key"]);
    return route.fulfill({ status: 502, body: "" });
  });
  const dialog = page.getByRole("dialog", { name: "Invite somebody" });
  await dialog.getByLabel("E-mail address").fill("grace@example.com");
  await dialog.getByRole("button", { name: "Make a link" }).click();
  await dialog.getByText("It is not known whether this was done. Look before you press again.").waitFor();
  assert.deepEqual(keys, [undefined]);
}
