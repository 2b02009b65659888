// One published client library, unmodified, against a running Clientele: only globalThis.fetch is redirected.
//
//   CLIENTELE_URL=http://127.0.0.1:8080 CLIENTELE_LIVE_KEY=ck_live_... CLIENTELE_SLOW_KEY=... CLIENTELE_USED_KEY=... \
//       SDK=7.10.0 node --test-reporter=tap sdk.test.mjs
//
// The slow key has a limit of 30/m burst 1, the used one of 1/h burst 1.
// test_node.py runs it for each library of package.json and counts the tests by their names.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";

const { CLIENTELE_URL, CLIENTELE_LIVE_KEY, CLIENTELE_SLOW_KEY, CLIENTELE_USED_KEY, SDK } = process.env;
const { Commet, CommetAPIError, CommetError, CommetValidationError } = await import(`commet-${SDK}`);

const generation = Number(SDK.split(".")[0]);
const legacy = generation < 3;
const nested = generation >= 5; // errors carry type, param and docUrl

// ---------------------------------------------------------------- the redirected fetch

const realFetch = globalThis.fetch;
const log = []; // every call: { method, path, headers, body, status }
let mischief = null; // (real) => Response, for the next calls; set by a test

globalThis.fetch = async (url, init) => {
	const { origin } = new URL(url);
	assert.match(origin, /^https:\/\/(sandbox\.)?commet\.co$/);
	const path = String(url).slice(origin.length);
	const headers = new Headers(init.headers);
	const entry = { method: init.method, path, key: headers.get("idempotency-key"), headers, body: init.body };
	log.push(entry);
	const real = () => realFetch(CLIENTELE_URL + path, init);
	const response = await (mischief ? mischief(real, entry) : real());
	entry.status = response.status;
	return response;
};

/** Runs work() while fetch misbehaves; returns its result and the calls that it made. */
async function during(trick, work) {
	const from = log.length;
	mischief = trick;
	try {
		return { result: await work(), calls: log.slice(from) };
	} finally {
		mischief = null;
	}
}

function unavailable() {
	const error = { type: "internal_error", code: "service_unavailable", message: "Away.", param: null, details: null, doc_url: "" };
	return new Response(JSON.stringify({ success: false, code: error.code, message: error.message, details: null, error }), {
		status: 503,
		headers: { "content-type": "application/json", "retry-after": "1" },
	});
}

const commet = new Commet({ apiKey: CLIENTELE_LIVE_KEY, environment: "production" });
const customers = commet.customers;

// ---------------------------------------------------------------- what differs between the generations

const emailName = generation >= 6 ? "email" : "billingEmail";
const get = (id) => (generation === 1 ? customers.get(id) : customers.get({ id }));
// 1.x makes a new key for every attempt, unless the caller gives one; later ones keep theirs.
const retryOptions = () => (legacy ? { idempotencyKey: own("retry") } : {});
const update = (id, fields) => customers.update(generation === 1 ? { customerId: id, ...fields } : { id, ...fields });

const run = randomUUID().slice(0, 8);
let counter = 0;
const own = (prefix = "sdk") => `${prefix}-${SDK}-${run}-${++counter}`;
const mail = () => `${own("mail")}@example.com`;
const create = (fields = {}, options) => customers.create({ email: mail(), id: own(), ...fields }, options);

const times = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function looksRight(customer) {
	assert.match(customer.id, /^cus_[0-9A-Za-z]+$/);
	assert.equal(typeof customer[emailName], "string");
	assert.match(customer.createdAt, times);
	assert.match(customer.updatedAt, times);
	assert.equal(typeof customer.metadata, "object");
	assert.equal("organizationId" in customer, generation < 6);
	assert.equal("isActive" in customer, generation < 4);
	assert.equal(customer.object, generation >= 5 ? "customer" : undefined);
	assert.equal(customer.livemode, generation >= 5 ? true : undefined);
	assert.equal("taxDocument" in customer, SDK.startsWith("7."));
}

async function fails(promise) {
	try {
		await promise;
	} catch (error) {
		return error;
	}
	assert.fail("it did not fail");
}

// ---------------------------------------------------------------- tests

