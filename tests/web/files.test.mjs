// Customers that come as files, and go as files.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

const drop = async (page, name, text) => {
  const dataTransfer = await page.evaluateHandle(
    ([name, text]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], name));
      return transfer;
    },
    [name, text],
  );
  for (const event of ["dragover", "drop"]) await page.locator("main").dispatchEvent(event, { dataTransfer });
};

const count = (page, name) => page.locator(`dt:text-is("${name}") + dd`);
const ended = (page, status) => page.getByRole("status").getByText(status, { exact: true }).waitFor();

const saved = async (page, click) => {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
};

const script = "<script>alert(1)</script>";

export async function a_file_is_dropped_tried_and_imported({ page, signIn, call, accessible }) {
  await signIn("/dashboard/imports");
  await page.getByText("No imports yet").waitFor();
  await drop(page, "people.csv", `email,externalId,fullName\nada@example.com,a,${script}\nnonsense,b,Bo\neve@example.com,c,Eve\n`);
  await page.getByLabel("The first lines").getByText(script).waitFor();
  await page.getByLabel("Dry run").check();
  await page.getByRole("button", { name: "Start the dry run" }).click();
  await ended(page, "done");
  assert.equal(await count(page, "Would be created").innerText(), "2");
  const failed = page.getByRole("region", { name: "Lines that failed" }).locator("tbody tr");
  await until("the line that failed is shown", async () => (await failed.allInnerTexts()).join().startsWith("3\temail\tmust"));
  assert.equal((await call("GET", "/customers")).data.length, 0);
  await accessible();

  await page.getByRole("button", { name: "Import people.csv now" }).click();
  await page.getByRole("heading", { name: "Import", exact: true }).waitFor();
  await ended(page, "done");
  assert.equal(await count(page, "Created").innerText(), "2");
  await page.reload();
  assert.equal(await count(page, "Created").innerText(), "2");
  const results = await saved(page, () => page.getByRole("button", { name: "Results as CSV" }).click());
  assert.match(results.name, /^results-imp_\w+\.csv$/);
  assert.match(results.text, /^line,status,id,code,param,message\r\n2,created,cus_\w+,,,\r\n3,failed,,\w+,email,.*\r\n4,created,/);

  await page.getByRole("link", { name: "Imports" }).first().click();
  const rows = page.getByRole("region", { name: "Imports" }).locator("tbody tr");
  await until("both are listed", async () => (await rows.count()) === 2);
  await rows.nth(1).getByText("CSV, dry run").waitFor();
  await rows.nth(0).getByRole("link").click();
  await page.getByRole("link", { name: "To the customers" }).click();
  await page.getByText(script).waitFor();
}

