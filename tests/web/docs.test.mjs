// The documentation: the reference of the served document, calls from there, guides and errors.
import assert from "node:assert/strict";

/* The calls of the library (@scalar/api-reference 1.76). Its markup, which neither options nor styles change. */
const COMBOBOX = { "aria-required-attr": /role="combobox"/ }; // does not say whether its list is open
const CLIENT = {
  ...COMBOBOX,
  "aria-allowed-role": /^<button aria-label="(More Information|Input is invalid)"/, // role=none, role=alert
  "aria-input-field-name": /class="cm-content" role="textbox"/, // the body, and the answer
  "aria-prohibited-attr": /^<button aria-label="More Information"/,
  "aria-valid-attr-value": /group\/copy-button/, // names a hint that is not there yet
  "landmark-no-duplicate-main": /class="references-rendered"/, // what is below the dialog
  "landmark-unique": /^<section aria-label="Notifications/, // one of the page, one of the dialog
  "presentation-role-conflict": /^<button aria-label="More Information"/,
};
const script = '<img src="x" onerror="window.ran = true"><script>window.ran = true</script>';

const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
const operation = (page, title) => page.getByRole("heading", { name: title, exact: true });

export async function the_reference_shows_what_the_service_serves({ page, accessible, call }) {
  await page.goto("/docs");
  assert.equal(new URL(page.url()).pathname, "/docs/");
  await page.getByRole("heading", { name: "Clientele", level: 1 }).waitFor();
  const { info } = await call("GET", "/openapi.json");
  await page.getByText(`v${info.version}`).first().waitFor();
  await accessible(page, COMBOBOX);

  await page.goto("/docs/#tag/customers/POST/customers");
  await page.reload();
  await operation(page, "Create a customer").waitFor();
  await until("its title", async () => (await page.title()) === "Create a customer · Clientele");
  await accessible(page, COMBOBOX);
  await page.setViewportSize({ width: 390, height: 844 });
  await operation(page, "Create a customer").waitFor();
  assert.ok(await fits(page));
  await accessible(page, COMBOBOX);
}

export async function a_call_is_tried_with_a_sandbox_key({ page, accessible, call, expect, organization, signIn }) {
  await signIn("/dashboard/customers"); // the call is the key's, not the one of who has signed in
  await page.getByRole("link", { name: "Help: the API and guides" }).click();
  await page.goto("/docs/#tag/customers/POST/customers");
  await page.getByRole("button", { name: /^Test Request\s+\(post \/customers\)/ }).click();
  const dialog = page.getByRole("dialog");
  const key = dialog.getByLabel("Value", { exact: true }).first();
  const send = () => dialog.getByRole("button", { name: /^Send/ }).first().click();
  const sent = [];
  page.on("request", (request) => sent.push(request));
  page.on("response", (reply) => (reply.request().reply = reply));

  expect(/not with a live one/);
  await key.fill(organization.keys.live);
  await send();
  await dialog.getByText("Calls are made here with a sandbox key, not with a live one. Nothing was sent.").first().waitFor();
  assert.deepEqual(sent.map((request) => request.url()), []);

  await key.fill(organization.keys.sandbox);
  // The same again is no repetition: nothing that need not be sent is.
  for (let count = 1; count <= 2; count++) {
    await send();
    await until("it is made", async () => (await call("GET", "/customers", undefined, "sandbox")).data.length === count);
  }
  assert.equal((await call("GET", "/customers")).data.length, 0);
  await dialog.getByText("201 Created").waitFor();
  await dialog.getByText('"ada@example.com"').last().waitFor();
  const { cookie, "x-api-key": by, "idempotency-key": idempotency } = await sent[0].allHeaders();
  assert.deepEqual({ cookie, by, idempotency }, { cookie: undefined, by: organization.keys.sandbox, idempotency: undefined });
  await accessible(page, CLIENT);

  // The key is in no address, and nowhere that outlives the page.
  for (const request of sent) assert.ok(!request.url().includes(organization.keys.sandbox));
  assert.ok(!page.url().includes("ck_"));
  const kept = await page.evaluate(async () => ({ local: { ...localStorage }, session: { ...sessionStorage }, databases: await indexedDB.databases() }));
  assert.doesNotMatch(JSON.stringify(kept), /ck_sandbox/);
  assert.deepEqual(kept.databases, []);
  await page.reload();
  await page.getByRole("button", { name: /^Test Request\s+\(post \/customers\)/ }).click();
  assert.equal(await key.inputValue(), "");
}