test("create answers the customer", async () => {
	const id = own();
	const metadata = { plan: "pro", nested: { list: [1, 2.5, null, true, "é😀"] }, createdAt: 7 };
	const address = { line1: "1 Main St", line2: "Floor 2", city: "Austin", state: "TX", postalCode: "78701", country: "US" };
	const answer = await create({ id, email: "Ann@Example.com", fullName: "Ann", timezone: "America/Chicago", metadata, address });
	assert.equal(answer.success, true);
	const customer = answer.data;
	looksRight(customer);
	assert.equal(customer.externalId, id);
	assert.equal(customer[emailName], "Ann@Example.com");
	assert.equal(customer.fullName, "Ann");
	assert.equal(customer.timezone, "America/Chicago");
	assert.deepEqual(customer.metadata, metadata);
	assert.equal(log.at(-1).status, 201);
	assert.ok(log.at(-1).key, "the library sends an Idempotency-Key");
});

test("create with the same id again answers the stored customer", async () => {
	const id = own();
	const first = (await create({ id, fullName: "First" })).data;
	const again = (await create({ id, fullName: "Second" })).data;
	assert.deepEqual(again, first);
	assert.equal(log.at(-1).status, 200);
	const without = [await customers.create({ email: "same@example.com" }), await customers.create({ email: "same@example.com" })];
	assert.notEqual(without[0].data.id, without[1].data.id);
	assert.equal(without[0].data.externalId, null);
});

test("an own idempotency key gives the same answer, and an error for another body", async () => {
	const options = { idempotencyKey: own("key") };
	const params = { email: mail() };
	const first = await customers.create(params, options);
	assert.deepEqual(await customers.create(params, options), first);
	const error = await fails(customers.create({ email: mail() }, options));
	assert.ok(error instanceof CommetAPIError);
	assert.equal(error.statusCode, 409);
	assert.equal(error.code, "idempotency_key_mismatch");
});

test("createBatch tells successes and failures", async () => {
	const existing = (await create()).data;
	const repeated = own();
	const batch = (
		await customers.createBatch({
			customers: [
				{ email: mail(), id: own() },
				{ email: "not an address", id: own(), fullName: "Broken" },
				{ email: mail(), id: existing.externalId },
				{ email: mail(), id: repeated },
				{ email: mail(), id: repeated },
				{ email: mail(), timezone: "Mars/Olympus" },
			],
		})
	).data;
	assert.deepEqual(batch.successful.map((one) => one.index).sort(), [0, 2, 3, 4]);
	assert.deepEqual(batch.failed.map((one) => one.index).sort(), [1, 5]);
	const byIndex = Object.fromEntries([...batch.successful, ...batch.failed].map((one) => [one.index, one]));
	assert.equal(byIndex[0].status, "created");
	assert.equal(byIndex[2].status, "existing");
	assert.equal(byIndex[2].id, existing.id);
	assert.equal(byIndex[3].id, byIndex[4].id);
	assert.equal(typeof byIndex[1].error, "string");
	assert.equal(byIndex[1].data[emailName], "not an address");
	assert.equal(byIndex[1].data.fullName, "Broken");
	for (const one of batch.successful) {
		if (generation < 6) {
			looksRight(one);
		} else {
			assert.equal(typeof one.email, "string");
		}
		assert.equal((await get(one.id)).data.externalId, one.externalId);
	}
	assert.equal(batch.object, generation >= 5 ? "customer" : batch.object);
});

test("createBatch takes 100 customers", async () => {
	const ids = Array.from({ length: 100 }, () => own("many"));
	const batch = (await customers.createBatch({ customers: ids.map((id) => ({ email: mail(), id, metadata: { id } })) })).data;
	assert.equal(batch.failed.length, 0);
	assert.deepEqual(new Set(batch.successful.map((one) => one.externalId)), new Set(ids));
	assert.deepEqual((await get(ids[99])).data.metadata, { id: ids[99] });
});

test("get finds a customer by both ids", async () => {
	for (const id of [own(), `auth0|${own()}`, `${own()}@example.com`, `${own()}:a,b;c=d`, `é-${own()}`, `a b-${own()}`]) {
		const made = (await create({ id })).data;
		for (const either of [made.id, id]) {
			const got = (await get(either)).data;
			looksRight(got);
			for (const name of Object.keys(made)) {
				assert.deepEqual(got[name], made[name], name);
			}
			assert.equal(got.subscription, null);
		}
	}
});