export async function a_file_is_chosen_by_keyboard_and_another_is_stopped({ page, signIn, customer, call }) {
  const { id } = await customer("ada@example.com", { externalId: "a" });
  const people = '{"email":"ada@example.com","externalId":"a","fullName":"Ada King"}\n';
  // The browser is told early that somebody else chooses, or it might ask nobody.
  page.on("filechooser", (chooser) => chooser.setFiles({ name: "people.jsonl", mimeType: "", buffer: Buffer.from(people) }));
  await signIn("/dashboard/imports");
  await page.getByText("No imports yet").waitFor();
  await page.getByLabel("Choose a file").focus();
  await page.keyboard.press("Enter");
  await until("it is seen to be NDJSON", async () => (await page.getByLabel("Format").inputValue()) === "ndjson");
  await page.getByLabel("If a customer has the external id already").selectOption("update");
  await page.getByRole("button", { name: "Start the import" }).focus();
  await page.keyboard.press("Enter");
  await ended(page, "done");
  assert.equal(await count(page, "Updated").innerText(), "1");
  assert.equal((await call("GET", `/customers/${id}`)).fullName, "Ada King");

  await page.goBack();
  await page.getByRole("heading", { name: "Import customers" }).waitFor();
  await page.route("**/parts/*", () => {}); // none arrives
  await drop(page, "people.csv", "email\neve@example.com\n");
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText("0 % of people.csv sent").waitFor();
  await page.getByRole("button", { name: "Stop the import" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Stop the import" }).click();
  await ended(page, "cancelled");
  // One that another window has begun takes its file here.
  await page.unroute("**/parts/*");
  const begun = await call("POST", "/imports", { format: "csv" });
  await page.goto(`/dashboard/imports/${begun.id}`);
  await page.getByText("Its file has not come whole").waitFor();
  await drop(page, "people.csv", "email\neve@example.com\n");
  await ended(page, "done");
  assert.equal((await call("GET", "/customers")).data.length, 2);
}

export async function a_broken_file_says_what_is_wrong_and_in_which_line({ page, signIn, call, accessible }) {
  await signIn("/dashboard/imports");
  for (const [file, reason] of [
    [`email,fullName\nada@example.com,Ada\n"eve@example.com,${script}\n`, "a quote is opened in line 3 and never closed"],
    [`email,${script}\nada@example.com,Ada\n`, `column 2: "${script}" is not known`],
  ]) {
    await drop(page, "broken.csv", file);
    await page.getByRole("button", { name: "Start the import" }).click();
    await page.getByRole("alert").getByText(`It failed: ${reason}`).waitFor();
    await page.getByRole("alert").getByText("taxDocument").waitFor(); // what there is
    await ended(page, "failed");
    await page.goBack();
    await page.getByRole("heading", { name: "Imports", exact: true }).waitFor();
  }
  await drop(page, "good.csv", "email\nada@example.com\n");
  await page.getByRole("button", { name: "Start the import" }).waitFor();
  await drop(page, "empty.csv", "");
  await page.getByText("empty.csv is empty.").waitFor();
  await accessible();
  assert.equal((await call("GET", "/customers")).data.length, 0);
}

/** Larger than two parts, and soon done: most of it is blanks. */
const large = Array.from({ length: 180 }, (_, i) => `{"email":"c${i}@example.com",${" ".repeat(25_000)}"externalId":"${i}"}\n`).join("");

export async function a_large_file_is_sent_in_parts_and_goes_on_after_a_failure({ page, signIn, accessible }) {
  await signIn("/dashboard/imports");
  const sent = [];
  let held;
  await page.route("**/parts/*", (route) => {
    sent.push(Number(route.request().url().split("/").at(-1)));
    if (sent.length === 3) held = route;
    else void route.continue();
  });
  await drop(page, "large.ndjson", large);
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByText("93 % of large.ndjson sent").waitFor();
  await until("the third part is on its way", () => held);
  await accessible();
  // Another page does not stop it.
  await page.getByRole("link", { name: "To the customers" }).or(page.getByRole("link", { name: "Customers" })).first().click();
  await page.getByText("No customers yet").waitFor();
  await held.fulfill({ status: 500, contentType: "application/json", body: '{"error":{"code":"internal_error","message":"It broke."}}' });
  await page.goBack();
  await page.getByRole("alert").getByText("It broke.").waitFor();
  // It is over before one could look: so one looks a while at how it was half-way.
  let half = true;
  await page.route("**/imports/imp_*", async (route) => {
    const reply = await route.fetch();
    const now = await reply.json();
    return route.fulfill({ response: reply, json: half && now.status === "done" ? { ...now, status: "running", endedAt: null, read: 90, bytesDone: now.bytes / 2 } : now });
  });
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("progressbar", { name: "50 % done" }).waitFor();
  await page.getByText(/^\d+ lines a second$/).waitFor();
  half = false;
  await ended(page, "done");
  assert.equal(await count(page, "Created").innerText(), "180");
  assert.deepEqual(sent, [1, 2, 3, 2, 3]);
}

export async function customers_are_saved_as_a_file({ page, signIn, call, accessible }) {
  const customers = Array.from({ length: 100 }, (_, i) => ({ email: `c${i}@example.com` }));
  customers[0] = { email: "ada@example.com", fullName: "=1+1", externalId: "a" };
  for (let at = 0; at < 6; at++) await call("POST", "/customers/batch", { customers: customers.map((one) => ({ ...one, email: at + one.email })) });
  await signIn("/dashboard/customers?q=nobody");
  await page.getByRole("button", { name: "Export" }).click();
  const dialog = page.getByRole("dialog", { name: "Export customers" });
  await dialog.getByLabel("Which").selectOption("All");
  await dialog.getByLabel("Make it safe for spreadsheets").waitFor();
  await accessible();
  // A page that fails for a moment is asked for again.
  let asked = 0;
  await page.route("**/customers/export?*", (route) => (++asked === 2 ? route.fulfill({ status: 503, body: "{}" }) : route.continue()));
  const safe = await saved(page, () => dialog.getByRole("button", { name: "Download" }).click());
  assert.match(safe.name, /^customers-live-\d{4}-\d\d-\d\d\.csv$/);
  const emails = (text) => new Set(text.match(/\d\w+@example\.com/g)).size;
  assert.equal(emails(safe.text), 595); // those with the external id are one
  assert.equal(safe.text.split("taxDocument").length, 2);
  assert.ok(safe.text.includes("'=1+1") && asked > 2, String(asked));
  await dialog.waitFor({ state: "detached" });

  await page.getByLabel("Search").fill("");
  await page.getByText("595 found").waitFor();
  await page.getByRole("button", { name: "Export" }).click();
  await dialog.getByLabel("Make it safe for spreadsheets").uncheck();
  const plain = await saved(page, () => dialog.getByRole("button", { name: "Download" }).click());
  assert.ok(plain.text.includes(",=1+1,"));
  await page.getByRole("button", { name: "Export" }).click();
  await dialog.getByLabel("Format").selectOption("NDJSON");
  const lines = await saved(page, () => dialog.getByRole("button", { name: "Download" }).click());
  assert.equal(lines.text.trim().split("\n").map((line) => JSON.parse(line)).length, 595);
}

export async function the_customers_that_are_listed_are_saved_as_a_file({ page, signIn, call, accessible }) {
  const shops = Array.from({ length: 250 }, (_, i) => ({ email: `c${i}@example.com`, fullName: `Shop ${i}`, externalId: `shop ${i}` }));
  Object.assign(shops[0], { fullName: '=1+1, Shop "0"', metadata: '{"big":12345678901234567890, "":"a\\nb"}' });
  Object.assign(shops[1], { timezone: "Europe/Berlin", address: { line1: "1 A St", city: "B", postalCode: "1", country: "GB" } });
  for (let at = 0; at < shops.length; at += 50)
    await call("POST", "/customers/batch", JSON.stringify({ customers: shops.slice(at, at + 50) }).replace(/"metadata":"((?:[^"\\]|\\.)*)"/, (_, text) => `"metadata":${JSON.parse(`"${text}"`)}`));
  for (const name of ["ada", "eve"]) await call("POST", "/customers", { email: `${name}@example.com` });
  await call("POST", "/customers/shop%209/archive");
  await signIn("/dashboard/customers?q=shop&sort=email");
  await page.getByText("249 found").waitFor();
  await page.getByRole("button", { name: "Export" }).click();
  const dialog = page.getByRole("dialog", { name: "Export customers" });
  await dialog.getByText("without their addresses").waitFor();
  await accessible();

  // One sees how far it is, and can stop.
  let held;
  await page.route("**/customers?*cursor*", (route) => (held ??= route));
  await dialog.getByRole("button", { name: "Download" }).click();
  await dialog.getByText("100 of 249 fetched").waitFor();
  await dialog.getByRole("button", { name: "Stop" }).click();
  await dialog.getByRole("button", { name: "Download" }).waitFor();
  await until("it asked for a second page", () => held);
  await page.unroute("**/customers?*cursor*");

  const safe = await saved(page, () => dialog.getByRole("button", { name: "Download" }).click());
  assert.match(safe.name, /^customers-filtered-live-\d{4}-\d\d-\d\d\.csv$/);
  const lines = safe.text.split("\r\n");
  assert.equal(lines[0], "id,externalId,email,fullName,taxDocument,timezone,metadata,createdAt,updatedAt,archivedAt");
  assert.match(lines[1], /^cus_\w+,shop 0,c0@example\.com,"'=1\+1, Shop ""0""",,UTC,"{""big"":12345678901234567890, ?"""":""a\\nb""}",20\S+Z,20\S+Z,$/);
  assert.deepEqual(lines.slice(1, -1).map((line) => line.split(",")[2]), shops.map(({ email }) => email).filter((email) => email !== "c9@example.com").sort());

  await page.getByLabel("Search").fill("shop 1");
  await page.getByRole("button", { name: "Export" }).click();
  await dialog.getByLabel("Format").selectOption("NDJSON");
  const plain = await saved(page, () => dialog.getByRole("button", { name: "Download" }).click());
  const [one] = plain.text.split("\n").filter((line) => line.includes('"c1@example.com"'));
  assert.match(one, /^{"id":"cus_\w+","externalId":"shop 1","email":"c1@example.com","fullName":"Shop 1","taxDocument":null,"timezone":"Europe\/Berlin","metadata":{},"createdAt":"/);
  // What was saved can be imported: it makes nobody new.
  await page.goto("/dashboard/imports");
  await page.getByText("No imports yet").waitFor();
  await drop(page, "again.csv", safe.text);
  await page.getByRole("button", { name: "Start the import" }).click();
  await ended(page, "done");
  assert.equal(await count(page, "Existing").innerText(), "249");
}
