// Customers, keys and idempotency records in PostgreSQL.
import pg from 'pg'
import { idTime, newId, parseId } from './id.js'

const COLUMNS = `c.id, c.external_id AS "externalId", c.email, c.full_name AS "fullName", c.tax_document AS "taxDocument", c.address,
  c.timezone, c.metadata, c.created_at AS "createdAt", c.updated_at AS "updatedAt"`

// A record of an idempotency key: the answer itself, as it was sent.
const KEPT = 'INSERT INTO idempotency_key (environment_id, key, request_hash, maker, version, status, headers, answer, sealed)'

// A statement with a name is prepared once a connection.
const statement = (name, text) => (values) => ({ name, text, values })

const keyFind = statement('key_find', `
SELECT k.environment_id AS environment, k.id, e.livemode,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS due
  FROM api_key k JOIN environment e ON e.id = k.environment_id
 WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`)
const keyUsed = statement('key_used', 'UPDATE api_key SET last_used_at = now() WHERE environment_id = $1 AND id = $2')
const get = statement('get', `SELECT ${COLUMNS} FROM customer c WHERE c.environment_id = $1 AND c.id = $2`)
const getExternal = statement('get_external', `SELECT ${COLUMNS} FROM customer c WHERE c.environment_id = $1 AND c.external_id = $2`)
const list = statement('list', `
SELECT ${COLUMNS} FROM customer c WHERE c.environment_id = $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3`)

const create = statement('create', `
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8, $9, $10::json, true, $11, $11)
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.created', id FROM made
), kept AS (
    ${KEPT}
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
      FROM made WHERE $12 IS NOT NULL
)
SELECT id FROM made`)

const createMany = statement('create_many', `
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    SELECT $1, i.id, i.external_id, i.email, i.full_name, i.tax_document, i.address::json, i.address_id, i.timezone,
           i.metadata::json, true, $11, $11
      FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[], $10::text[])
           AS i (id, external_id, email, full_name, tax_document, address, address_id, timezone, metadata)
     ORDER BY i.external_id COLLATE "C"
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.created', id FROM made
), kept AS (
    ${KEPT}
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
     WHERE $12 IS NOT NULL AND (SELECT count(*) FROM made) = cardinality($2)
)
SELECT id FROM made`)

const existing = statement('existing', `
SELECT ${COLUMNS} FROM customer c
 WHERE c.environment_id = $1 AND c.external_id = ANY ($2::text[]) AND c.id <> ALL ($3::uuid[])`)

const update = statement('update', `
WITH changed AS (
    UPDATE customer c
       SET external_id = coalesce($4, c.external_id), email = coalesce($5, c.email), full_name = coalesce($6, c.full_name),
           tax_document = coalesce($7, c.tax_document), address = coalesce($8::json, c.address),
           timezone = coalesce($9, c.timezone), metadata = coalesce($10::json, c.metadata),
           updated_at = greatest($11, c.updated_at)
     WHERE c.environment_id = $1
       AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                                   (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))
    RETURNING c.*
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.updated', id FROM changed
)
SELECT ${COLUMNS} FROM changed c`)

const find = statement('find', `
SELECT ${COLUMNS} FROM customer c
 WHERE c.environment_id = $1
   AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                               (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))`)

const keep = statement('keep', `${KEPT} VALUES ($1, $2, $3, $4, '2026-08-27', $5, $6, $7, false)`)
const replay = statement('replay', `
SELECT request_hash AS hash, status, headers, answer FROM idempotency_key WHERE environment_id = $1 AND key = $2`)

export class Mismatch extends Error {}
export class Duplicate extends Error {}

const taken = (error, constraint) => error.code === '23505' && error.constraint === constraint
const json = (value) => value === null ? null : JSON.stringify(value)