test("list pages to the end without gaps and repeats", async () => {
	const made = [];
	for (let i = 0; i < 7; i++) {
		made.push((await create({ fullName: `Page ${i}` })).data.id);
	}
	const seen = [];
	let cursor;
	for (let page = 0; page < 1000; page++) {
		const answer = await customers.list({ limit: 3, cursor });
		assert.equal(answer.success, true);
		assert.ok(answer.data.length <= 3);
		answer.data.forEach(looksRight);
		seen.push(...answer.data.map((one) => one.id));
		if (!answer.hasMore) {
			assert.equal("nextCursor" in answer, false);
			break;
		}
		assert.equal(answer.data.length, 3);
		cursor = answer.nextCursor;
		if (page < 3) {
			await create(); // shifts nothing
		}
	}
	assert.equal(new Set(seen).size, seen.length);
	for (const id of made) {
		assert.ok(seen.includes(id));
	}
});

test("list has the filters of its time", async () => {
	const id = own("Find Me+");
	const made = (await create({ id, fullName: "Needle in the hay" })).data;
	const filter = generation < 6 ? { search: id.toLowerCase() } : { externalId: id };
	const found = await customers.list({ ...filter, limit: 5 });
	assert.deepEqual(found.data.map((one) => one.id), [made.id]);
	assert.equal(found.hasMore, false);
	if (legacy) {
		await customers.archive(made.id);
		assert.deepEqual((await customers.list({ search: id, isActive: true })).data, []);
		assert.deepEqual((await customers.list({ search: id, isActive: false })).data.map((one) => one.id), [made.id]);
	}
	assert.deepEqual((await customers.list({ ...(generation < 6 ? { search: own() } : { externalId: own() }) })).data, []);
});

test("update changes what is given", async () => {
	const made = (await create({ fullName: "Before", metadata: { keep: 1 }, timezone: "Asia/Tokyo" })).data;
	const first = (await update(made.id, { fullName: "After", email: "after@example.com" })).data;
	looksRight(first);
	assert.deepEqual(first, { ...made, fullName: "After", [emailName]: "after@example.com", updatedAt: first.updatedAt });
	const address = { line1: "2 Main St", city: "Lima", postalCode: "15001", country: "PE" };
	const second = (await update(made.externalId, { metadata: { other: [2] }, address })).data;
	assert.deepEqual(second.metadata, { other: [2] });
	assert.equal(second.fullName, "After");
	assert.deepEqual((await update(made.id, {})).data, second);
	if (generation >= 6) {
		const id = own("changed");
		assert.equal((await update(made.id, { externalId: id, taxDocument: "20123456789" })).data.externalId, id);
		const got = (await get(id)).data;
		assert.equal(got.taxDocument, "20123456789");
		assert.equal(got.documentType, "RUC");
	}
});

test("a broken field is a CommetValidationError that names it", async () => {
	for (const [work, field] of [
		[() => create({ email: "not an address" }), emailName],
		[() => create({ email: undefined }), emailName],
		[() => create({ timezone: "Mars/Olympus" }), "timezone"],
		[() => create({ address: { line1: "1" } }), "address.city"],
		[() => customers.createBatch({ customers: [] }), "customers"],
		[() => customers.list({ limit: 0 }), "limit"],
	]) {
		const error = await fails(work());
		assert.ok(error instanceof CommetValidationError, String(error));
		assert.ok(error instanceof CommetError);
		assert.ok(error.message.length > 0);
		assert.ok(Object.keys(error.validationErrors).includes(field), JSON.stringify(error.validationErrors));
		assert.ok(error.validationErrors[field].every((message) => typeof message === "string" && message));
	}
});

function isAPIError(error, status, code, type, param) {
	assert.ok(error instanceof CommetAPIError, String(error));
	assert.ok(error instanceof CommetError);
	assert.equal(error.statusCode, status);
	assert.equal(error.code, code);
	assert.ok(error.message.length > 0 && !error.message.startsWith("Request failed"), error.message);
	if (nested) {
		assert.equal(error.type, type);
		if (param !== undefined) {
			assert.equal(error.param, param);
		}
		assert.match(error.docUrl, new RegExp(`/api-reference/[^/]+/errors/${code}\\.md$`));
	}
}

