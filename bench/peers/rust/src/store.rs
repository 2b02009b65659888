//! Customers, keys and idempotency records in PostgreSQL.

use std::collections::HashMap;

use chrono::Utc;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
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

struct Kept {
    ids: Vec<Uuid>,
    customers: Vec<Customer>,
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

    async fn replay(&self, environment: Uuid, idem: &Idem) -> Result<Option<Kept>, Failure> {
        let rows = self.in_environment(environment, sql::REPLAY, &[&environment, &idem.key]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        if Some(row.get::<_, Vec<u8>>(0)) != idem.hash {
            return Err(Failure::Mismatch);
        }
        let snapshot = rows.iter().filter(|row| row.get::<_, Option<Uuid>>(2).is_some());
        Ok(Some(Kept { ids: row.get(1), customers: snapshot.map(|row| customer(row, 2)).collect() }))
    }

    async fn insert(&self, environment: Uuid, wanted: &[Customer], ids: &[Uuid], idem: &Idem) -> Result<usize, Failure> {
        let at = ids.first().map_or_else(Utc::now, |first| id::time_of(*first));
        let rows = if let [c] = wanted {
            self.in_environment(environment, sql::CREATE, &[
                &environment, &ids[0], &c.external_id, &c.email, &c.full_name, &c.tax_document, &c.address.as_deref().map(Json),
                &c.address_id, &c.timezone, &c.metadata.as_deref().map(Json), &at, &idem.key, &idem.hash,
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
                &at, &idem.key, &idem.hash,
            ]).await?
        };
        Ok(rows.len())
    }

    /// True when the answer is a repeated one.
    pub async fn create(&self, environment: Uuid, wanted: &mut [Customer], idem: &Idem) -> Result<bool, Failure> {
        loop {
            let ids: Vec<Uuid> = wanted.iter().map(|_| id::new_id()).collect();
            let refused = match self.insert(environment, wanted, &ids, idem).await {
                Ok(made) if made == ids.len() => {
                    settle(wanted, &ids, &[]);
                    return Ok(false);
                }
                Ok(_) => None,
                Err(failure) if failure.is_taken(KEY_TAKEN) => Some(failure),
                Err(failure) => return Err(failure),
            };
            if idem.key.is_some() {
                match self.replay(environment, idem).await? {
                    Some(stored) if stored.ids.len() == ids.len() => {
                        settle(wanted, &stored.ids, &stored.customers);
                        return Ok(true);
                    }
                    _ => {}
                }
            }
            if let Some(failure) = refused {
                return Err(failure);
            }
            let externals: Vec<&str> = wanted.iter().filter_map(|c| c.external_id.as_deref()).collect();
            match self.in_environment(environment, sql::EXISTING, &[&environment, &externals, &ids, &idem.key, &idem.hash]).await {
                Ok(rows) => {
                    settle(wanted, &ids, &customers(&rows));
                    return Ok(false);
                }
                Err(failure) if failure.is_taken(KEY_TAKEN) => continue, // its twin has just ended
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The customer, and whether the answer is a repeated one.
    pub async fn update(&self, environment: Uuid, reference: &str, change: &Customer, idem: &Idem) -> Result<(Customer, bool), Failure> {
        let public = id::parse("cus_", reference);
        let nothing = change.external_id.is_none()
            && change.email.is_none()
            && change.full_name.is_none()
            && change.tax_document.is_none()
            && change.address.is_none()
            && change.timezone.is_none()
            && change.metadata.is_none();
        let done = if nothing {
            self.in_environment(environment, sql::KEEP, &[&environment, &public, &reference, &idem.key, &idem.hash]).await
        } else {
            self.in_environment(environment, sql::UPDATE, &[
                &environment, &public, &reference, &change.external_id, &change.email, &change.full_name, &change.tax_document,
                &change.address.as_deref().map(Json), &change.timezone, &change.metadata.as_deref().map(Json), &Utc::now(),
                &idem.key, &idem.hash,
            ]).await
        };
        match done {
            Ok(rows) => rows.first().map(|row| (customer(row, 0), false)).ok_or(Failure::NotFound),
            Err(failure) if failure.is_taken("customer_external_id") => Err(Failure::Duplicate),
            Err(failure) if failure.is_taken(KEY_TAKEN) => {
                let stored = self.replay(environment, idem).await?;
                stored.and_then(|kept| kept.customers.into_iter().next()).map(|c| (c, true)).ok_or(Failure::NotFound)
            }
            Err(failure) => Err(failure),
        }
    }
}
