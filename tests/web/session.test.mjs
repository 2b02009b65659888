// Signing in and out, where a session acts, and what becomes of a page whose session ends.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";

export async function an_address_leads_to_its_page_once_one_signed_in({ page, signIn, accessible }) {
  await page.goto("/dashboard/customers?q=ada");
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await accessible();
  await signIn("/dashboard/customers?q=ada");
  assert.equal(new URL(page.url()).search, "?q=ada");
  assert.equal(await page.getByLabel("Search").inputValue(), "ada");
}

export async function a_wrong_password_is_said_with_its_request_id({ page, organization }) {
  await page.goto("/dashboard/");
  await page.getByLabel("E-mail address").fill(organization.people.owner);
  await page.getByLabel(/^Password/).fill("wrong");
  await page.keyboard.press("Enter");
  const alert = page.getByRole("alert");
  await alert.getByText("is not right").waitFor();
  await alert.getByRole("button", { name: "Copy the request id" }).waitFor();
  assert.match(await alert.innerText(), /req_/);
}

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function codeOf(secret, step) {
  const bits = [...secret].map((c) => base32.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, "0");
}

/** Sets up a second factor on the page of the account; its recovery codes. */
async function setUpFactor(page, organization) {
  await page.getByLabel("Your password").fill(organization.password);
  await page.getByRole("button", { name: "Set it up" }).click();
  const secret = await page.locator("#factor ~ form code").innerText();
  // As authenticators show it.
  await page.getByLabel("Code").fill(codeOf(secret, Math.floor(Date.now() / 30000)).replace(/^.../, "$& "));
  await page.getByRole("button", { name: "Turn it on" }).click();
  const codes = (await page.locator("#factor ~ div pre").innerText()).split("\n");
  await page.getByRole("button", { name: "I have them" }).click();
  await page.getByText("It is on").waitFor();
  return codes;
}

export async function the_second_factor_is_set_up_asked_for_and_turned_off({ page, signIn, organization }) {
  await signIn("/dashboard/account");
  const codes = await setUpFactor(page, organization);
  assert.equal(codes.length, 10);
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByLabel("E-mail address").fill(organization.people.owner);
  await page.getByLabel(/^Password/).fill(organization.password);
  await page.keyboard.press("Enter");
  // The field stays while one corrects what is in it: it went with its last letter.
  const code = page.getByRole("textbox", { name: "Code" });
  await code.fill("123 456");
  assert.equal(await code.inputValue(), "123456");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("is not right").waitFor();
  await code.fill("");
  await code.fill(codes[0]);
  await page.keyboard.press("Enter");
  await page.getByLabel("Your password").fill(organization.password);
  await page.getByRole("button", { name: "Turn it off" }).click();
  await page.getByText("It is off").waitFor();
}

/** Ends the session as time or another machine does, of which no window is told. */
async function endSession(context, origin) {
  const session = await (await context.request.get(`${origin}/api/v1/session`)).json();
  const reply = await context.request.delete(`${origin}/api/v1/session`, { headers: { "X-CSRF-Token": session.csrfToken } });
  assert.equal(reply.status(), 200);
}

async function act(page, where) {
  await page.getByRole("button", { name: /^Acting in/ }).click();
  await page.getByRole("menuitem", { name: where }).click();
}

/** Opens the form of a customer's name in the sandbox, types, and sends it after the session has ended. */
async function typeWithoutSession({ page, context, signIn, call, origin }) {
  const { id } = await call("POST", "/customers", { email: "ada@example.com" }, "sandbox");
  await signIn();
  await act(page, "Sandbox");
  await page.getByRole("link", { name: "ada@example.com" }).click();
  await page.getByRole("button", { name: "Edit Name" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Ada King");
  await endSession(context, origin);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Your session has ended" }).waitFor();
  return id;
}

/** A new session is live: what had been typed in the sandbox was written there, or lost. */
export async function who_signs_in_again_is_back_in_the_sandbox_with_what_was_typed(given) {
  const { page, organization, call } = given;
  const id = await typeWithoutSession(given);
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.getByLabel(/^Password/).fill(organization.password);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("button", { name: /^Acting in .* Sandbox/ }).waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Ada King");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Ada King" }).waitFor();
  assert.equal((await call("GET", `/customers/${id}`, undefined, "sandbox")).fullName, "Ada King");
}

