// Routes, keys, errors and answers.
import { createHash } from 'node:crypto'
import { batched, detailed, readCustomer, shown } from './customer.js'
import { idText, newId, parseId } from './id.js'
import { Duplicate, Mismatch } from './store.js'

const KEY_FORM = /^ck_(live|sandbox)_[0-9A-Za-z]{40}$/
const KEY_LIFE_MS = 1000

// ---- schemas, which Fastify turns into serialisers

const text = { type: 'string' }
const maybe = { type: ['string', 'null'] }
const customer = {
  id: text, object: text, livemode: { type: 'boolean' }, externalId: maybe, fullName: maybe, email: text, taxDocument: maybe,
  documentType: maybe, timezone: text, metadata: { type: 'object', additionalProperties: true }, createdAt: text, updatedAt: text
}
const one = { type: 'object', properties: customer }
const detail = {
  type: 'object',
  properties: {
    ...customer,
    address: { type: ['object', 'null'], additionalProperties: text },
    subscription: { type: 'null' }
  }
}
const page = {
  type: 'object',
  properties: { object: text, data: { type: 'array', items: one }, hasMore: { type: 'boolean' }, nextCursor: text }
}
const batch = {
  type: 'object',
  properties: {
    successful: {
      type: 'array',
      items: { type: 'object', properties: { id: text, externalId: maybe, email: text, index: { type: 'integer' }, status: text } }
    },
    failed: {
      type: 'array',
      items: {
        type: 'object',
        properties: { index: { type: 'integer' }, error: text, code: text, param: text, data: { type: 'object', additionalProperties: true } }
      }
    },
    object: text,
    livemode: { type: 'boolean' }
  }
}

// ---- errors

class Problem extends Error {
  constructor (status, type, code, param, message, details = null) {
    super(message)
    Object.assign(this, { status, type, code, param, details })
  }

  body () {
    const { code, message, details, type, param } = this
    const docUrl = `/api-reference/2026-08-27/errors/${code}.md`
    return { success: false, code, message, details, error: { type, code, message, param, details, doc_url: docUrl } }
  }
}

const invalid = (faults, message = `${faults[0].field}: ${faults[0].message}`) =>
  new Problem(400, 'validation_error', 'validation_error', faults[0].field, message, faults)
const invalidKey = (message) => invalid([{ field: 'Idempotency-Key', message }], message)

function problemOf (error) {
  if (error instanceof Problem) return error
  if (error instanceof Duplicate) return new Problem(409, 'conflict_error', 'duplicate', 'externalId', 'Another customer has this external id.')
  if (error instanceof Mismatch) {
    return new Problem(409, 'conflict_error', 'idempotency_key_mismatch', 'Idempotency-Key',
      'This idempotency key was used for a different request.')
  }
  console.error(error)
  return new Problem(500, 'internal_error', 'internal_error', null, 'Something went wrong on our side. Nothing was done.')
}

const noCustomer = () => new Problem(404, 'not_found_error', 'customer_not_found', 'id', 'There is no customer with this id.')

// ---- requests

function idempotency (request) {
  let key = request.headers['idempotency-key']
  if (key === undefined) return { key: null, hash: null }
  if (key.length >= 2 && key.startsWith('"') && key.endsWith('"')) key = key.slice(1, -1)
  if (key.length === 0 || key.length > 255) throw invalidKey('Idempotency-Key must have 1 to 255 characters.')
  if (!/^[\x20-\x7e]*$/.test(key)) throw invalidKey('Idempotency-Key must be printable ASCII.')
  return { key, hash: createHash('sha256').update(`${request.method}\n${request.url}\n`).update(request.body ?? '').digest() }
}

function bodyObject (request, mayBeEmpty) {
  const body = request.body ?? ''
  if (mayBeEmpty && body === '') return {}
  let value
  try {
    value = JSON.parse(body)
  } catch (error) {
    throw new Problem(400, 'validation_error', 'invalid_json', null, `The body is not valid JSON: ${error.message}.`)
  }
  if (mayBeEmpty && Array.isArray(value) && value.length === 0) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid([{ field: 'body', message: 'must be a JSON object' }])
  }
  return value
}

function readItems (list) {
  if (list === undefined) throw invalid([{ field: 'customers', message: 'is required' }])
  if (!Array.isArray(list)) throw invalid([{ field: 'customers', message: 'must be an array' }])
  if (list.length === 0 || list.length > 100) throw invalid([{ field: 'customers', message: 'must have 1 to 100 items' }])
  let whole = true // every broken item can be told of in "failed"
  const items = list.map((raw) => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      whole = false
      return { raw, faults: [{ field: '', message: 'must be an object' }] }
    }
    const [customer, faults] = readCustomer(raw, true)
    if (faults.length && typeof raw.email !== 'string' && typeof raw.billingEmail !== 'string') whole = false
    return { raw, customer, faults, repeated: false }
  })
  if (!whole) {
    throw invalid(items.flatMap((item, i) =>
      item.faults.map((f) => ({ field: `customers.${i}${f.field && '.'}${f.field}`, message: f.message }))))
  }
  return items
}

const RESULTS = { false: [201, 'created'], true: [200, 'existing'] }

