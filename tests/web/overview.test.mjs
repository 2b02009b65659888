// The overview: what it counts, what its bars lead to.
import assert from "node:assert/strict";

export async function the_overview_counts_by_month_status_and_plan({ page, signIn, call, customer, accessible }) {
  await signIn();
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.getByText("no plans").waitFor();
  await accessible();
  const [pro, basic] = [await call("POST", "/plans", { name: "Pro", code: "pro" }), await call("POST", "/plans", { name: "Basic", code: "basic" })];
  for (const { id } of [pro, basic]) await call("POST", `/plans/${id}/prices`, { billingInterval: "monthly", price: 4900 });
  const people = [];
  for (const name of ["a", "b", "c", "d"]) people.push(await customer(`${name}@example.com`));
  const sold = await call("POST", "/subscriptions", { customerId: people[0].id, planId: pro.id });
  await call("PATCH", `/invoices/${(await call("GET", `/invoices?subscriptionId=${sold.id}`)).data[0].id}/status`, { status: "paid" });
  await call("POST", "/subscriptions", { customerId: people[1].id, planId: pro.id });
  await call("POST", "/subscriptions", { customerId: people[2].id, planId: basic.id });
  await call("POST", `/customers/${people[3].id}/archive`);
  await page.reload();
  await page.getByText("4 customers, 4 of them new this month").waitFor();
  const table = async (name) => {
    const rows = page.getByRole("table", { name }).locator("tbody tr");
    await rows.first().waitFor();
    return Object.fromEntries(await rows.evaluateAll((all) => all.map((row) => [row.cells[0].innerText.trim(), Number(row.cells[1].innerText)])));
  };
  assert.deepEqual(await table(/^Customers with a subscription of the status/), { draft: 0, "pending payment": 2, trialing: 0, active: 1, "past due": 0, canceled: 0 });
  assert.deepEqual(await table(/^Customers with a subscription to the plan/), { Pro: 2, Basic: 1 });
  await page.getByText("The numbers", { exact: true }).click();
  const months = Object.values(await table("Customers at the end of each month"));
  assert.deepEqual(months, [...Array(11).fill(0), 4]);
  // The last column is as high as it can be, all of it new.
  const columns = await page.locator(".plot rect.new").evaluateAll((all) => all.map((rect) => Math.round(rect.getBoundingClientRect().height)));
  assert.deepEqual(columns, [...Array(11).fill(0), 180]);
  await accessible();
  await page.setViewportSize({ width: 390, height: 800 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
  await page.getByRole("link", { name: "pending payment" }).click();
  await page.getByText("b@example.com").waitFor();
  assert.equal(new URL(page.url()).search, "?status=pending_payment");
}

/** Each minute as a number and as a column; what is not known is not drawn as if nothing had been. */
export async function the_last_hour_is_drawn_and_told({ page, signIn, customer, origin, organization, accessible }) {
  const ask = (path) => fetch(`${origin}/api/v1${path}`, { headers: { "x-api-key": organization.keys.live } });
  await customer("ada@example.com");
  for (let at = 0; at < 3; at++) assert.equal((await ask("/customers/nobody")).status, 404);
  await signIn("/dashboard/overview");
  const hour = page.getByRole("region", { name: "Requests of the last hour" });
  await hour.getByText(/^\d+ requests, 3 refused \([\d.]+ %\), 0 failed \(0 %\)$/).waitFor();
  await hour.getByText(/^[\d.,]+ ms p50, [\d.,]+ ms p95 at \d\d:\d\d; at worst /).waitFor();
  // The service began less than an hour ago.
  await hour.getByText("Not all of this hour is known").waitFor();
  assert.equal(await hour.locator("rect.unknown").count(), 2);
  assert.ok((await hour.locator("rect.refused").count()) >= 1);
  await hour.getByText("The minutes in numbers").click();
  const cells = await hour.getByRole("table").locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].slice(1, 4).map((cell) => Number(cell.innerText))));
  assert.equal(cells.reduce((all, [, refused]) => all + refused, 0), 3);
  await accessible();
  await hour.getByRole("link", { name: "3 refused" }).click();
  await page.getByRole("heading", { name: "Request log" }).waitFor();
  assert.equal(new URL(page.url()).search, "?status=4xx");

  // Later, all of it is known, and something failed.
  await page.route("**/requests/summary?minutes=60", async (route) => {
    const reply = await route.fetch();
    const now = await reply.json();
    return route.fulfill({ response: reply, json: { ...now, since: "2026-01-01T00:00:00.000Z", minutes: now.minutes.map((minute) => ({ ...minute, requests: 2, clientErrors: 0, serverErrors: 1, p50Ms: 4, p95Ms: 40 })) } });
  });
  await page.goto("/dashboard/overview");
  await hour.getByText("120 requests, 0 refused (0 %), 60 failed (50 %)").waitFor();
  assert.equal(await hour.locator("rect.unknown").count(), 0);
  assert.equal(await hour.getByText("Not all of this hour is known").count(), 0);
  const heights = await hour.locator("rect.failed").evaluateAll((all) => all.map((rect) => Math.round(rect.getBoundingClientRect().height)));
  assert.deepEqual(heights, Array(60).fill(60));
  await page.setViewportSize({ width: 390, height: 800 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
}