export async function somebody_else_who_signs_in_again_finds_no_form_of_the_sandbox_but_another_organization(given) {
  const { page, organization } = given;
  await typeWithoutSession(given);
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.getByLabel("E-mail address").fill(organization.people.stranger);
  await dialog.getByLabel(/^Password/).fill(organization.password);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await page.getByText(`You are in ${organization.other} · Live now`).waitFor();
  await page.getByText("No customers yet").waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).count(), 0);
  assert.equal(await dialog.count(), 0);
}

/** The others were not told, and showed what they had under the name of before. */
export async function one_sign_in_is_enough_for_all_windows({ page, context, signIn, customer, organization, origin }) {
  const { id } = await customer("ada@example.com");
  await signIn(`/dashboard/customers/${id}`);
  const other = await context.newPage();
  await other.goto(`/dashboard/customers/${id}`);
  for (const window of [page, other]) {
    await window.getByRole("button", { name: "Edit Name" }).click();
    await window.getByLabel("Name", { exact: true }).fill("Ada King");
  }
  await endSession(context, origin);
  const dialogs = [page, other].map((window) => window.getByRole("dialog", { name: "Your session has ended" }));
  for (const window of [page, other]) await window.getByRole("button", { name: "Save" }).click();
  for (const dialog of dialogs) await dialog.waitFor();
  await dialogs[0].getByLabel(/^Password/).fill(organization.password);
  await dialogs[0].getByRole("button", { name: "Sign in" }).click();
  for (const dialog of dialogs) await dialog.waitFor({ state: "hidden" });
  await other.getByRole("button", { name: "Save" }).click();
  await other.getByRole("heading", { name: "Ada King" }).waitFor();
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Ada King");

  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  for (const window of [page, other]) await window.getByRole("button", { name: "Sign in" }).waitFor();
  await signIn();
  await other.getByRole("heading", { name: "Ada King" }).waitFor();
}

export async function what_was_typed_is_still_there_after_a_session_ended({ page, context, signIn, customer, organization, origin }) {
  const { id } = await customer("ada@example.com");
  await signIn(`/dashboard/customers/${id}`);
  await page.getByRole("button", { name: "Edit Name" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Ada King");
  await endSession(context, origin);
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.getByLabel(/^Password/).fill(organization.password);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Ada King");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Ada King" }).waitFor();
}

export async function live_and_sandbox_are_apart_and_other_windows_follow({ page, context, signIn, customer, call }) {
  await customer("live@example.com");
  await call("POST", "/customers", { email: "sandbox@example.com" }, "sandbox");
  await signIn();
  await page.getByRole("link", { name: "live@example.com" }).waitFor();
  const other = await context.newPage();
  await other.goto("/dashboard/customers");
  await other.getByRole("link", { name: "live@example.com" }).waitFor();
  await act(page, "Sandbox");
  for (const window of [page, other]) {
    await window.getByRole("link", { name: "sandbox@example.com" }).waitFor();
    assert.equal(await window.getByRole("link", { name: "live@example.com" }).count(), 0);
    await window.getByRole("button", { name: /^Acting in .* Sandbox/ }).waitFor();
  }
  // Nor is anybody shown, or chosen, of the place where one has been, while the list of the new one is on its way.
  await page.getByLabel("Select all of this page").check();
  await page.getByText("1 selected").waitFor();
  let held;
  await page.route("**/customers?*", (route) => (held ??= []).push(route));
  await act(page, "Live");
  await page.getByRole("button", { name: /^Acting in .* Live/ }).waitFor();
  await until("the list was asked for", () => held);
  assert.equal(await page.getByRole("link", { name: "sandbox@example.com" }).count(), 0);
  assert.equal(await page.getByText("1 selected").count(), 0);
  await page.unroute("**/customers?*");
  for (const route of held) await route.continue().catch(() => {}); // one may be given up by now
  await page.getByRole("link", { name: "live@example.com" }).waitFor();
}

