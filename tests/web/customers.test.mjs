// Customers: found, made, looked at, changed, archived, erased.
import assert from "node:assert/strict";

const fact = (page, name) => page.locator(`dt:text-is("${name}") + dd`);

export async function an_empty_place_says_how_customers_come({ page, signIn, accessible, origin }) {
  await signIn();
  await page.getByText("No customers yet").waitFor();
  assert.match(await page.locator(".empty pre").innerText(), new RegExp(`^curl ${origin}/api/v1/customers`));
  await accessible();
}

/** Where somebody stood who was new here: an empty list said "0", and what was missing had no link. */
export async function who_is_new_is_led_on({ page, signIn, customer, accessible }) {
  await signIn();
  await page.getByText("0 found", { exact: true }).waitFor();
  await page.getByRole("link", { name: "your API keys" }).click();
  await page.getByRole("heading", { name: "API keys" }).waitFor();

  const { id } = await customer("ada@example.com", { fullName: "Ada King" });
  await page.goto(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Assign a plan" }).click();
  await page.getByText("There are no plans yet.").waitFor();
  await accessible();
  await page.getByRole("link", { name: "Make one" }).click();
  const dialog = page.getByRole("dialog", { name: "New plan" });
  await dialog.getByLabel("Name").fill("Café, für zwei");
  assert.equal(await dialog.getByLabel("Code").inputValue(), "cafe_fur_zwei");
  await dialog.getByLabel("Code").fill("cafe_2");
  await dialog.getByLabel("Name").fill("Café");
  assert.equal(await dialog.getByLabel("Code").inputValue(), "cafe_2");
  await dialog.getByLabel("Price").fill("4900");
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.getByRole("cell", { name: "cafe_2" }).waitFor();

  await page.goto(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Assign a plan" }).click();
  await page.getByRole("dialog").getByLabel("Plan").selectOption({ label: "Café (private)" });
  await page.getByRole("button", { name: "Subscribe" }).click();
  const invoices = page.getByRole("region", { name: "Invoices of this customer" });
  await invoices.getByText("$49.00").waitFor();
  assert.ok(await invoices.evaluate((region) => region.scrollWidth <= region.clientWidth), "the amount of an invoice is seen without scrolling");
  await page.getByRole("button", { name: "Cancel the subscription" }).waitFor();
  await invoices.getByRole("link").click();
  await page.getByRole("link", { name: "Ada King" }).waitFor();
  for (const list of ["invoices", "subscriptions"]) {
    await page.goto(`/dashboard/${list}`);
    await page.getByRole("cell", { name: "Ada King" }).waitFor();
  }
}

export async function a_customer_is_made_by_keyboard_alone({ page, signIn, accessible }) {
  await signIn();
  await page.getByText("No customers yet").waitFor();
  await page.keyboard.press("n");
  const dialog = page.getByRole("dialog", { name: "New customer" });
  await dialog.getByLabel("E-mail address").waitFor();
  await until("the first field has the focus", () => dialog.getByLabel("E-mail address").evaluate((e) => e === document.activeElement));
  await page.keyboard.type("not an address");
  await page.keyboard.press("Enter");
  await dialog.locator(".mantine-TextInput-error").waitFor();
  await accessible();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await page.keyboard.press("n");
  await until("the first field has the focus", () => dialog.getByLabel("E-mail address").evaluate((e) => e === document.activeElement));
  assert.equal(await dialog.locator(".mantine-TextInput-error").count(), 0); // it was that of before
  await page.keyboard.press("Control+a");
  await page.keyboard.type("ada@example.com");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Ada <b>King</b>");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Ada <b>King</b>" }).waitFor();
  await page.getByText("Customer created").waitFor();
  await accessible();
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.getByRole("link", { name: "ada@example.com" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "History" }).waitFor();
  await page.goBack();
  await page.getByRole("link", { name: "ada@example.com" }).waitFor();
}