test("other errors are a CommetAPIError with status and code, and are not retried", async () => {
	const from = log.length;
	isAPIError(await fails(get(own())), 404, "customer_not_found", "not_found_error", "id");
	isAPIError(await fails(update(own(), { fullName: "x" })), 404, "customer_not_found", "not_found_error", "id");
	const stranger = new Commet({ apiKey: `ck_live_${"A".repeat(40)}`, environment: "production" });
	isAPIError(await fails(stranger.customers.list()), 401, "unauthorized", "authentication_error");
	isAPIError(await fails(commet.features.list({ customerId: "nobody" })), 404, "endpoint_not_available", "not_found_error");
	assert.equal(log.length - from, 4);
	if (generation >= 6) {
		const taken = (await create()).data;
		const error = await fails(update((await create()).data.id, { externalId: taken.externalId }));
		isAPIError(error, 409, "duplicate", "conflict_error", "externalId");
	}
});

// ---------------------------------------------------------------- plans

/** A call of the current version, for what this library cannot do. */
async function raw(method, path, body) {
	const response = await realFetch(`${CLIENTELE_URL}/api/v1${path}`, {
		method, body: JSON.stringify(body), headers: { "x-api-key": CLIENTELE_LIVE_KEY, "content-type": "application/json" },
	});
	assert.ok(response.ok, String(response.status));
	return response.json();
}

const code = () => own("plan").toLowerCase().replace(/[^a-z0-9_]/g, "_");
// What 5.x calls planId, later ones call id.
const ofPlan = (id, fields = {}) => (generation === 5 ? { planId: id, ...fields } : { id, ...fields });

test("plans are listed and read with their prices", async () => {
	const plan = await raw("POST", "/plans", { name: "Pro", code: code(), isPublic: true, description: "All" });
	const hidden = await raw("POST", "/plans", { name: "Hidden", code: code() });
	await raw("POST", `/plans/${plan.id}/prices`, { billingInterval: "monthly", price: 4900, trialDays: 14 });
	await raw("POST", `/plans/${plan.id}/prices`, { billingInterval: "semiannual", price: 25000 });
	const found = (await commet.plans.list()).data;
	const one = found.find((row) => row.id === plan.id);
	assert.ok(found.every((row) => row.id !== hidden.id));
	const all = (await commet.plans.list({ includePrivate: generation >= 7 ? "true" : true })).data;
	assert.ok(all.some((row) => row.id === hidden.id));
	for (const ref of [plan.id, plan.code]) {
		const got = (await commet.plans.get(generation < 3 ? ref : { id: ref })).data;
		assert.deepEqual(got, one);
		assert.equal(got.name, "Pro");
		assert.equal(got.code, plan.code);
		assert.equal(got.description, "All");
		assert.equal(got.isPublic, true);
		assert.equal(got.isDefault, false);
		assert.equal(got.sortOrder, 0);
		assert.deepEqual(got.features, []);
		assert.match(got.createdAt, times);
		// An interval that came later is not among them.
		assert.equal(got.prices.length, 1);
		const [price] = got.prices;
		assert.deepEqual([price.billingInterval, price.price, price.isDefault, price.trialDays], ["monthly", 4900, true, 14]);
		assert.equal(price.introOffer, null);
		assert.equal("regionalPrices" in price, generation >= 6);
		assert.equal("exchangeRates" in got, generation >= 6);
	}
	isAPIError(await fails(commet.plans.get(generation < 3 ? "nobody" : { id: "nobody" })), 404, "plan_not_found", "not_found_error", "id");
});