export async function guides_and_errors_are_found_by_links({ page, accessible, context }) {
  await page.goto("/docs/");
  await page.getByRole("navigation", { name: "Documentation" }).getByRole("link", { name: "Guides" }).click();
  await page.getByRole("link", { name: "A tour of the API" }).click();
  await page.getByRole("heading", { name: "A tour of the API", level: 1 }).waitFor();
  await accessible();
  await page.goBack();
  await accessible();
  await page.getByRole("link", { name: "Operations", exact: true }).click();
  await page.locator("main a[href*='#']").first().click();
  await until("the heading is in view", () => page.evaluate(() => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    return target && target.getBoundingClientRect().top >= 48 && target.getBoundingClientRect().top < window.innerHeight;
  }));

  await page.getByRole("link", { name: "Errors" }).click();
  await page.getByRole("heading", { name: "customer_not_found" }).waitFor();
  await accessible();
  await page.locator("#customer_not_found").getByRole("link").click();
  assert.match(await page.locator("body").innerText(), /^# customer_not_found\n\nHTTP status 404, type not_found_error\n/);

  // On a phone, and with scripts off.
  const plain = await (await context.browser().newContext({ baseURL: new URL(page.url()).origin, javaScriptEnabled: false, viewport: { width: 390, height: 844 } })).newPage();
  for (const path of ["guides/", "guides/tour.html", "guides/operations.html", "guides/performance.html", "errors.html"]) {
    await plain.goto(`/docs/${path}`);
    await plain.getByRole("heading", { level: 1 }).waitFor();
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`/docs/${path}`);
    assert.ok(await fits(page), path);
    const { top } = await page.evaluate(() => ({ top: document.querySelector(".docs-head").scrollWidth }));
    assert.ok(top <= 390, `${path}: the links on top take ${top}`);
  }
  await plain.context().close();
}

export async function script_in_a_document_is_text() {
  const { errorsOf, render } = await import(new URL("../../web/docs.mjs", import.meta.url));
  const text = ["# A <b>title</b>", script, `| a | b |\n|---|---|\n| ${script} | c |`, `\`${script}\``, `\`\`\`html\n${script}\n\`\`\``,
    "[a](javascript:alert(1)) [b](data:text/html,x) [c](vbscript:x) [d](tour.md#top) [e](https://example.com/?\"><script>) ![f](x.png)",
    "<!-- not run: the reason -->", "<!-- a --><script>b</script><!-- c -->"].join("\n\n");
  const { html, links } = render("doc/a.md", text, ["doc/tour.md"]);
  assert.deepEqual([...new Set(html.match(/<\/?[a-z]+\d?/g))].sort(), ["</a", "</code", "</div", "</h1", "</p", "</pre", "</table", "</tbody", "</td", "</th",
    "</thead", "</tr", "<a", "<code", "<div", "<h1", "<p", "<pre", "<table", "<tbody", "<td", "<th", "<thead", "<tr"]);
  assert.deepEqual(html.match(/<a [^>]*>/g), ['<a href="/docs/guides/tour.html#top">', '<a href="https://example.com/?&quot;&gt;&lt;script&gt;">']);
  assert.deepEqual(links, [["doc/tour.md", "top"]]);
  assert.ok(!html.includes("not run") && !html.includes("<!--"));
  assert.throws(() => render("doc/a.md", "[a](no.md)", []), /is not there/);
  assert.deepEqual(errorsOf('ERR(A, 404, "a", "b",\n    "One \\"two\\" "\n    "three.",\n    "Four.")\n'), [{ status: 404, code: "a", type: "b", meaning: 'One "two" three.', advice: "Four." }]);
  assert.throws(() => errorsOf("ERR(A, 404, CODE, TYPE)\n"), /not understood/);
}

export async function script_in_the_served_document_is_not_run({ page, expect }) {
  expect(/Content Security Policy/);
  await page.route("**/openapi.json", async (route) => {
    const response = await route.fetch();
    const document = await response.json();
    document.info.description = script;
    document.info.title = `Title ${script}`;
    document.tags[1].description = script;
    document.paths["/customers"].post.description = script;
    document.paths["/customers"].post.summary = `Summary ${script}`;
    return route.fulfill({ response, json: document });
  });
  await page.goto("/docs/#tag/customers");
  await page.getByRole("heading", { name: /^Title/, level: 1 }).waitFor();
  await page.getByRole("heading", { name: /^Summary/ }).waitFor();
  assert.equal(await page.evaluate(() => window.ran), undefined);
}