// An answer that is kept has been made into text already.
const answerOf = (reply, status, headers, value) => ({ status, headers, body: reply.serializeInput(value, String(status)) })

function sendKept (reply, [{ status, headers, body }, replayed]) {
  for (const line of headers.split('\n')) {
    const [name, value] = line.split(': ')
    if (value !== undefined) reply.header(name, value)
  }
  if (replayed) reply.header('Idempotent-Replayed', 'true')
  return reply.code(status).send(body)
}

export async function api (app, { store }) {
  const keys = new Map()

  async function tenantOf (key) {
    if (key !== undefined && KEY_FORM.test(key)) {
      const hash = createHash('sha256').update(key).digest()
      const name = hash.toString('latin1')
      const now = Date.now()
      let tenant = keys.get(name)
      if (tenant?.until > now) return tenant
      tenant = await store.holder(hash)
      if (tenant) {
        tenant.until = now + KEY_LIFE_MS
        keys.set(name, tenant)
        return tenant
      }
    }
    throw new Problem(401, 'authentication_error', 'unauthorized', 'x-api-key', 'Invalid API key.')
  }

  app.removeAllContentTypeParsers()
  // The text is what an idempotency key is compared by.
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => done(null, body))
  app.decorateRequest('tenant', null)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'X-Request-Id': idText('req_', newId()) })
    if (!request.is404) request.tenant = await tenantOf(request.headers['x-api-key'])
  })
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    reply.code(problem.status).send(problem.body())
  })
  app.setNotFoundHandler((request, reply) => {
    reply.code(404).send(new Problem(404, 'not_found_error', 'not_found', null, 'There is nothing at this path.').body())
  })

  app.post('/api/v1/customers', { schema: { response: { 200: one, 201: one } } }, async (request, reply) => {
    const idem = idempotency(request)
    const [wanted, faults] = readCustomer(bodyObject(request, false), true)
    if (faults.length) throw invalid(faults)
    return sendKept(reply, await store.create(request.tenant.environment, [wanted], idem, () => {
      const [status, result] = RESULTS[wanted.existing]
      return answerOf(reply, status, `Clientele-Result: ${result}\n`, shown(wanted, request.tenant.livemode))
    }))
  })

  app.get('/api/v1/customers/:id', { schema: { response: { 200: detail } } }, async (request) => {
    const found = await store.find(request.tenant.environment, request.params.id)
    if (!found) throw noCustomer()
    return detailed(found, request.tenant.livemode)
  })

  app.patch('/api/v1/customers/:id', { schema: { response: { 200: one } } }, async (request, reply) => {
    const idem = idempotency(request)
    const [change, faults] = readCustomer(bodyObject(request, true), false)
    if (faults.length) throw invalid(faults)
    const done = await store.update(request.tenant.environment, request.params.id, change, idem,
      (stored) => answerOf(reply, 200, '', shown(stored, request.tenant.livemode)))
    if (!done[0]) throw noCustomer()
    return sendKept(reply, done)
  })

  app.get('/api/v1/customers', { schema: { response: { 200: page } } }, async (request) => {
    const { limit: wanted, cursor } = request.query
    const faults = []
    const limit = wanted === undefined ? 25 : Number(wanted)
    if (!/^[0-9]+$/.test(wanted ?? '25') || limit < 1 || limit > 100) faults.push({ field: 'limit', message: 'must be a number from 1 to 100' })
    const before = cursor === undefined ? 'ffffffff-ffff-ffff-ffff-ffffffffffff' : parseId('cur_', cursor)
    if (before === null) faults.push({ field: 'cursor', message: 'must be the nextCursor of a previous page' })
    if (faults.length) throw invalid(faults)
    const rows = await store.list(request.tenant.environment, before, limit + 1)
    const hasMore = rows.length > limit
    if (hasMore) rows.length = limit
    return {
      object: 'list',
      data: rows.map((c) => shown(c, request.tenant.livemode)),
      hasMore,
      nextCursor: hasMore ? idText('cur_', rows[limit - 1].id) : undefined
    }
  })

  app.post('/api/v1/customers/batch', { schema: { response: { 200: batch } } }, async (request, reply) => {
    const idem = idempotency(request)
    const items = readItems(bodyObject(request, false).customers)
    const seen = new Map()
    const customers = []
    for (const item of items) {
      if (item.faults.length) continue
      const first = item.customer.externalId === null ? undefined : seen.get(item.customer.externalId)
      if (first) {
        item.customer = first
        item.repeated = true
        continue
      }
      seen.set(item.customer.externalId, item.customer)
      customers.push(item.customer)
    }
    const render = () => {
      const successful = []
      const failed = []
      for (const [i, item] of items.entries()) {
        const [fault] = item.faults
        if (fault) {
          failed.push({ index: i, error: `${fault.field}: ${fault.message}`, code: 'validation_error', param: fault.field, data: item.raw })
        } else {
          successful.push(batched(item.customer, i, item.repeated || item.customer.existing ? 'existing' : 'created'))
        }
      }
      return answerOf(reply, 200, '', { successful, failed, object: 'customer_batch', livemode: request.tenant.livemode })
    }
    if (customers.length === 0 && idem.key === null) return sendKept(reply, [render(), false])
    return sendKept(reply, await store.create(request.tenant.environment, customers, idem, render))
  })
}