test("plans, prices and groups are managed", async () => {
	if (generation < 5) {
		return; // these libraries only read
	}
	const { plans, planGroups } = commet;
	const group = (await planGroups.create({ name: "Self-service" })).data;
	assert.match(group.id, /^pgp_/);
	const made = (await plans.create({ name: "Pro", code: code(), metadata: { tier: 2 }, planGroupId: group.id })).data;
	assert.match(made.id, /^pln_/);
	assert.equal(made.object, "plan");
	assert.equal(made.livemode, true);
	isAPIError(await fails(plans.create({ name: "Pro", code: made.code })), 409, "duplicate", "conflict_error", "code");
	assert.equal((await plans.update({ id: made.id, name: "Professional" })).data.name, "Professional");
	assert.equal((await plans.setVisibility({ id: made.id, isPublic: true })).data.isPublic, true);

	const month = (await plans.addPrice(ofPlan(made.id, { billingInterval: "monthly", price: 4900, trialDays: 14, includedCredits: 10 }))).data;
	const year = (await plans.addPrice(ofPlan(made.id, { billingInterval: "yearly", price: 49000 }))).data;
	assert.match(month.id, /^prc_/);
	assert.equal(month.planId, made.id);
	assert.equal(month.object, generation === 5 ? "plan_price" : "plan");
	assert.deepEqual([month.isDefault, year.isDefault], [true, false]);
	assert.equal((await plans.updatePrice(ofPlan(made.id, { priceId: month.id, price: 5900 }))).data.price, 5900);
	const chosen = (await plans.setDefaultPrice(ofPlan(made.id, { priceId: year.id }))).data;
	assert.deepEqual([chosen.id, chosen.isDefault], [year.id, true]);
	const gone = (await plans.deletePrice(ofPlan(made.id, { priceId: year.id }))).data;
	assert.deepEqual([gone.id, gone.deleted], [year.id, true]);
	assert.deepEqual((await plans.get({ id: made.code })).data.prices.map((row) => [row.billingInterval, row.price, row.isDefault]), [["monthly", 5900, true]]);
	const offer = generation === 5 ? { introOfferEnabled: true } : { introOffer: { enabled: true } };
	const refused = await fails(plans.addPrice(ofPlan(made.id, { billingInterval: "weekly", price: 1, ...offer })));
	assert.ok(Object.keys(offer)[0] in refused.validationErrors, String(refused));

	const other = (await plans.create({ name: "Basic", code: code() })).data;
	assert.equal((await planGroups.addPlan({ id: group.id, planId: other.id })).data.success, true);
	await planGroups.reorderPlans({ id: group.id, planIds: [other.id, made.id] });
	assert.deepEqual((await planGroups.get({ id: group.id })).data.plans.map((row) => [row.id, row.sortOrder]), [[other.id, 0], [made.id, 1]]);
	await planGroups.removePlan({ id: group.id, planId: other.id });
	assert.equal((await planGroups.update({ id: group.id, description: "For all" })).data.description, "For all");
	assert.ok((await planGroups.list()).data.some((row) => row.id === group.id));
	await planGroups.delete({ id: group.id });
	isAPIError(await fails(planGroups.get({ id: group.id })), 404, "plan_group_not_found", "not_found_error", "id");
	const deleted = (await plans.delete({ id: made.id })).data;
	assert.deepEqual([deleted.id, deleted.deleted], [made.id, true]);
	isAPIError(await fails(plans.get({ id: made.id })), 404, "plan_not_found", "not_found_error", "id");
});

// ---------------------------------------------------------------- subscriptions

/** A plan with these prices, in a group with the others of its kind. */
async function priced(group, place, prices) {
	const plan = await raw("POST", "/plans", { name: `Plan ${place}`, code: code() });
	for (const [billingInterval, price] of Object.entries(prices)) {
		await raw("POST", `/plans/${plan.id}/prices`, { billingInterval, price });
	}
	await raw("POST", `/plan-groups/${group.id}/plans`, { planId: plan.id, sortOrder: place });
	return plan;
}

const activeOf = async (customerId) => {
	const { subscriptions } = commet;
	return (await (subscriptions.getActive ? subscriptions.getActive({ customerId }) : subscriptions.get(customerId))).data;
};
// What 1.x to 5.3 call subscriptionId, later ones call id.
const ofSubscription = (id, fields = {}) => ({ id, subscriptionId: id, ...fields });

