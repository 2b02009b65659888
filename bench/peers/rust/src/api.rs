//! Routes, keys, errors and answers.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::Router;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::customer::{self, has_email, Batched, Customer, Fault, Sent, Shown};
use crate::id;
use crate::store::{Answer, Failure, Idem, Store};

const BODY_MAX: usize = 2 << 20;
const KEY_LIFE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Tenant {
    environment: Uuid,
    livemode: bool,
    until: Instant,
}

struct App {
    store: Store,
    keys: RwLock<HashMap<[u8; 32], Tenant>>,
}

type Shared = State<Arc<App>>;

pub fn router(store: Store) -> Router {
    Router::new()
        .route("/api/v1/customers", post(create).get(list))
        .route("/api/v1/customers/batch", post(batch))
        .route("/api/v1/customers/{id}", get(find).patch(update))
        .fallback(|| async { Problem::new(404, "not_found_error", "not_found", None, "There is nothing at this path.") })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(Arc::new(App { store, keys: RwLock::default() }))
}

// ---- errors

struct Problem {
    status: u16,
    kind: &'static str,
    code: &'static str,
    param: Option<String>,
    message: String,
    details: Option<Vec<Fault>>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    r#type: &'a str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    details: Option<&'a [Fault]>,
    doc_url: String,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    success: bool,
    code: &'a str,
    message: &'a str,
    details: Option<&'a [Fault]>,
    error: ErrorBody<'a>,
}

impl Problem {
    fn new(status: u16, kind: &'static str, code: &'static str, param: Option<&str>, message: &str) -> Problem {
        Problem { status, kind, code, param: param.map(str::to_owned), message: message.to_owned(), details: None }
    }

    fn invalid(faults: Vec<Fault>) -> Problem {
        let message = format!("{}: {}", faults[0].field, faults[0].message);
        let problem = Problem::new(400, "validation_error", "validation_error", Some(&faults[0].field), &message);
        Problem { details: Some(faults), ..problem }
    }

    fn invalid_one(field: &str, message: &str) -> Problem {
        Problem::invalid(vec![Fault { field: field.to_owned(), message: message.to_owned() }])
    }

    fn invalid_key(message: &str) -> Problem {
        Problem { message: message.to_owned(), ..Problem::invalid_one("Idempotency-Key", message) }
    }

    fn invalid_json(error: serde_json::Error) -> Problem {
        Problem::new(400, "validation_error", "invalid_json", None, &format!("The body is not valid JSON: {error}."))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        match failure {
            Failure::NotFound => {
                Problem::new(404, "not_found_error", "customer_not_found", Some("id"), "There is no customer with this id.")
            }
            Failure::Duplicate => {
                Problem::new(409, "conflict_error", "duplicate", Some("externalId"), "Another customer has this external id.")
            }
            Failure::Mismatch => Problem::new(
                409,
                "conflict_error",
                "idempotency_key_mismatch",
                Some("Idempotency-Key"),
                "This idempotency key was used for a different request.",
            ),
            Failure::Database(error) => Problem::defect(&error),
            Failure::Pool(error) => Problem::defect(&error),
        }
    }
}

impl Problem {
    fn defect(error: &dyn std::error::Error) -> Problem {
        eprintln!("{error:?}");
        Problem::new(500, "internal_error", "internal_error", None, "Something went wrong on our side. Nothing was done.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, message, details) = (self.code, self.message.as_str(), self.details.as_deref());
        let doc_url = format!("/api-reference/2026-08-27/errors/{code}.md");
        let error = ErrorBody { r#type: self.kind, code, message, param: self.param.as_deref(), details, doc_url };
        answer(self.status, &ProblemBody { success: false, code, message, details, error })
    }
}

// ---- requests and answers

type Header = (HeaderName, HeaderValue);

const REPLAYED: Header = (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("this is JSON")
}

fn respond(status: u16, body: Vec<u8>, more: impl IntoIterator<Item = Header>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).expect("this is a status");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REQUEST_ID, HeaderValue::try_from(id::text("req_", id::new_id())).expect("letters and digits"));
    headers.extend(more);
    response
}

fn answer(status: u16, value: &impl Serialize) -> Response {
    respond(status, json(value), [])
}

/// An answer that was kept, now or before.
fn kept((answer, replayed): (Answer, bool)) -> Response {
    let lines = answer.headers.lines().filter_map(|line| line.split_once(": "));
    let own = lines.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
    respond(answer.status, answer.body, own.chain(replayed.then_some(REPLAYED)))
}

