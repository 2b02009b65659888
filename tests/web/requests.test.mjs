// The request log: what was asked and what became of it, by the id of each answer.
import assert from "node:assert/strict";

const fact = (page, name) => page.locator(`dt:text-is("${name}") + dd`);
const rows = (page) => page.getByRole("region", { name: "Requests" }).locator("tbody tr");

/** By a key, with an id of its own. */
const ask = async ({ origin, organization }, id, path, init = {}) => {
  const reply = await fetch(`${origin}/api/v1${path}`, {
    ...init,
    headers: { "x-api-key": organization.keys.live, "X-Request-Id": id, "Content-Type": "application/json" },
  });
  return [reply.status, reply.headers.get("X-Request-Id")];
};

export async function a_request_is_found_by_the_id_of_its_answer(stage) {
  const { page, signIn, customer, accessible } = stage;
  const { id } = await customer("ada@example.com");
  for (let at = 0; at < 2; at++) assert.deepEqual(await ask(stage, "again-1", `/customers/${id}`), [200, "again-1"]);
  assert.deepEqual(await ask(stage, "wrong:1", "/customers", { method: "POST", body: '{"email":"nonsense"}' }), [400, "wrong:1"]);
  await signIn();
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.getByRole("heading", { name: "Request log" }).waitFor();
  await page.getByText(/Only the last requests that this host has answered are kept, in memory: all since \d/).waitFor();
  await accessible();

  // A whole line of a header is what one has at hand.
  await page.keyboard.press("/");
  await page.keyboard.type("x-request-id: wrong:1 ");
  await page.keyboard.press("Enter");
  await until("it is found", async () => (await rows(page).count()) === 1);
  const [row] = await rows(page).allInnerTexts();
  assert.match(row, /\d\d:\d\d:\d\d\s+POST \/api\/v1\/customers\s+400\s+\w+\s+[\d.]+ ms\s+API key /);
  assert.equal(new URL(page.url()).searchParams.get("q"), "wrong:1");
  assert.match(await rows(page).locator("time").getAttribute("title"), /^20.*Z \(UTC\)$/);
  await page.reload();
  await until("an address is enough", async () => (await rows(page).count()) === 1);
  await rows(page).getByRole("link").click();
  await page.getByRole("heading", { name: "Request", exact: true }).waitFor();
  await fact(page, "Status").getByText("400").waitFor();
  await fact(page, "Who").getByText(/^API key (?!key_)/).waitFor();
  await accessible();

  await page.goto("/dashboard/requests/again-1");
  await page.getByText("used this id more than once").waitFor();
  assert.equal(await fact(page, "Status").count(), 2);
  await page.getByRole("link", { name: "The customer" }).first().click();
  await page.getByRole("heading", { name: "ada@example.com" }).waitFor();

  await page.goto("/dashboard/requests/nobody_knows");
  await page.getByText("This request is not kept, or not any more").waitFor();
  await accessible();
}

export async function the_log_is_filtered_and_turned_over(stage) {
  const { page, signIn, customer, accessible } = stage;
  await customer("ada@example.com");
  for (let at = 0; at < 60; at++) await ask(stage, `page-${at}`, "/customers/nobody");
  await ask(stage, "good", "/customers");
  await ask(stage, "wrong", "/customers", { method: "POST", body: "{}" });
  await signIn("/dashboard/requests?status=4xx&method=GET");
  await until("a page is full", async () => (await rows(page).count()) === 50);
  assert.ok((await rows(page).allInnerTexts()).every((row) => /GET .*\b404\b/s.test(row)));
  await page.getByRole("button", { name: "Next page" }).click();
  await until("the rest", async () => (await rows(page).count()) === 10);
  await page.getByLabel("Status").selectOption("2xx");
  await page.getByLabel("Method").selectOption("POST");
  await rows(page).getByText("POST /api/v1/customers").waitFor();
  assert.ok((await rows(page).allInnerTexts()).every((row) => /POST .*\b20\d\b/s.test(row)));
  await accessible();

  await page.getByLabel("Request id").fill("nobody_knows");
  await page.keyboard.press("Enter");
  await page.getByText("No such request is kept").waitFor();
  assert.match(await page.locator(".empty pre").innerText(), /requestId=\$ID/);
  await accessible();
  await page.getByRole("button", { name: "Show all requests" }).click();
  await until("all", async () => (await rows(page).count()) === 50);
  await page.setViewportSize({ width: 390, height: 800 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
}

export async function an_error_leads_to_its_request({ page, context, signIn }) {
  await signIn("/dashboard/customers/cus_0000000000000000000000");
  const [log] = await Promise.all([context.waitForEvent("page"), page.getByRole("alert").getByRole("link", { name: /^req_/ }).click()]);
  await fact(log, "Status").getByText("404").waitFor();
  await fact(log, "Who").getByText(/^owner/).waitFor();
}

export async function a_member_sees_the_log_of_live_alone_and_not_of_the_sandbox(stage) {
  const { page, signIn, call } = stage;
  await call("POST", "/customers", { email: "s@example.com" }, "sandbox");
  await ask(stage, "live-1", "/customers");
  await signIn("/dashboard/requests?method=POST", "member");
  await page.getByText("No such request is kept").waitFor();
  await page.goto("/dashboard/requests?q=live-1");
  await until("it is there", async () => (await rows(page).count()) === 1);
}