export async function a_member_sees_everything_and_changes_nothing({ page, signIn, customer }) {
  const { id } = await customer("ada@example.com", { metadata: { a: 1 } });
  await signIn("/dashboard/customers", "member");
  await page.getByRole("link", { name: "ada@example.com" }).click();
  await page.getByRole("heading", { name: "History" }).waitFor();
  assert.match(page.url(), new RegExp(id));
  for (const path of ["customers", `customers/${id}`, "plans", "api-keys", "users"]) {
    await page.goto(`/dashboard/${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByLabel("Loading").waitFor({ state: "detached" });
    assert.equal(await page.getByRole("button", { name: /^(Edit|New|Archive|Erase|Assign|Invite|Revoke)/ }).count(), 0, path);
  }
  await customer("ADA@example.com");
  await page.goto("/dashboard/duplicates");
  await page.getByRole("region", { name: "Customers with ada@example.com" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Merge" }).count(), 0);
  await page.goto("/dashboard/imports");
  await page.getByText("No imports yet").waitFor();
  assert.equal(await page.getByLabel("Choose a file").count(), 0);
}

/** The buttons stood beyond the edge of the table. */
export async function on_a_phone_one_sees_what_can_be_done_about_a_member({ page, signIn }) {
  await signIn("/dashboard/users");
  await page.setViewportSize({ width: 390, height: 800 });
  await page.getByRole("button", { name: "New password" }).waitFor();
  const table = page.getByRole("region", { name: "Users" });
  assert.ok(await table.evaluate((region) => region.scrollWidth <= region.clientWidth));
}

export async function somebody_is_invited_and_comes_in_by_the_link({ page, context, signIn, accessible }) {
  await signIn("/dashboard/users");
  await page.getByRole("button", { name: "Invite" }).click();
  await page.getByLabel("E-mail address").fill("new@example.com");
  await page.getByLabel("Name").fill("Grace Hopper");
  await page.getByRole("dialog").getByLabel("Role").selectOption("admin");
  await page.getByRole("button", { name: "Make a link" }).click();
  const url = await page.locator("[data-secret]").innerText();
  await page.getByRole("button", { name: "I have it" }).click();
  await page.getByText("invited, not here yet").waitFor();
  await accessible();

  await context.clearCookies();
  const guest = await context.newPage();
  await guest.goto(url.replace(/#.*/, "#lnk_00000000000000000000000000000000000000000000"));
  await guest.getByRole("alert").waitFor();
  await guest.goto(url); // another link in the same window, of which the secret alone is new
  await guest.getByText("You come in as new@example.com").waitFor();
  await until("the secret leaves the address", () => new URL(guest.url()).hash === "");
  await guest.getByLabel(/^New password/).fill("short");
  await guest.getByRole("button", { name: "Accept the invitation" }).click();
  await guest.locator(".mantine-PasswordInput-error").waitFor();
  await guest.getByLabel(/^New password/).fill("a rather long password");
  await guest.getByRole("button", { name: "Accept the invitation" }).click();
  await guest.getByRole("button", { name: "Account of Grace Hopper" }).waitFor();
}

/** An arrow key on the closed list was enough. */
export async function the_role_of_a_member_changes_after_a_question({ page, signIn, organization }) {
  await signIn("/dashboard/users");
  const role = page.getByLabel(`Role of ${organization.people.member}`);
  const dialog = page.getByRole("dialog", { name: "Change the role of" });
  for (const answer of ["Cancel", "Change the role"]) {
    await role.selectOption("admin");
    await dialog.getByRole("button", { name: answer }).click();
    await dialog.waitFor({ state: "hidden" });
    await page.reload();
    await until("the role is shown", async () => (await role.inputValue()) === (answer === "Cancel" ? "member" : "admin"));
  }
}

export async function who_cannot_sign_out_is_told({ page, signIn }) {
  await signIn();
  await page.route("**/api/v1/session", (route) => (route.request().method() === "DELETE" ? route.fulfill({ status: 503, body: "{}" }) : route.continue()));
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByText("Not signed out").waitFor();
}

/** The page told the organization that invited, and one came into the one where one had been before. */
export async function an_invitation_of_another_organization_leads_into_that_one({ page, context, signIn, organization }) {
  await signIn("/dashboard/account");
  const codes = await setUpFactor(page, organization);
  await context.clearCookies();
  await signIn("/dashboard/users", "stranger");
  await page.getByRole("button", { name: "Invite" }).click();
  await page.getByLabel("E-mail address").fill(organization.people.owner);
  await page.getByRole("button", { name: "Make a link" }).click();
  const url = await page.locator("[data-secret]").innerText();

  await context.clearCookies();
  const guest = await context.newPage();
  await guest.goto(url);
  await guest.getByText(`You come in as ${organization.people.owner}, into ${organization.other}.`).waitFor();
  await guest.getByLabel(/^Password of your account/).fill(organization.password);
  await guest.getByRole("button", { name: "Accept the invitation" }).click();
  // The invitation is used by then, and is not used again.
  await guest.getByLabel("Code").fill(codes[0]);
  await guest.getByRole("button", { name: "Accept the invitation" }).click();
  await guest.getByRole("button", { name: `Acting in ${organization.other} · Live; change` }).waitFor();
}

/** What the front server adds behind an authenticating proxy is in no browser's hand: here the credentials stand for it. Who asked. */
async function standBehindProxy(context, organization) {
  const asked = [];
  await context.route("**/api/v1/session", (route) => {
    const sent = route.request().postDataJSON?.();
    if (route.request().method() !== "POST") return route.continue();
    asked.push(sent.email);
    return route.continue({ postData: JSON.stringify({ email: organization.people.owner, password: organization.password }) });
  });
  return asked;
}

export async function a_proxy_that_says_who_sits_here_is_believed_without_a_form({ page, context, organization }) {
  const asked = await standBehindProxy(context, organization);
  const shell = page.getByRole("navigation", { name: "Pages of the dashboard" });
  await page.goto("/dashboard/");
  await shell.waitFor();
  assert.deepEqual(asked, [""]);
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByText("You have signed out").waitFor();
  assert.equal(await page.getByLabel("E-mail address").count(), 0);
  assert.deepEqual(asked, [""]);
  await page.getByRole("button", { name: "Sign in again" }).click();
  await shell.waitFor();
}

/** The page that was loaded knew it alone: a page that was loaded anew, and another window, signed in again at once. */
export async function who_has_left_stays_out_where_a_proxy_says_who_sits_here({ page, context, organization }) {
  const asked = await standBehindProxy(context, organization);
  const other = await context.newPage();
  for (const window of [page, other]) {
    await window.goto("/dashboard/");
    await window.getByRole("navigation", { name: "Pages of the dashboard" }).waitFor();
  }
  await page.reload();
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  for (const window of [page, other]) await window.getByText("You have signed out").waitFor();
  await page.reload();
  await page.getByText("You have signed out").waitFor();
  assert.deepEqual(asked, [""]);
}

/** They were asked for a password that they do not have. */
export async function whom_a_proxy_vouches_for_goes_on_after_a_session_ended_in_the_sandbox(given) {
  const { page, context, organization, call, origin } = given;
  const asked = await standBehindProxy(context, organization);
  const { id } = await call("POST", "/customers", { email: "ada@example.com" }, "sandbox");
  await page.goto("/dashboard/");
  await act(page, "Sandbox");
  await page.getByRole("link", { name: "ada@example.com" }).click();
  await page.getByRole("button", { name: "Edit Name" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Ada King");
  await endSession(context, origin);
  await page.getByRole("button", { name: "Save" }).click();
  await until("the proxy was asked again", () => asked.length === 2);
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: /^Acting in .* Sandbox/ }).waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Ada King" }).waitFor();
  assert.equal((await call("GET", `/customers/${id}`, undefined, "sandbox")).fullName, "Ada King");
}
