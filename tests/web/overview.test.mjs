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
  await page.getByText("The numbers").click();
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