impl App {
    async fn tenant(&self, headers: &HeaderMap) -> Result<Tenant, Problem> {
        let unauthorized =
            || Problem::new(401, "authentication_error", "unauthorized", Some("x-api-key"), "Invalid API key.");
        let key = headers.get("x-api-key").map(HeaderValue::as_bytes).unwrap_or_default();
        let random = key.strip_prefix(b"ck_live_").or_else(|| key.strip_prefix(b"ck_sandbox_")).unwrap_or_default();
        if random.len() != 40 || !random.iter().all(u8::is_ascii_alphanumeric) {
            return Err(unauthorized());
        }
        let hash: [u8; 32] = Sha256::digest(key).into();
        let now = Instant::now();
        if let Some(tenant) = self.keys.read().unwrap().get(&hash).filter(|t| t.until > now) {
            return Ok(*tenant);
        }
        let holder = self.store.holder(&hash).await?.ok_or_else(unauthorized)?;
        let tenant = Tenant { environment: holder.environment, livemode: holder.livemode, until: now + KEY_LIFE };
        self.keys.write().unwrap().insert(hash, tenant);
        Ok(tenant)
    }
}

fn idempotency(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Idem, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(Idem::default()) };
    let Ok(mut key) = value.to_str() else {
        return Err(Problem::invalid_key("Idempotency-Key must be printable ASCII."));
    };
    if let Some(bare) = key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        key = bare;
    }
    if key.is_empty() || key.len() > 255 {
        return Err(Problem::invalid_key("Idempotency-Key must have 1 to 255 characters."));
    }
    let hash = Sha256::new().chain_update(method.as_str()).chain_update(uri.path()).chain_update("\n").chain_update(body);
    Ok(Idem { key: Some(key.to_owned()), hash: Some(hash.finalize().to_vec()) })
}

fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    if body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') {
        return serde_json::from_slice(body).map_err(Problem::invalid_json);
    }
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Err(Problem::invalid_one("body", "must be a JSON object")),
        Err(error) => Err(Problem::invalid_json(error)),
    }
}

// ---- the calls

async fn create(State(app): Shared, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let tenant = app.tenant(&headers).await?;
    let idem = idempotency(&method, &uri, &headers, &body)?;
    let (wanted, faults) = customer::read(&object(&body)?, true);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let render = |made: &[Customer]| Answer {
        status: if made[0].existing { 200 } else { 201 },
        headers: format!("Clientele-Result: {}\n", customer::result(made[0].existing)),
        body: json(&made[0].shown(tenant.livemode)),
    };
    Ok(kept(app.store.create(tenant.environment, vec![wanted], &idem, render).await?))
}

async fn find(State(app): Shared, Path(reference): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let tenant = app.tenant(&headers).await?;
    let found = app.store.find(tenant.environment, &reference).await?;
    Ok(answer(200, &found.detailed(tenant.livemode)))
}

async fn update(
    State(app): Shared,
    Path(reference): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let tenant = app.tenant(&headers).await?;
    let idem = idempotency(&method, &uri, &headers, &body)?;
    let nothing = matches!(body.trim_ascii(), b"" | b"[]");
    let sent = if nothing { Sent::default() } else { object(&body)? };
    let (change, faults) = customer::read(&sent, false);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let render = |c: &Customer| Answer { status: 200, headers: String::new(), body: json(&c.shown(tenant.livemode)) };
    Ok(kept(app.store.update(tenant.environment, &reference, &change, &idem, render).await?))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    object: &'static str,
    data: Vec<Shown<'a>>,
    has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn list(State(app): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Response, Problem> {
    let tenant = app.tenant(&headers).await?;
    // Numbers and cursors have nothing in them that would be escaped.
    let query = query.unwrap_or_default();
    let given = |name: &str| query.split('&').find_map(|pair| pair.split_once('=').filter(|(n, _)| *n == name)).map(|(_, v)| v);
    let mut faults = Vec::new();
    let mut fault = |field: &str, message: &str| faults.push(Fault { field: field.to_owned(), message: message.to_owned() });
    let limit = given("limit").map_or(Some(25), |text| text.parse().ok()).filter(|n| (1..=100).contains(n));
    if limit.is_none() {
        fault("limit", "must be a number from 1 to 100");
    }
    let before = given("cursor").map_or(Some(Uuid::max()), |text| id::parse("cur_", text));
    if before.is_none() {
        fault("cursor", "must be the nextCursor of a previous page");
    }
    let (Some(limit), Some(before)) = (limit, before) else { return Err(Problem::invalid(faults)) };
    let found = app.store.list(tenant.environment, before, limit as i64 + 1).await?;
    let has_more = found.len() > limit;
    let shown = &found[..found.len().min(limit)];
    let page = Page {
        object: "list",
        data: shown.iter().map(|c| c.shown(tenant.livemode)).collect(),
        has_more,
        next_cursor: shown.last().filter(|_| has_more).map(|last| id::text("cur_", last.id)),
    };
    Ok(answer(200, &page))
}

#[derive(Deserialize)]
struct SentBatch<'a> {
    #[serde(borrow)]
    customers: Option<&'a RawValue>,
}

struct Item<'a> {
    sent: &'a RawValue,
    faults: Vec<Fault>,
    at: usize, // among the customers that are stored
    repeated: bool,
}