test("a customer subscribes, pays, changes the plan and cancels", async () => {
	const { subscriptions, invoices } = commet;
	const group = await raw("POST", "/plan-groups", { name: "All" });
	const small = await priced(group, 1, { monthly: 1000 });
	const large = await priced(group, 2, { monthly: 3000, yearly: 30000 });
	const customer = (await create()).data;
	assert.equal(await activeOf(customer.id), null);

	const made = (await subscriptions.create({ customerId: customer.externalId, planCode: small.code, metadata: { a: 1 } })).data;
	assert.match(made.id, /^sub_/);
	assert.equal(made.customerId, customer.id);
	assert.equal(made.status, "pending_payment");
	assert.equal(made.name, "Plan 1");
	assert.equal(made.plan.basePrice, 1000);
	assert.ok(made.checkoutUrl.includes("/checkout/"));
	assert.match(made.startDate, times);
	assert.ok(Number.isInteger(made.billingDayOfMonth));
	if (generation < 6) {
		assert.equal(made.planId, small.id);
		assert.match(made.currentPeriod.start, times);
	}
	const [first] = (await realFetch(`${CLIENTELE_URL}/api/v1/invoices?subscriptionId=${made.id}`, { headers: { "x-api-key": CLIENTELE_LIVE_KEY } }).then((r) => r.json())).data;
	assert.equal(first.total, 1000);
	if (invoices) {
		assert.deepEqual((await invoices.list({ subscriptionId: made.id })).data.map((row) => row.id), [first.id]);
		assert.equal((await invoices.get({ id: first.id })).data.lineItems[0].lineType, "plan_base");
		assert.equal((await invoices.updateStatus({ id: first.id, status: "paid" })).data.status, "paid");
		isAPIError(await fails(invoices.updateStatus({ id: first.id, status: "void" })), 409, "conflict", "conflict_error", "status");
	} else {
		await raw("PUT", `/invoices/${first.id}/status`, { status: "paid" });
	}
	for (const id of [customer.id, customer.externalId]) {
		const active = await activeOf(id);
		assert.equal(active.id, made.id);
		assert.equal(active.status, "active");
		assert.match(active.currentPeriod.end, times);
		assert.ok(active.currentPeriod.daysRemaining >= 28);
		assert.equal(active.cancellation, null);
		assert.deepEqual(active.features, []);
	}
	isAPIError(await fails(subscriptions.create({ customerId: customer.id, planId: large.id })), 409, "already_has_active_subscription", "conflict_error", "customerId");
	assert.equal((await get(customer.id)).data.subscription.planCode, small.code);

	if (subscriptions.changePlan) {
		const quote = (await subscriptions.previewChange({ id: made.id, planId: large.id })).data;
		assert.deepEqual([quote.currentPlanCredit, quote.newPlanCharge, quote.estimatedTotal, quote.isUpgrade], [1000, 3000, 2000, true]);
		const change = (await subscriptions.changePlan({ id: made.id, newPlanId: large.id })).data;
		assert.equal(change.requiresCheckout, true);
		const [open] = (await invoices.list({ customerId: customer.id, status: "outstanding" })).data;
		await invoices.updateStatus({ id: open.id, status: "paid" });
		assert.equal((await activeOf(customer.id)).plan.id, large.id);
		const later = (await subscriptions.changePlan({ id: made.id, newPlanId: small.id })).data;
		assert.equal(later.scheduled, true);
		assert.match(later.scheduledFor, times);
		assert.equal((await subscriptions.list({ customerId: customer.id })).data[0].scheduledPlanChange.newPlanId, small.id);
		isAPIError(await fails(subscriptions.changePlan({ id: made.id, newPlanId: large.id, newBillingInterval: "weekly" })), 404, "price_not_found", "not_found_error", "newBillingInterval");
	}

	const canceled = (await subscriptions.cancel(ofSubscription(made.id, { reason: "too dear" }))).data;
	assert.equal(canceled.status, "active");
	assert.equal(canceled.cancellation.reason, "too dear");
	if (generation === 6 || generation === 7) {
		assert.match(canceled.canceledAt, times);
		assert.match(canceled.scheduledCancellationDate, times);
	}
	isAPIError(await fails(subscriptions.cancel(ofSubscription(made.id))), 409, "already_scheduled", "conflict_error", "id");
	if (subscriptions.uncancel) {
		assert.equal((await subscriptions.uncancel(ofSubscription(made.id))).data.status, "active");
		assert.equal((await activeOf(customer.id)).cancellation, null);
	}
	if (generation >= 6) {
		assert.equal((await subscriptions.get({ id: made.id })).data.id, made.id);
	}
	assert.equal((await subscriptions.cancel(ofSubscription(made.id, { immediate: true }))).data.status, "canceled");
	assert.equal(await activeOf(customer.id), null);
	isAPIError(await fails(subscriptions.cancel(ofSubscription("sub_nobody"))), 404, "subscription_not_found", "not_found_error", "id");
});