export async function openStore (connections) {
  const pool = new pg.Pool({
    min: connections, max: connections, idleTimeoutMillis: 0, pipeline: true, options: '-c plan_cache_mode=force_generic_plan'
  })

  // All at once: everything is sent before the first answer is awaited.
  async function together (client, ...queries) {
    const done = await Promise.allSettled(queries.map((query) => client.query(query)))
    for (const { reason } of done) if (reason) throw reason
    return done
  }

  // The setting for row-level security is constant text with a UUID or hexadecimal digits.
  const begin = (setting, value) => `BEGIN; SET LOCAL app.${setting} = '${value}'`

  // One transaction in one round trip.
  async function transaction (setting, value, wanted) {
    const client = await pool.connect()
    try {
      const [, done] = await together(client, begin(setting, value), wanted, 'COMMIT')
      return done.value.rows
    } finally {
      client.release()
    }
  }

  const inEnvironment = (environment, wanted) => transaction('environment', environment, wanted)

  // What is kept for a key, after what tells the request.
  const record = ({ status, headers, body }) => [newId(), status, headers, Buffer.from(body)]

  // A transaction whose answer depends on what its statement returns: one round trip for that, and one to keep the answer.
  // Without a key there is nothing to keep. Nothing is done when there is no answer.
  async function answered (environment, wanted, idem, render) {
    if (idem.key === null) return render(await inEnvironment(environment, wanted))
    const client = await pool.connect()
    let open = true
    try {
      const [, done] = await together(client, begin('environment', environment), wanted)
      const answer = render(done.value.rows)
      if (answer === null) return null
      const put = together(client, keep([environment, idem.key, idem.hash, ...record(answer)]), 'COMMIT')
      open = false
      await put
      return answer
    } finally {
      if (open) await client.query('ROLLBACK')
      client.release()
    }
  }

  async function readReplay (environment, idem) {
    const [stored] = await inEnvironment(environment, replay([environment, idem.key]))
    if (stored === undefined) return null
    if (!stored.hash.equals(idem.hash)) throw new Mismatch()
    return { status: stored.status, headers: stored.headers, body: stored.answer }
  }

  // Gives each customer the id that was made for it, or replaces it by the one that existed.
  function settle (customers, ids, kept) {
    const existing = new Map(kept.map((c) => [c.externalId, c]))
    for (const [i, c] of customers.entries()) {
      const found = c.externalId === null ? undefined : existing.get(c.externalId)
      const createdAt = idTime(ids[0])
      Object.assign(c, found ? { ...found, existing: true } : { id: ids[i], createdAt, updatedAt: createdAt, existing: false })
    }
  }

  return {
    async holder (hash) {
      const [key] = await transaction('key_hash', hash.toString('hex'), keyFind([hash]))
      if (key?.due) await inEnvironment(key.environment, keyUsed([key.environment, key.id]))
      return key
    },

    async find (environment, ref) {
      const id = parseId('cus_', ref)
      const byId = id === null ? [] : await inEnvironment(environment, get([environment, id]))
      if (byId.length) return byId[0]
      return (await inEnvironment(environment, getExternal([environment, ref])))[0]
    },

    list: (environment, before, limit) => inEnvironment(environment, list([environment, before, limit])),

    // The answer, and whether it is a repeated one. render makes it of the customers.
    async create (environment, customers, idem, render) {
      const ids = customers.map(newId)
      const at = ids.length ? idTime(ids[0]) : new Date()
      const column = (name) => customers.map((c) => c[name])
      settle(customers, ids, [])
      const answer = render()
      const kept = [at, idem.key, idem.hash, ...record(answer)]
      const wanted = customers.length === 1
        ? create([environment, ids[0], customers[0].externalId, customers[0].email, customers[0].fullName, customers[0].taxDocument,
          json(customers[0].address), customers[0].addressId, customers[0].timezone, json(customers[0].metadata), ...kept])
        : createMany([environment, ids, column('externalId'), column('email'), column('fullName'), column('taxDocument'),
          column('address').map(json), column('addressId'), column('timezone'), column('metadata').map(json), ...kept])
      let refused = null
      try {
        const made = await inEnvironment(environment, wanted)
        if (made.length === ids.length) return [answer, false]
      } catch (error) {
        if (!taken(error, 'idempotency_key_pkey')) throw error
        refused = error
      }
      const stored = idem.key === null ? null : await readReplay(environment, idem)
      if (stored) return [stored, true]
      if (refused) throw refused
      try {
        const externals = column('externalId').filter((id) => id !== null)
        return [await answered(environment, existing([environment, externals, ids]), idem, (rows) => {
          settle(customers, ids, rows)
          return render()
        }), false]
      } catch (error) {
        if (taken(error, 'idempotency_key_pkey')) return [await readReplay(environment, idem), true] // its twin has just ended
        throw error
      }
    },

    // The answer, null if there is no such customer, and whether it is a repeated one.
    async update (environment, ref, change, idem, render) {
      const id = parseId('cus_', ref)
      const { externalId, email, fullName, taxDocument, address, timezone, metadata } = change
      const given = [externalId, email, fullName, taxDocument, json(address), timezone, json(metadata)]
      try {
        const wanted = given.every((value) => value === null)
          ? find([environment, id, ref])
          : update([environment, id, ref, ...given, new Date()])
        return [await answered(environment, wanted, idem, (rows) => rows.length ? render(rows[0]) : null), false]
      } catch (error) {
        if (taken(error, 'customer_external_id')) throw new Duplicate()
        if (taken(error, 'idempotency_key_pkey')) return [await readReplay(environment, idem), true]
        throw error
      }
    }
  }
}