export async function a_search_filters_as_one_types_and_stands_in_the_address({ page, signIn, customer, accessible }) {
  for (const name of ["Ada King", "Grace Hopper", "Alan Turing"]) await customer(`${name.split(" ")[0].toLowerCase()}@example.com`, { fullName: name });
  await signIn();
  await page.getByText("3 found").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("hopp");
  await page.getByText("1 found").waitFor();
  await page.getByRole("link", { name: "grace@example.com" }).waitFor();
  await until("the search stands in the address", () => new URL(page.url()).searchParams.get("q") === "hopp");
  await page.reload();
  await page.getByText("1 found").waitFor();
  assert.equal(await page.getByLabel("Search").inputValue(), "hopp");
  await page.getByLabel("Search").fill("nobody at all");
  await page.getByText("Nothing was found").waitFor();
  await accessible();
  await page.getByRole("button", { name: "Show all customers" }).click();
  await page.getByText("3 found").waitFor();
  assert.equal(await page.getByLabel("Search").inputValue(), "");
  // The address comes behind who types, and took letters back.
  await page.getByLabel("Search").pressSequentially("grace hopper of the navy", { delay: 45 });
  await until("the search stands in the address", () => new URL(page.url()).searchParams.get("q") === "grace hopper of the navy");
  assert.equal(await page.getByLabel("Search").inputValue(), "grace hopper of the navy");
  await page.goBack();
  await until("the field follows the address", async () => (await page.getByLabel("Search").inputValue()) === (new URL(page.url()).searchParams.get("q") ?? ""));
  await page.getByLabel("Order").selectOption("fullName");
  await until("they are in the order of their names", async () => (await page.locator("tbody tr td:nth-child(3)").allInnerTexts()).join() === "Ada King,Alan Turing,Grace Hopper");
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("menuitemcheckbox", { name: "Time zone" }).click();
  await page.getByRole("columnheader", { name: "Time zone" }).waitFor();
}

export async function many_customers_come_in_pages_and_are_archived_together({ page, signIn, call, accessible }) {
  const customers = Array.from({ length: 60 }, (_, i) => ({ email: `c${i}@example.com` }));
  await call("POST", "/customers/batch", { customers });
  await signIn();
  await page.getByText("60 found").waitFor();
  assert.equal(await page.locator("tbody tr").count(), 50);
  await page.getByRole("button", { name: "Next page" }).click();
  await until("the second page is shown", async () => (await page.locator("tbody tr").count()) === 10);
  await page.goBack();
  await until("the first page is shown", async () => (await page.locator("tbody tr").count()) === 50);
  await page.getByLabel("Select all of this page").check();
  await accessible();
  await page.getByRole("status").getByRole("button", { name: "Archive" }).click();
  await page.getByText("50 archived").waitFor();
  await page.getByText("10 found").waitFor();
  await page.getByLabel("Archived").selectOption("true");
  await page.getByText("50 found").waitFor();
}

export async function two_who_change_the_same_see_each_others_change({ page, signIn, customer, call, accessible }) {
  const { id } = await customer("ada@example.com", { fullName: "Ada" });
  await signIn(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Edit Name" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Ada King");
  await call("PATCH", `/customers/${id}`, { fullName: "Countess Ada" });
  await page.keyboard.press("Enter");
  const conflict = page.getByRole("alert").filter({ hasText: "Somebody changed this customer" });
  await conflict.getByText("Countess Ada").waitFor();
  assert.equal((await call("GET", `/customers/${id}`)).fullName, "Countess Ada");
  await accessible();
  await conflict.getByRole("button", { name: "Save yours" }).click();
  await page.getByRole("heading", { name: "Ada King" }).waitFor();
  assert.equal((await call("GET", `/customers/${id}`)).fullName, "Ada King");

  await page.getByRole("button", { name: "Edit Tax document" }).click();
  await page.getByLabel("Tax document").fill("X");
  await call("PATCH", `/customers/${id}`, { taxDocument: "DE1" });
  await page.keyboard.press("Enter");
  await conflict.getByRole("button", { name: "Keep what is there now" }).click();
  await fact(page, "Tax document").getByText("DE1").waitFor();
}

