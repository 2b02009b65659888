//! Customers, keys and idempotency records in PostgreSQL.

use std::collections::HashMap;

use chrono::Utc;
use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod};
use serde_json::value::RawValue;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{NoTls, Row};
use uuid::Uuid;

use crate::customer::Customer;
use crate::{id, sql};

pub enum Failure {
    NotFound,
    Duplicate,
    Mismatch,
    Database(tokio_postgres::Error),
    Pool(deadpool_postgres::PoolError),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure::Database(error)
    }
}

impl From<deadpool_postgres::PoolError> for Failure {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Failure::Pool(error)
    }
}

impl Failure {
    fn is_taken(&self, constraint: &str) -> bool {
        let Failure::Database(error) = self else { return false };
        error.code() == Some(&SqlState::UNIQUE_VIOLATION)
            && error.as_db_error().and_then(|e| e.constraint()) == Some(constraint)
    }
}

const KEY_TAKEN: &str = "idempotency_key_pkey";

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

#[derive(Default)]
pub struct Idem {
    pub key: Option<String>,
    pub hash: Option<Vec<u8>>,
}

pub struct Holder {
    pub environment: Uuid,
    pub livemode: bool,
}

/// What is sent, and kept for the key: headers are lines.
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

/// A transaction that has not ended. When it is dropped so, after a failure or because its client has left, it is undone
/// before anybody else gets the connection.
struct Open(Option<Client>);

impl Open {
    fn client(&self) -> &Client {
        self.0.as_ref().expect("it is open")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            tokio::spawn(async move { client.batch_execute("ROLLBACK").await });
        }
    }
}

pub struct Store {
    pool: Pool,
}

fn customer(row: &Row, first: usize) -> Customer {
    let json = |at: usize| row.get::<_, Option<Json<Box<RawValue>>>>(at).map(|Json(raw)| raw);
    Customer {
        id: row.get(first),
        external_id: row.get(first + 1),
        email: row.get(first + 2),
        full_name: row.get(first + 3),
        tax_document: row.get(first + 4),
        address: json(first + 5),
        timezone: row.get(first + 6),
        metadata: json(first + 7),
        created_at: row.get(first + 8),
        updated_at: row.get(first + 9),
        existing: true,
        ..Customer::default()
    }
}

fn customers(rows: &[Row]) -> Vec<Customer> {
    rows.iter().map(|row| customer(row, 0)).collect()
}

/// Gives each customer the id that was made for it, or replaces it by the one that existed.
fn settle(wanted: &mut [Customer], ids: &[Uuid], kept: &[Customer]) {
    let existing: HashMap<_, _> = kept.iter().filter_map(|c| Some((c.external_id.clone()?, c))).collect();
    for (c, new) in wanted.iter_mut().zip(ids) {
        match c.external_id.as_ref().and_then(|external| existing.get(external)) {
            Some(found) => *c = (*found).clone(),
            None => {
                c.id = *new;
                c.created_at = id::time_of(ids[0]);
                c.updated_at = c.created_at;
            }
        }
    }
}