// ---------------------------------------------------------------- retries

test("a 503 is retried with the same Idempotency-Key", async () => {
	const options = retryOptions();
	let refusals = 1;
	const refuse = (real) => (refusals-- > 0 ? unavailable() : real());
	const { result, calls } = await during(refuse, () => create({}, options));
	looksRight(result.data);
	assert.deepEqual(calls.map((call) => call.status), [503, 201]);
	assert.ok(calls[0].key);
	assert.equal(calls[1].key, calls[0].key);
	assert.equal(calls[1].body, calls[0].body);
});

test("a lost answer is replayed and the work done once", async () => {
	let losses = 1;
	const lose = async (real) => {
		const response = await real();
		return losses-- > 0 ? unavailable() : response;
	};
	// Without an id: only the key keeps a second customer from being made.
	const email = mail();
	const options = retryOptions();
	const { result, calls } = await during(lose, () => customers.create({ email }, options));
	assert.deepEqual(calls.map((call) => call.status), [503, 201]);
	assert.equal(calls[1].key, calls[0].key);
	if (generation < 6) {
		assert.deepEqual((await customers.list({ search: email })).data.map((one) => one.id), [result.data.id]);
	} else {
		const newest = (await customers.list({ limit: 2 })).data;
		assert.equal(newest.filter((one) => one.email === email).length, 1);
	}
	assert.equal((await get(result.data.id)).data[emailName], email);
});

test("a broken connection is retried with the same Idempotency-Key", async () => {
	let breaks = 1;
	const cut = async (real) => {
		await (await real()).arrayBuffer();
		if (breaks-- > 0) {
			throw new TypeError("fetch failed");
		}
		return real();
	};
	const body = { customers: [{ email: mail() }, { email: mail(), id: own() }] };
	const options = retryOptions();
	const { result, calls } = await during(cut, () => customers.createBatch(body, options));
	assert.equal(calls.length, 2);
	assert.equal(calls[1].key, calls[0].key);
	assert.deepEqual(result.data.successful.map((one) => one.status), ["created", "created"]);
	// The key's answer is the first one's, so these two are the only ones.
	for (const one of result.data.successful) {
		assert.equal((await get(one.id)).data.id, one.id);
	}
});

test("a request beyond the rate limit waits and is done once", async () => {
	const slow = new Commet({ apiKey: CLIENTELE_SLOW_KEY, environment: "production" });
	await slow.customers.list({ limit: 1 });
	const from = log.length;
	const id = own("limited");
	const { data } = await slow.customers.create({ email: mail(), id }, retryOptions());
	const calls = log.slice(from);
	assert.ok(calls.length >= 2 && calls.length <= 4, `${calls.length} calls`);
	assert.deepEqual(calls.map((call) => call.status), [...calls.slice(1).map(() => 429), 201]);
	assert.ok(calls.every((call) => call.key && call.key === calls[0].key));
	assert.equal(data.externalId, id);
});

test("a request beyond the rate limit that is not retried is a CommetAPIError", async () => {
	const used = new Commet({ apiKey: CLIENTELE_USED_KEY, environment: "production", retries: 0 });
	await used.customers.list({ limit: 1 });
	isAPIError(await fails(used.customers.list()), 429, "rate_limited", "rate_limit_error");
	isAPIError(await fails(used.customers.create({ email: mail() })), 429, "rate_limited", "rate_limit_error");
});

// ---------------------------------------------------------------- what doc/clients.md says of ids in paths

test("own ids of safe characters arrive in paths", async () => {
	for (const characters of ["-_.:@|~", "!$&'()*+,;=", "a b", "\u00e4\u65e5\ud83d\ude00", "org/team/42"]) {
		const id = `${own("safe")}${characters}`;
		const made = (await create({ id })).data;
		assert.equal((await get(id)).data.id, made.id, id);
		assert.equal((await update(made.id, { fullName: id })).data.fullName, id);
	}
});

test("own ids of other characters arrive as others", async () => {
	for (const [characters, arrive] of [["#2", ""], ["?2", ""], ["%25", "%"], ["\\2", "/2"], [" ", ""]]) {
		const id = own("unsafe");
		await create({ id: id + characters });
		const other = (await create({ id: id + arrive })).data;
		assert.equal((await get(id + characters)).data.id, other.id, characters);
	}
});