#[derive(Serialize)]
struct Failed<'a> {
    index: usize,
    error: String,
    code: &'static str,
    param: &'a str,
    data: &'a RawValue,
}

#[derive(Serialize)]
struct Batch<'a> {
    successful: Vec<Batched<'a>>,
    failed: Vec<Failed<'a>>,
    object: &'static str,
    livemode: bool,
}

/// The items, and the customers that are to be stored: later ones with an external id of an earlier one are that one.
fn read_items(raw: Option<&RawValue>) -> Result<(Vec<Item<'_>>, Vec<Customer>), Problem> {
    let raw = raw.ok_or_else(|| Problem::invalid_one("customers", "is required"))?;
    let parts: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| Problem::invalid_one("customers", "must be an array"))?;
    if parts.is_empty() || parts.len() > 100 {
        return Err(Problem::invalid_one("customers", "must have 1 to 100 items"));
    }
    let (mut items, mut wanted, mut first) = (Vec::with_capacity(parts.len()), Vec::new(), HashMap::new());
    let mut whole = true; // every broken item can be told of in "failed"
    for sent in parts {
        let read = sent.get().starts_with('{').then(|| serde_json::from_str::<Sent>(sent.get()).ok()).flatten();
        let Some(fields) = read else {
            whole = false;
            let faults = vec![Fault { field: String::new(), message: "must be an object".to_owned() }];
            items.push(Item { sent, faults, at: 0, repeated: false });
            continue;
        };
        let (customer, faults) = customer::read(&fields, true);
        whole &= faults.is_empty() || has_email(&fields);
        let mut item = Item { sent, faults, at: wanted.len(), repeated: false };
        if item.faults.is_empty() {
            if let Some(external) = &customer.external_id {
                item.at = *first.entry(external.clone()).or_insert(item.at);
                item.repeated = item.at < wanted.len();
            }
            if !item.repeated {
                wanted.push(customer);
            }
        }
        items.push(item);
    }
    if whole {
        return Ok((items, wanted));
    }
    let path = |i: usize, field: String| if field.is_empty() { format!("customers.{i}") } else { format!("customers.{i}.{field}") };
    let numbered = items.into_iter().enumerate();
    let faults = numbered.flat_map(|(i, item)| {
        item.faults.into_iter().map(move |f| Fault { field: path(i, f.field), message: f.message })
    });
    Err(Problem::invalid(faults.collect()))
}

async fn batch(State(app): Shared, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let tenant = app.tenant(&headers).await?;
    let idem = idempotency(&method, &uri, &headers, &body)?;
    let sent: SentBatch = object(&body)?;
    let (items, wanted) = read_items(sent.customers)?;
    let render = |made: &[Customer]| {
        let mut out = Batch { successful: Vec::new(), failed: Vec::new(), object: "customer_batch", livemode: tenant.livemode };
        for (index, item) in items.iter().enumerate() {
            match item.faults.first() {
                Some(fault) => out.failed.push(Failed {
                    index,
                    error: format!("{}: {}", fault.field, fault.message),
                    code: "validation_error",
                    param: &fault.field,
                    data: item.sent,
                }),
                None => {
                    let stored = &made[item.at];
                    out.successful.push(stored.batched(index, item.repeated || stored.existing));
                }
            }
        }
        Answer { status: 200, headers: String::new(), body: json(&out) }
    };
    if wanted.is_empty() && idem.key.is_none() {
        return Ok(kept((render(&[]), false)));
    }
    Ok(kept(app.store.create(tenant.environment, wanted, &idem, render).await?))
}
