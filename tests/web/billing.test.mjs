// Plans, subscriptions, invoices, keys.
import assert from "node:assert/strict";

const fact = (page, name) => page.locator(`dt:text-is("${name}") + dd`);

async function plan(call, code, price, more = {}) {
  const made = await call("POST", "/plans", { name: code.toUpperCase(), code, isPublic: true, ...more });
  await call("POST", `/plans/${made.id}/prices`, { billingInterval: "monthly", price });
  return made;
}

export async function a_plan_is_made_with_its_price({ page, signIn, call, accessible }) {
  await signIn("/dashboard/plans");
  await page.getByText("No plans yet").waitFor();
  await accessible();
  await page.getByRole("button", { name: "New plan" }).click();
  const dialog = page.getByRole("dialog", { name: "New plan" });
  await dialog.getByLabel("Name").fill("Pro");
  await dialog.getByLabel("Code").fill("Not Allowed");
  await dialog.getByLabel("Price").fill("4900");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.locator(".mantine-TextInput-error").waitFor();
  await accessible();
  await dialog.getByLabel("Code").fill("pro");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("cell", { name: "pro", exact: true }).waitFor();
  const { data } = await call("GET", "/plans?includePrivate=true");
  assert.deepEqual(data.map(({ code, isPublic, prices }) => [code, isPublic, prices.map(({ price }) => price)]), [["pro", false, [4900]]]);
  await page.getByRole("button", { name: "Make public: Pro" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make public" }).click();
  await page.getByRole("button", { name: "Make private: Pro" }).waitFor();
  await accessible();
}

/** One could tick "Free of charge" then, and it closed as if that were done; the next new plan began with this one's fields. */
export async function a_plan_whose_price_is_refused_is_there_and_says_so({ page, signIn, call }) {
  await signIn("/dashboard/plans");
  await page.getByRole("button", { name: "New plan" }).click();
  const dialog = page.getByRole("dialog", { name: "New plan" });
  await dialog.getByLabel("Name").fill("Pro");
  await dialog.getByLabel("Price").fill("much");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByText("The plan was made; its price was not.").waitFor();
  for (const label of ["Name", "Code", "Public", "Free"]) assert.ok(await dialog.getByLabel(label).isDisabled(), label);
  await dialog.getByRole("button", { name: "To the plan" }).click();
  await page.getByRole("heading", { name: "Pro" }).waitFor();
  await page.getByText("None yet: nobody can subscribe to it.").waitFor();

  await page.getByRole("link", { name: "Plans", exact: true }).first().click();
  await page.getByRole("button", { name: "New plan" }).click();
  await dialog.getByLabel("Name").fill("Basic");
  await dialog.getByLabel("Price").fill("much");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByText("The plan was made; its price was not.").waitFor();
  await dialog.getByLabel("Price").fill("1000");
  await dialog.getByRole("button", { name: "Add the price" }).click();
  await dialog.waitFor({ state: "hidden" });
  const { data } = await call("GET", "/plans?includePrivate=true");
  assert.deepEqual(data.map(({ code, prices }) => [code, prices.map(({ price }) => price)]), [["basic", [1000]], ["pro", []]]);
}

export async function a_customer_subscribes_pays_changes_and_cancels({ page, signIn, call, customer, accessible }) {
  const group = await call("POST", "/plan-groups", { name: "Plans" });
  for (const [code, price] of [["basic", 1000], ["pro", 4900]]) {
    const { id } = await plan(call, code, price);
    await call("POST", `/plan-groups/${group.id}/plans`, { planId: id });
  }
  const { id } = await customer("ada@example.com");
  await signIn(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Assign a plan" }).click();
  await page.getByRole("dialog").getByLabel("Plan").selectOption({ label: "BASIC" });
  await accessible();
  await page.getByRole("button", { name: "Subscribe" }).click();
  await fact(page, "Status").getByText("pending payment").waitFor();

  await page.getByRole("region", { name: "Invoices of this customer" }).getByRole("link").first().click();
  await page.getByRole("heading", { name: /^Invoice / }).waitFor();
  await accessible();
  const refuse = (route) => (["PATCH", "GET"].includes(route.request().method()) ? route.fulfill({ status: 500, body: "{}" }) : route.continue());
  await page.route("**/invoices/*/status", refuse);
  await page.getByRole("button", { name: "Mark paid" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Mark paid" }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Void" }).click();
  const voiding = page.getByRole("dialog", { name: "Void this invoice?" });
  await voiding.getByRole("button", { name: "Void" }).waitFor();
  assert.equal(await voiding.getByRole("alert").count(), 0); // it had that of the other button
  await voiding.getByRole("button", { name: "Cancel" }).click();
  await page.unroute("**/invoices/*/status");

  // What was shown stays when it cannot be fetched again.
  await page.route("**/api/v1/invoices/inv_*", refuse);
  await page.getByRole("button", { name: "Mark paid" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Mark paid" }).click();
  await page.locator("main").getByRole("alert").waitFor();
  await page.getByRole("heading", { name: /^Invoice / }).waitFor();
  await page.unroute("**/api/v1/invoices/inv_*");
  await page.getByRole("button", { name: "Try again" }).click();
  await fact(page, "Status").getByText("paid").waitFor();
  await fact(page, "Customer").getByRole("link", { name: "ada@example.com" }).click();
  await fact(page, "Status").getByText("active").waitFor();

  await page.getByRole("button", { name: "Change plan" }).click();
  await page.getByRole("dialog").getByLabel("Plan").selectOption({ label: "PRO" });
  await page.getByRole("dialog").getByText("To pay").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });

  await page.getByRole("button", { name: "Cancel the subscription" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the subscription" }).click();
  await page.getByRole("button", { name: "Take the cancellation back" }).click();
  await page.getByRole("button", { name: "Change plan" }).waitFor();
  await accessible();

  for (const [path, row] of [["subscriptions", "BASIC, monthly"], ["invoices", "BASIC"]]) {
    await page.goto(`/dashboard/${path}`);
    await page.getByRole("cell", { name: row }).waitFor();
    await accessible();
    await page.getByLabel("Status").selectOption(path === "invoices" ? "void" : "canceled");
    await page.getByText(`No ${path}`).waitFor();
  }
}

export async function a_change_from_a_free_plan_leaves_nothing_of_it({ page, signIn, call, customer }) {
  const group = await call("POST", "/plan-groups", { name: "Plans" });
  const free = await call("POST", "/plans", { name: "FREE", code: "free", isFree: true, planGroupId: group.id });
  await plan(call, "pro", 4900, { planGroupId: group.id });
  const { id } = await customer("ada@example.com");
  await call("POST", "/subscriptions", { customerId: id, planId: free.id });
  await signIn(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Change plan" }).click();
  await page.getByRole("dialog").getByLabel("Plan").selectOption({ label: "PRO" });
  await page.getByRole("dialog").getByText("To pay").waitFor();
  assert.match(await fact(page, "Left of the old one").innerText(), /^[^-\u2212]*0\.00$/);
}

/** Plans came from the first page of their list, where the newest hundred are. */
export async function the_oldest_of_many_plans_is_found_assigned_and_named_after_it_was_deleted({ page, signIn, call, customer, accessible }) {
  const oldest = await plan(call, "oldest", 1000);
  for (let i = 0; i < 100; i += 10) await Promise.all(Array.from({ length: 10 }, (_, j) => call("POST", "/plans", { name: `P${i + j}`, code: `p${i + j}` })));
  const { id } = await customer("ada@example.com");
  await signIn();
  await page.getByLabel("Plan", { exact: true }).selectOption({ label: "OLDEST" });
  await page.getByText("Nothing was found").waitFor();

  await page.goto(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Assign a plan" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Plan").selectOption({ label: "OLDEST" });
  await page.getByRole("button", { name: "Subscribe" }).click();
  await fact(page, "Status").getByText("pending payment").waitFor();
  const { data } = await call("GET", `/invoices?customerId=${id}`);
  await call("PATCH", `/invoices/${data[0].id}/status`, { status: "paid" });
  await call("DELETE", `/plans/${oldest.id}`);

  await page.reload();
  await page.getByRole("button", { name: "Change plan" }).click();
  await dialog.getByRole("option", { name: "OLDEST (deleted)" }).waitFor({ state: "attached" });
  assert.equal(await dialog.getByLabel("Plan").inputValue(), oldest.id);
  assert.ok(await dialog.getByRole("button", { name: "Change", exact: true }).isDisabled());
  await accessible();

  await page.route("**/api/v1/plans?*", (route) => route.fulfill({ status: 500, body: "{}" }));
  await page.reload();
  await page.getByRole("button", { name: "Change plan" }).click();
  await dialog.getByRole("alert").waitFor();
}

export async function a_key_is_made_shown_once_and_revoked({ page, signIn, origin, accessible }) {
  await signIn("/dashboard/api-keys");
  await page.getByRole("button", { name: "New key" }).click();
  const dialog = page.getByRole("dialog", { name: "New API key" });
  await dialog.getByLabel("Name").fill("Shop");
  await dialog.getByLabel("It may do").selectOption("some");
  await dialog.getByLabel("Customers").selectOption("read");
  await accessible();
  await dialog.getByLabel("Good for, in days").fill("30 days"); // it was one of 365
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.locator(".mantine-TextInput-error").waitFor();
  await dialog.getByLabel("Good for, in days").fill("30");
  await dialog.getByRole("button", { name: "Create" }).click();
  const key = await page.locator("[data-secret]").innerText();
  await accessible();
  await page.getByRole("button", { name: "I have it" }).click();
  const ask = async (method, path) => (await fetch(`${origin}/api/v1${path}`, { method, headers: { "x-api-key": key, "Content-Type": "application/json" } })).status;
  assert.deepEqual([await ask("GET", "/customers"), await ask("GET", "/plans"), await ask("POST", "/customers")], [200, 403, 403]);
  assert.ok(!(await page.content()).includes(key));
  await page.getByRole("button", { name: "Revoke Shop" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("button", { name: "Revoke Shop" }).waitFor({ state: "detached" });
  await until("the key is refused", async () => (await ask("GET", "/customers")) === 401);
}

export async function a_sandbox_shows_its_clock_and_sets_it_forward({ page, signIn, call, accessible }) {
  const { id } = await call("POST", "/plans", { name: "Pro", code: "pro" }, "sandbox");
  await call("POST", `/plans/${id}/prices`, { billingInterval: "monthly", price: 4900, trialDays: 14 }, "sandbox");
  const customer = await call("POST", "/customers", { email: "ada@example.com" }, "sandbox");
  await signIn();
  assert.equal(await page.getByRole("button", { name: "Set the clock forward" }).count(), 0);
  await page.getByRole("button", { name: /^Acting in/ }).click();
  await page.getByRole("menuitem", { name: "Sandbox" }).click();
  await page.getByText("Its clock is the real one").waitFor();
  await page.getByRole("link", { name: "ada@example.com" }).click();
  await page.getByRole("button", { name: "Assign a plan" }).click();
  await page.getByRole("dialog").getByLabel("Plan").selectOption({ label: "Pro (private)" });
  await page.getByLabel("Without the trial").check();
  await page.getByRole("button", { name: "Subscribe" }).click();
  await fact(page, "Status").getByText("pending payment").waitFor();
  const { data } = await call("GET", `/invoices?customerId=${customer.id}`, undefined, "sandbox");
  await call("PATCH", `/invoices/${data[0].id}/status`, { status: "paid" }, "sandbox");
  await page.reload();
  await fact(page, "Status").getByText("active").waitFor();
  await page.getByRole("button", { name: "Set the clock forward" }).click();
  await accessible();
  for (const days of ["-1", "32 days", ""]) {
    await page.getByLabel("Days").fill(days);
    await page.getByRole("button", { name: "Forward", exact: true }).click();
    await page.locator(".mantine-TextInput-error").waitFor();
  }
  await page.getByLabel("Days").fill("32");
  await page.getByRole("button", { name: "Forward", exact: true }).click();
  await page.getByText("Test clock:").waitFor();
  await until("the month is over and there is a second invoice", async () => (await page.getByRole("region", { name: "Invoices of this customer" }).locator("tbody tr").count()) === 2);
}

export async function a_plan_is_assigned_to_many_and_who_has_one_is_told({ page, signIn, call, customer, accessible }) {
  const { id } = await plan(call, "pro", 4900);
  await plan(call, "basic", 1000);
  const people = [await customer("a@example.com"), await customer("b@example.com"), await customer("c@example.com")];
  const sold = await call("POST", "/subscriptions", { customerId: people[2].id, planId: id });
  await call("PATCH", `/invoices/${(await call("GET", `/invoices?subscriptionId=${sold.id}`)).data[0].id}/status`, { status: "paid" });
  await signIn();
  await page.getByLabel("Select all of this page").check();
  await page.getByRole("button", { name: "Assign a plan" }).click();
  const dialog = page.getByRole("dialog", { name: "Assign a plan to 3 customers" });
  await dialog.getByLabel("Plan").selectOption({ label: "BASIC" });
  await dialog.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("2 subscribed, 1 not").waitFor();
  await page.getByRole("alert").getByText("already_has_active_subscription").waitFor();
  await page.getByText("1 selected").waitFor();
  await accessible();
  assert.equal((await call("GET", "/customers?planCode=basic")).data.length, 2);
}
