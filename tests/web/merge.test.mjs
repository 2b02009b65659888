// Customers who are the same.
import assert from "node:assert/strict";

/** Two with the same e-mail address and a subscription each; both subscriptions. */
async function same({ customer, call }, more = {}) {
  const plan = await call("POST", "/plans", { name: "Pro", code: "pro", isPublic: true });
  await call("POST", `/plans/${plan.id}/prices`, { billingInterval: "monthly", price: 4900 });
  const people = [await customer("ada@example.com", { fullName: "Ada", externalId: "a" }), await customer("ADA@example.com", { externalId: "b", ...more })];
  const sold = [];
  for (const { id } of people) sold.push(await call("POST", "/subscriptions", { customerId: id, planId: plan.id }));
  return { people, sold };
}

export async function duplicates_are_found_and_a_merge_says_what_moves({ page, signIn, call, customer, accessible }) {
  const script = "<script>alert(1)</script>";
  const { people: [ada, other], sold } = await same({ call, customer }, { fullName: script });
  await call("POST", `/subscriptions/${sold[0].id}/cancel`, { immediate: true });
  await signIn("/dashboard/duplicates?by=taxDocument");
  await page.getByText("No two customers have the same").waitFor();
  await page.getByLabel("Customers with the same").selectOption("email");
  const group = page.getByRole("region", { name: "Customers with ada@example.com" });
  await group.getByText(script).waitFor();
  await group.getByRole("button", { name: "Merge" }).click();
  const dialog = page.getByRole("dialog", { name: "Merge these two customers?" });
  await dialog.getByText("Subscriptions: 1").waitFor();
  await dialog.getByText("Invoices: 1").waitFor();
  await accessible();
  // The other way round and back: it says which is which.
  const stays = dialog.locator('dt:text-is("Stays") + dd');
  await dialog.getByRole("button", { name: "Keep the other one" }).click();
  await stays.getByText(/ADA@/).waitFor();
  await dialog.getByRole("button", { name: "Keep the other one" }).click();
  await stays.getByText(/ada@/).waitFor();
  await dialog.getByRole("button", { name: "Merge them" }).click();
  await page.getByText("No two customers have the same").waitFor();
  assert.equal((await call("GET", "/customers/b")).id, ada.id);

  await page.goto("/dashboard/customers/b");
  await page.getByText("b was merged into this customer").waitFor();
  assert.equal(new URL(page.url()).pathname, `/dashboard/customers/${ada.id}`);
  await accessible();
  await page.getByRole("button", { name: "Undo the merge" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undo the merge" }).click();
  await page.getByRole("heading", { name: script }).waitFor();
  assert.equal((await call("GET", "/customers/b")).id, other.id);
}

export async function a_merge_that_cannot_be_is_told_and_one_is_undone_where_it_was_made({ page, signIn, call, customer }) {
  const { people: [ada, other], sold } = await same({ call, customer });
  await signIn(`/dashboard/customers/${ada.id}`);
  const begin = async () => {
    await page.getByRole("button", { name: "Merge" }).click();
    await page.getByRole("dialog").getByRole("list", { name: "Customers found" }).waitFor({ state: "attached" });
  };
  await begin();
  await page.getByRole("button", { name: "Choose" }).click();
  await page.getByRole("button", { name: "Merge them" }).click();
  await page.getByRole("alert").getByText(`${sold[1].id} is that of the customer who would be merged`).waitFor();
  await call("POST", `/subscriptions/${sold[1].id}/cancel`, { immediate: true });
  await page.getByRole("button", { name: "Merge them" }).click();
  await page.getByText("Merged", { exact: true }).waitFor();
  // That it leads elsewhere now is not remembered once it does not.
  await page.goto(`/dashboard/customers/${other.id}`);
  await page.getByText(`${other.id} was merged into this customer`).waitFor();
  await page.getByRole("link", { name: "Customers" }).first().click();
  await page.getByRole("link", { name: "ada@example.com" }).click();
  await begin();
  await page.getByRole("heading", { name: "Merged into this one" }).waitFor();
  await page.getByRole("button", { name: "Undo the merge" }).click();
  await page.getByRole("dialog", { name: "Undo this merge?" }).getByRole("button", { name: "Undo the merge" }).click();
  await page.getByRole("heading", { name: "ADA@example.com" }).waitFor();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(new URL(page.url()).pathname, `/dashboard/customers/${other.id}`);
}
