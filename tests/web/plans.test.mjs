// A plan's page, and groups of plans in their order.
import assert from "node:assert/strict";

const fact = (page, name) => page.locator(`dt:text-is("${name}") + dd`);

async function fitsAPhone(page) {
  await page.setViewportSize({ width: 390, height: 800 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `it is ${width} wide`);
}

export async function a_plan_is_changed_on_its_page({ page, signIn, call, accessible }) {
  const group = await call("POST", "/plan-groups", { name: "Self-service" });
  const { id } = await call("POST", "/plans", '{"name":"Pro","code":"pro","metadata":{"big":12345678901234567890123}}');
  await signIn("/dashboard/plans");
  await page.getByRole("link", { name: "Pro", exact: true }).click();
  await page.waitForURL(`**/plans/${id}`);
  await page.getByText("12345678901234567890123").waitFor();
  await accessible();
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Edit Pro" });
  await dialog.getByLabel("Name").fill("Professional");
  await dialog.getByLabel("Code").fill("Not Allowed");
  await dialog.getByLabel("Description").fill("<script>alert(1)</script>");
  await dialog.getByLabel("Public").check();
  await dialog.getByLabel("Group").selectOption({ label: "Self-service" });
  await dialog.getByLabel("Consumption").selectOption("credits");
  await dialog.getByLabel("Metadata").fill('{"big": 1e400');
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("This is not a JSON object").waitFor();
  await dialog.getByLabel("Metadata").fill('{"big": 12345678901234567890124}');
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.locator(".mantine-TextInput-error").waitFor();
  await accessible();
  await dialog.getByLabel("Code").fill("professional");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Professional", level: 1 }).waitFor();
  await fact(page, "Description").getByText("<script>").waitFor();
  await fact(page, "Group").getByRole("link", { name: "Self-service" }).waitFor();
  const now = await call("GET", `/plans/${id}`);
  assert.deepEqual([now.code, now.isPublic, now.planGroupId, now.consumptionModel], ["professional", true, group.id, "credits"]);
  assert.match(now.text, /12345678901234567890124/);
  await page.getByRole("button", { name: "Delete the plan" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("No plans yet").waitFor();
  await page.goto(`/dashboard/plans/${id}`);
  await page.getByRole("heading", { name: "No such plan" }).waitFor();
  await accessible();
}

export async function prices_are_added_changed_and_deleted({ page, signIn, call, accessible }) {
  const { id } = await call("POST", "/plans", { name: "Pro", code: "pro" });
  await call("POST", `/plans/${id}/prices`, { billingInterval: "monthly", price: 4900, trialDays: 14 });
  const prices = async () => (await call("GET", `/plans/${id}`)).prices.map(({ billingInterval, price, trialDays, isDefault }) => [billingInterval, price, trialDays, isDefault]);
  await signIn(`/dashboard/plans/${id}`);
  await page.getByRole("button", { name: "Add price to Pro" }).click();
  let dialog = page.getByRole("dialog", { name: "A price of Pro" });
  await dialog.getByLabel("Interval").selectOption("yearly");
  await dialog.getByLabel("Price").fill("much");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.locator(".mantine-TextInput-error").waitFor();
  await accessible();
  await dialog.getByLabel("Price").fill("49000");
  await dialog.getByRole("button", { name: "Add" }).click();
  await page.getByRole("cell", { name: "yearly", exact: true }).waitFor();
  await page.getByRole("button", { name: "Edit the monthly price" }).click();
  dialog = page.getByRole("dialog", { name: "The monthly price of Pro" });
  await dialog.getByLabel("Price").fill("5900");
  await dialog.getByLabel("Days of trial").fill("");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Make default: the yearly price" }).click();
  await page.getByRole("button", { name: "Make default: the monthly price" }).waitFor();
  assert.deepEqual(await prices(), [["monthly", 5900, 0, false], ["yearly", 49000, 0, true]]);
  await accessible();
  await page.getByRole("button", { name: "Delete the monthly price" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("cell", { name: "monthly", exact: true }).waitFor({ state: "detached" });
  assert.deepEqual(await prices(), [["yearly", 49000, 0, true]]);
  await fitsAPhone(page);
}

export async function a_group_is_made_filled_changed_and_deleted({ page, signIn, call, accessible }) {
  const { id } = await call("POST", "/plans", { name: "Pro", code: "pro" });
  await signIn("/dashboard/plans");
  await page.getByRole("link", { name: "Plan groups" }).click();
  await page.getByText("No plan groups yet").waitFor();
  await accessible();
  await page.keyboard.press("n");
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await page.getByRole("dialog").locator(".mantine-TextInput-error").waitFor();
  await accessible();
  await page.getByRole("dialog").getByLabel("Name").fill("Self-service");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Self-service" }).waitFor();
  await page.getByLabel("Plan that is in no group").selectOption({ label: "Pro (pro)" });
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("list").getByRole("link", { name: "Pro", exact: true }).waitFor();
  await page.getByText("All plans are in a group").waitFor();
  await accessible();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("For all");
  // What somebody else writes meanwhile stays.
  const [group] = (await call("GET", "/plan-groups")).data;
  await call("PATCH", `/plan-groups/${group.id}`, { description: "Without a salesman" });
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "For all" }).waitFor();
  await page.getByText("Without a salesman").waitFor();
  await page.getByRole("button", { name: "Take out Pro" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take out" }).click();
  await page.getByText("None yet.").waitFor();
  assert.equal((await call("GET", `/plans/${id}`)).planGroupId, null);
  await page.getByRole("button", { name: "Delete the group" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("No plan groups yet").waitFor();
}

export async function plans_are_put_in_order_by_mouse_and_by_keyboard({ page, signIn, call, accessible }) {
  const { id } = await call("POST", "/plan-groups", { name: "Self-service" });
  for (const code of ["a", "b", "c", "d"]) await call("POST", "/plans", { name: code.toUpperCase(), code, planGroupId: id });
  const saved = async () => (await call("GET", `/plan-groups/${id}`)).plans.map(({ code }) => code).join("");
  const rows = page.locator(".order li");
  const shown = async () => (await rows.locator("code").allInnerTexts()).join("");
  const both = (order) => until(`the order ${order}`, async () => (await shown()) === order && (await saved()) === order);
  await signIn(`/dashboard/plans/groups/${id}`);
  await rows.nth(3).waitFor();
  await accessible();
  await rows.nth(3).locator(".grip").dragTo(rows.nth(1));
  await both("adbc");
  await rows.nth(0).locator(".grip").dragTo(rows.nth(3));
  await both("dbca");

  // Two at once, and the button that was pressed keeps the focus.
  await page.getByRole("button", { name: "Move A up" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await both("dabc");
  await page.getByRole("status").filter({ hasText: "A is now number 2 of 4." }).waitFor();
  await page.keyboard.press("Alt+ArrowUp");
  await both("adbc");
  await page.keyboard.press("Alt+ArrowUp");
  await page.keyboard.press("Alt+ArrowDown");
  await both("dabc");

  // Somebody else has put another plan in: nothing is lost of it, and the order is the service's.
  await page.locator('.order[aria-busy="false"]').waitFor(); // or what is read again after the last change has that plan, too
  await call("POST", "/plans", { name: "E", code: "e", planGroupId: id });
  await page.getByRole("button", { name: "Move D down" }).click();
  await page.getByRole("alert").waitFor();
  await both("dabce");
  await accessible();
  await fitsAPhone(page);
}

export async function a_member_looks_at_plans_and_changes_none({ page, signIn, call }) {
  const group = await call("POST", "/plan-groups", { name: "Self-service" });
  const { id } = await call("POST", "/plans", { name: "Pro", code: "pro", planGroupId: group.id });
  await signIn(`/dashboard/plans/${id}`, "member");
  for (const [path, heading] of [[`plans/${id}`, "Pro"], [`plans/groups/${group.id}`, "Self-service"], ["plans/groups", "Plan groups"]]) {
    await page.goto(`/dashboard/${path}`);
    await page.getByRole("heading", { name: heading }).waitFor();
    assert.equal(await page.locator("main").getByRole("button", { name: /Edit|Delete|Add|Move|Take|New/ }).count(), 0, path);
  }
}