export async function broken_fields_are_told_in_place({ page, signIn, customer }) {
  const { id } = await customer("ada@example.com");
  await signIn(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Edit E-mail address" }).click();
  await page.getByLabel("E-mail address", { exact: true }).fill("nonsense");
  await page.keyboard.press("Enter");
  await fact(page, "E-mail address").locator(".mantine-TextInput-error").waitFor();
  await page.keyboard.press("Escape");
  await fact(page, "E-mail address").getByText("ada@example.com").waitFor();
  await page.getByRole("button", { name: "Edit Address" }).click();
  await page.getByLabel(/^Street \*/).fill("Broadway 1");
  await page.getByRole("button", { name: "Save" }).click();
  await until("three lines are told to be missing", async () => (await fact(page, "Address").locator(".mantine-TextInput-error").count()) === 3);
  await page.getByLabel("City").fill("Berlin");
  await page.getByLabel("Postal code").fill("10115");
  await page.getByLabel("Country").fill("DE");
  await page.getByRole("button", { name: "Save" }).click();
  await fact(page, "Address").getByText("Broadway 1, 10115 Berlin, DE").waitFor();
}

export async function metadata_keep_numbers_that_javascript_cannot_hold({ page, signIn, call, accessible }) {
  const big = "123456789012345678901234567890.10";
  const { id } = await call("POST", "/customers", `{"email":"ada@example.com","metadata":{"10":${big},"2":"<i>text</i>","list":[1,{"a":1e400}]}}`);
  await signIn(`/dashboard/customers/${id}`);
  await fact(page, "10").getByText(big).waitFor();
  await fact(page, "2").getByText("<i>text</i>").waitFor();
  await page.getByRole("button", { name: "Edit Metadata" }).click();
  await accessible();
  await page.getByRole("button", { name: "Add a key" }).click();
  await page.getByLabel("Key 4").fill("seats");
  await page.getByLabel("Kind of value 4").selectOption("json");
  await page.getByLabel("Value 4", { exact: true }).fill("9007199254740993,");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("This is not JSON").waitFor();
  await page.getByLabel("Value 4", { exact: true }).fill("9007199254740993");
  await page.getByRole("button", { name: "Save" }).click();
  await fact(page, "seats").getByText("9007199254740993").waitFor();
  const { text } = await call("GET", `/customers/${id}`);
  assert.ok(text.replace(/\s/g, "").includes(`"metadata":{"10":${big},"2":"<i>text</i>","list":[1,{"a":1e400}],"seats":9007199254740993}`), text);
  const change = page.locator("#history ~ div").getByRole("row").filter({ hasText: "metadata" }).first();
  await change.getByText("9007199254740993").waitFor();
}

export async function a_customer_is_archived_restored_and_erased({ page, signIn, customer, call, accessible }) {
  const { id } = await customer("ada@example.com", { fullName: "Ada King" });
  await signIn(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Archive" }).click();
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByRole("button", { name: "Archive" }).waitFor();
  await page.getByRole("button", { name: "Erase" }).click();
  const dialog = page.getByRole("dialog", { name: "Erase this customer" });
  await accessible();
  assert.ok(await dialog.getByRole("button", { name: "Erase for good" }).isDisabled());
  await dialog.getByLabel("To erase, type ada@example.com").fill("ada@example.com");
  await dialog.getByRole("button", { name: "Erase for good" }).click();
  await page.getByText("No customers yet").waitFor();
  await assert.rejects(call("GET", `/customers/${id}`), /404/);
  await page.goto(`/dashboard/customers/${id}`);
  await page.getByRole("heading", { name: "No such customer" }).waitFor();
  await accessible();
}

export async function a_service_that_is_away_is_said_and_tried_again({ page, context, signIn, customer }) {
  const { id } = await customer("ada@example.com");
  await signIn();
  await page.getByRole("link", { name: "ada@example.com" }).waitFor();
  await context.setOffline(true);
  await page.getByLabel("Search").fill("a");
  await page.getByRole("alert").getByText("was not reached").waitFor();
  await context.setOffline(false);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("alert").waitFor({ state: "detached" });

  await page.goto(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Edit Name" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Ada");
  let sent = [];
  await page.route(`**/api/v1/customers/${id}`, async (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
    sent.push(route.request().headers()["idempotency-key"]);
    return sent.length === 1 ? route.fulfill({ status: 503, body: "{}" }) : route.continue();
  });
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Ada", exact: true }).waitFor();
  assert.ok(sent.length === 2 && sent[0] && sent[0] === sent[1], String(sent));
}

export async function on_a_phone_and_a_tablet_nothing_is_wider_than_the_screen({ page, signIn, customer, call, accessible }) {
  const long = "ada.augusta.king.countess.of.lovelace@a-rather-long-name-of-a-host.example.com";
  const { id } = await customer(long, { fullName: "Ada", metadata: { k: "x".repeat(300) } });
  await customer(long, { externalId: "y".repeat(100) });
  const made = await call("POST", "/imports", { format: "csv" });
  await signIn();
  const shown = { customers: "2 found", [`customers/${id}`]: "Metadata", duplicates: "The oldest", imports: "receiving", [`imports/${made.id}`]: "About it" };
  for (const path of [...Object.keys(shown), "plans", "subscriptions", "invoices", "api-keys", "users", "account"]) {
    await page.goto(`/dashboard/${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    if (shown[path]) await page.getByText(shown[path], { exact: true }).first().waitFor();
    for (const width of [390, 768]) {
      await page.setViewportSize({ width, height: 900 });
      const needed = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(needed <= width, `at ${width}, ${path} is ${needed} wide`);
    }
    if (path === "duplicates") await accessible();
  }
}

export async function on_a_slow_network_what_was_shown_stays_and_nothing_flashes_up({ page, signIn, customer }) {
  await customer("ada@example.com");
  await signIn("/dashboard/account");
  let held = [];
  await page.route(/\/customers\?/, (route) => held.push(route));
  const now = new Date();
  await page.clock.install({ time: now });
  await page.clock.pauseAt(new Date(now.getTime() + 60_000)); // later than it can be by now
  const loading = page.getByRole("status", { name: "Loading" });
  await page.getByRole("navigation", { name: "Pages of the dashboard" }).getByRole("link", { name: "Customers" }).click();
  await page.getByLabel("Search").waitFor(); // the page is there, its list is not
  await until("the list was asked for", () => held.length > 0);
  await page.clock.runFor(299);
  assert.equal(await loading.count(), 0);
  await page.clock.runFor(1);
  await loading.waitFor();
  await page.clock.resume();
  for (const route of held) await route.continue();
  await page.getByRole("link", { name: "ada@example.com" }).waitFor();
  await loading.waitFor({ state: "detached" });

  held = [];
  await page.getByLabel("Search").fill("nobody");
  await until("the search was asked for", () => held.length > 0);
  await page.clock.fastForward(1000);
  assert.ok((await page.getByRole("link", { name: "ada@example.com" }).isVisible()) && (await loading.count()) === 0);
  for (const route of held) await route.continue();
  await page.getByText("Nothing was found").waitFor();
}

export async function an_admin_and_the_owner_edit_the_same_and_neither_overwrites_the_other_unseen({ page, context, origin, organization, signIn, watch, customer, call }) {
  const { id } = await customer("ada@example.com", { fullName: "Ada" });
  const elsewhere = await context.browser().newContext({ baseURL: origin, locale: "en-GB", reducedMotion: "reduce" });
  const admin = await elsewhere.newPage();
  watch(admin);
  await signIn(`/dashboard/customers/${id}`);
  await signIn(`/dashboard/customers/${id}`, "admin", admin);
  const edit = async (who, name) => {
    await who.getByRole("button", { name: "Edit Name" }).click();
    await who.getByLabel("Name", { exact: true }).fill(name);
  };
  await edit(page, "Ada King");
  await edit(admin, "Countess Ada");
  await admin.keyboard.press("Enter");
  await admin.getByRole("heading", { name: "Countess Ada" }).waitFor();
  await page.keyboard.press("Enter");
  const conflict = page.getByRole("alert").filter({ hasText: "Somebody changed this customer" });
  await conflict.getByText("Countess Ada").waitFor();
  await conflict.getByRole("button", { name: "Keep what is there now" }).click();
  await page.getByRole("heading", { name: "Countess Ada" }).waitFor();
  // Who did it stands in the history; and what the other has not seen yet is no reason to lose it.
  await page.getByText(`· ${organization.people.admin}`).waitFor();
  await edit(page, "Ada Lovelace");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Ada Lovelace" }).waitFor();
  await admin.getByRole("button", { name: "Edit Tax document" }).click();
  await admin.getByLabel("Tax document").fill("DE1");
  await admin.keyboard.press("Enter");
  await admin.getByRole("alert").getByRole("button", { name: "Save yours" }).click();
  await fact(admin, "Tax document").getByText("DE1").waitFor();
  await admin.getByRole("heading", { name: "Ada Lovelace" }).waitFor();
  const { fullName, taxDocument } = await call("GET", `/customers/${id}`);
  assert.deepEqual([fullName, taxDocument], ["Ada Lovelace", "DE1"]);
  await elsewhere.close();
}

export async function a_view_is_kept_by_name_and_leads_to_what_was_shown({ page, signIn, customer, accessible }) {
  const name = "<b>Ada</b>";
  for (const one of ["Ada King", "Grace Hopper"]) await customer(`${one.split(" ")[0].toLowerCase()}@example.com`, { fullName: one });
  await signIn("/dashboard/customers?q=ada&sort=fullName");
  await page.getByText("1 found").waitFor();
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("menuitemcheckbox", { name: "Time zone" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("menuitem", { name: "Save this one" }).click();
  const dialog = page.getByRole("dialog", { name: "Views" });
  await dialog.getByLabel("Name of what is shown now").fill(name);
  await accessible();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: `View: ${name}` }).waitFor();

  await page.goto("/dashboard/customers");
  await page.getByText("2 found").waitFor();
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("menuitemcheckbox", { name: "Time zone" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("columnheader", { name: "Time zone" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("menuitem", { name }).click();
  await page.getByText("1 found").waitFor();
  await page.getByRole("columnheader", { name: "Time zone" }).waitFor();
  assert.equal(await page.getByLabel("Order").inputValue(), "fullName");
  assert.equal(new URL(page.url()).search, "?q=ada&sort=fullName");
  await page.goBack();
  await page.getByText("2 found").waitFor();

  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("menuitem", { name: "Save or remove" }).click();
  await dialog.getByRole("button", { name: `Remove ${name}` }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("menuitem", { name: "Save this one" }).waitFor();
}