impl Store {
    pub async fn open(database: &str, connections: usize) -> Result<Store, Box<dyn std::error::Error>> {
        let mut config: tokio_postgres::Config = database.parse()?;
        config.options("-c plan_cache_mode=force_generic_plan");
        // A connection is handed out without a question to the server, as the pool's guide advises for speed.
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager).max_size(connections).build()?;
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(pool.get().await?);
        }
        drop(open);
        Ok(Store { pool })
    }

    /// One transaction in one round trip: the driver sends what is polled together without waiting in between. The setting
    /// for row-level security is constant text with a UUID or hexadecimal digits.
    async fn transaction(&self, setting: &str, value: &str, wanted: &str, values: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        let client = self.pool.get().await?;
        let wanted = client.prepare_cached(wanted).await?;
        let begin = format!("BEGIN; SET LOCAL app.{setting} = '{value}'");
        let (begun, rows, committed) = tokio::join!(
            biased;
            client.batch_execute(&begin),
            client.query(&wanted, values),
            client.batch_execute("COMMIT")
        );
        begun?;
        let rows = rows?;
        committed?;
        Ok(rows)
    }

    async fn in_environment(&self, environment: Uuid, wanted: &str, values: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        self.transaction("environment", &environment.to_string(), wanted, values).await
    }

    /// A transaction whose answer depends on what its statement returns: one round trip for that, and one to keep the answer.
    /// Without a key there is nothing to keep. Nothing is done when there is no answer.
    async fn answered(
        &self,
        environment: Uuid,
        wanted: &str,
        values: Parameters<'_>,
        idem: &Idem,
        render: impl Fn(&[Row]) -> Option<Answer>,
    ) -> Result<Option<Answer>, Failure> {
        if idem.key.is_none() {
            return Ok(render(&self.in_environment(environment, wanted, values).await?));
        }
        let mut open = Open(Some(self.pool.get().await?));
        let client = open.client();
        let (wanted, keep) = (client.prepare_cached(wanted).await?, client.prepare_cached(sql::KEEP).await?);
        let begin = format!("BEGIN; SET LOCAL app.environment = '{environment}'");
        let (begun, rows) = tokio::join!(biased; client.batch_execute(&begin), client.query(&wanted, values));
        begun?;
        let Some(answer) = render(&rows?) else { return Ok(None) };
        let status = i32::from(answer.status);
        let record: Parameters = &[&environment, &idem.key, &idem.hash, &id::new_id(), &status, &answer.headers, &answer.body];
        let (kept, committed) = tokio::join!(biased; client.execute(&keep, record), client.batch_execute("COMMIT"));
        open.0.take();
        kept?;
        committed?;
        Ok(Some(answer))
    }

    pub async fn holder(&self, hash: &[u8]) -> Result<Option<Holder>, Failure> {
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let rows = self.transaction("key_hash", &hex, sql::KEY_FIND, &[&hash]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (environment, key, livemode, due): (Uuid, Uuid, bool, bool) = (row.get(0), row.get(1), row.get(2), row.get(3));
        if due {
            self.in_environment(environment, sql::KEY_USED, &[&environment, &key]).await?;
        }
        Ok(Some(Holder { environment, livemode }))
    }

    pub async fn find(&self, environment: Uuid, reference: &str) -> Result<Customer, Failure> {
        if let Some(public) = id::parse("cus_", reference) {
            let rows = self.in_environment(environment, sql::GET, &[&environment, &public]).await?;
            if let Some(row) = rows.first() {
                return Ok(customer(row, 0));
            }
        }
        let rows = self.in_environment(environment, sql::GET_EXTERNAL, &[&environment, &reference]).await?;
        rows.first().map(|row| customer(row, 0)).ok_or(Failure::NotFound)
    }

    pub async fn list(&self, environment: Uuid, before: Uuid, limit: i64) -> Result<Vec<Customer>, Failure> {
        let rows = self.in_environment(environment, sql::LIST, &[&environment, &before, &limit]).await?;
        Ok(customers(&rows))
    }

    async fn replay(&self, environment: Uuid, idem: &Idem) -> Result<Option<Answer>, Failure> {
        let rows = self.in_environment(environment, sql::REPLAY, &[&environment, &idem.key]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        if Some(row.get::<_, Vec<u8>>(0)) != idem.hash {
            return Err(Failure::Mismatch);
        }
        Ok(Some(Answer { status: row.get::<_, i32>(1) as u16, headers: row.get(2), body: row.get(3) }))
    }

    /// The answer is one for the case that all are made.
    async fn insert(
        &self,
        environment: Uuid,
        wanted: &[Customer],
        ids: &[Uuid],
        idem: &Idem,
        answer: &Answer,
    ) -> Result<usize, Failure> {
        let at = ids.first().map_or_else(Utc::now, |first| id::time_of(*first));
        let (maker, status) = (id::new_id(), i32::from(answer.status));
        let rows = if let [c] = wanted {
            self.in_environment(environment, sql::CREATE, &[
                &environment, &ids[0], &c.external_id, &c.email, &c.full_name, &c.tax_document, &c.address.as_deref().map(Json),
                &c.address_id, &c.timezone, &c.metadata.as_deref().map(Json), &at, &idem.key, &idem.hash, &maker, &status,
                &answer.headers, &answer.body,
            ]).await?
        } else {
            fn column<'a, T>(wanted: &'a [Customer], cell: impl Fn(&'a Customer) -> Option<T>) -> Vec<Option<T>> {
                wanted.iter().map(cell).collect()
            }
            self.in_environment(environment, sql::CREATE_MANY, &[
                &environment, &ids, &column(wanted, |c| c.external_id.as_deref()), &column(wanted, |c| c.email.as_deref()),
                &column(wanted, |c| c.full_name.as_deref()), &column(wanted, |c| c.tax_document.as_deref()),
                &column(wanted, |c| c.address.as_deref().map(Json)), &column(wanted, |c| c.address_id),
                &column(wanted, |c| c.timezone.as_deref()), &column(wanted, |c| c.metadata.as_deref().map(Json)),
                &at, &idem.key, &idem.hash, &maker, &status, &answer.headers, &answer.body,
            ]).await?
        };
        Ok(rows.len())
    }

    /// The answer, and whether it is a repeated one.
    pub async fn create(
        &self,
        environment: Uuid,
        mut wanted: Vec<Customer>,
        idem: &Idem,
        render: impl Fn(&[Customer]) -> Answer,
    ) -> Result<(Answer, bool), Failure> {
        loop {
            let ids: Vec<Uuid> = wanted.iter().map(|_| id::new_id()).collect();
            settle(&mut wanted, &ids, &[]);
            let answer = render(&wanted);
            let refused = match self.insert(environment, &wanted, &ids, idem, &answer).await {
                Ok(made) if made == ids.len() => return Ok((answer, false)),
                Ok(_) => None,
                Err(failure) if failure.is_taken(KEY_TAKEN) => Some(failure),
                Err(failure) => return Err(failure),
            };
            if idem.key.is_some() {
                if let Some(stored) = self.replay(environment, idem).await? {
                    return Ok((stored, true));
                }
            }
            if let Some(failure) = refused {
                return Err(failure);
            }
            let externals: Vec<&str> = wanted.iter().filter_map(|c| c.external_id.as_deref()).collect();
            let settled = |rows: &[Row]| {
                let mut all = wanted.clone();
                settle(&mut all, &ids, &customers(rows));
                Some(render(&all))
            };
            match self.answered(environment, sql::EXISTING, &[&environment, &externals, &ids], idem, settled).await {
                Ok(Some(answer)) => return Ok((answer, false)),
                Ok(None) => continue,
                Err(failure) if failure.is_taken(KEY_TAKEN) => continue, // its twin has just ended
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The answer, and whether it is a repeated one.
    pub async fn update(
        &self,
        environment: Uuid,
        reference: &str,
        change: &Customer,
        idem: &Idem,
        render: impl Fn(&Customer) -> Answer,
    ) -> Result<(Answer, bool), Failure> {
        let public = id::parse("cus_", reference);
        let nothing = change.external_id.is_none()
            && change.email.is_none()
            && change.full_name.is_none()
            && change.tax_document.is_none()
            && change.address.is_none()
            && change.timezone.is_none()
            && change.metadata.is_none();
        let found = |rows: &[Row]| rows.first().map(|row| render(&customer(row, 0)));
        let done = if nothing {
            self.answered(environment, sql::FIND, &[&environment, &public, &reference], idem, found).await
        } else {
            self.answered(environment, sql::UPDATE, &[
                &environment, &public, &reference, &change.external_id, &change.email, &change.full_name, &change.tax_document,
                &change.address.as_deref().map(Json), &change.timezone, &change.metadata.as_deref().map(Json), &Utc::now(),
            ], idem, found).await
        };
        match done {
            Ok(answer) => answer.map(|answer| (answer, false)).ok_or(Failure::NotFound),
            Err(failure) if failure.is_taken("customer_external_id") => Err(Failure::Duplicate),
            Err(failure) if failure.is_taken(KEY_TAKEN) => {
                let stored = self.replay(environment, idem).await?;
                stored.map(|answer| (answer, true)).ok_or(Failure::NotFound)
            }
            Err(failure) => Err(failure),
        }
    }
}
