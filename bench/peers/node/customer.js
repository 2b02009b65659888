// The fields of a customer: what comes in and what goes out.
import { idText } from './id.js'

const COUNTRIES = new Set((
  'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD ' +
  'CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF ' +
  'GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN ' +
  'KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA ' +
  'NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI ' +
  'SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI ' +
  'VN VU WF WS YE YT ZA ZM ZW').split(' '))
const TIMEZONES = new Set((
  'UTC America/New_York America/Chicago America/Denver America/Los_Angeles America/Sao_Paulo America/Mexico_City ' +
  'America/Buenos_Aires America/Santiago America/Bogota America/Lima America/Asuncion Europe/London Europe/Paris Europe/Berlin ' +
  'Europe/Madrid Asia/Tokyo Asia/Shanghai Asia/Singapore Asia/Dubai Australia/Sydney').split(' '))
const DOCUMENTS = new Map([
  ['AR', 'CUIT'], ['BR', 'CNPJ'], ['CL', 'RUT'], ['CO', 'NIT'], ['MX', 'RFC'], ['PE', 'RUC'], ['US', 'EIN'],
  ...'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK'.split(' ').map((c) => [c, 'VAT'])
])
const ADDRESS = [['line1', true], ['line2', false], ['city', true], ['state', false], ['postalCode', true], ['country', true], ['region', false]]
const ATOM = '[^\\x00-\\x20\\x7f"(),:;<>@[\\\\\\].]+'
const LABEL = '[A-Za-z0-9\\u{80}-\\u{10ffff}](?:[-A-Za-z0-9\\u{80}-\\u{10ffff}]*[A-Za-z0-9\\u{80}-\\u{10ffff}])?'
const EMAIL = new RegExp(`^${ATOM}(?:\\.${ATOM})*@${LABEL}(?:\\.${LABEL})+$`, 'u')
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

// ---- what goes out

function documentType (c) {
  if (c.taxDocument === null) return null
  const country = c.address?.country
  if (country === 'BR' && c.taxDocument.replace(/[^0-9]/g, '').length === 11) return 'CPF'
  return DOCUMENTS.get(country) ?? 'TAX_ID'
}

export const shown = (c, livemode) => ({
  id: idText('cus_', c.id),
  object: 'customer',
  livemode,
  externalId: c.externalId,
  fullName: c.fullName,
  email: c.email,
  taxDocument: c.taxDocument,
  documentType: documentType(c),
  timezone: c.timezone,
  metadata: c.metadata,
  createdAt: c.createdAt.toISOString(),
  updatedAt: c.updatedAt.toISOString()
})

export const detailed = (c, livemode) => ({ ...shown(c, livemode), address: c.address, subscription: null })

export const batched = (c, index, status) => ({ id: idText('cus_', c.id), externalId: c.externalId, email: c.email, index, status })

// ---- what comes in

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v)
// An empty array counts as an empty object.
const asObject = (v) => Array.isArray(v) && v.length === 0 ? {} : v

// Characters are code points: only a text that could be too long is worth counting.
const longerThan = (s, max) => s.length > max && [...s].length > max
const atMost = (max) => (s) => longerThan(s, max) ? `must have at most ${max} characters` : null

const CHECKS = {
  externalId: (s) => s === '' ? 'must not be empty' : atMost(100)(s),
  email: (s) => atMost(200)(s) ?? (EMAIL.test(s) ? null : 'must be an e-mail address'),
  fullName: atMost(200),
  taxDocument: atMost(100),
  addressId: (s) => UUID.test(s) ? null : 'must be a UUID',
  timezone: (s) => TIMEZONES.has(s) ? null : 'must be one of the supported time zones'
}
const TEXTS_BEFORE = [['id', 'externalId'], ['externalId', 'externalId'], ['billingEmail', 'email'], ['email', 'email'],
  ['fullName', 'fullName'], ['taxDocument', 'taxDocument']]

function readText (object, name, member, out, faults) {
  const value = object[name] ?? null
  if (value === null) return
  if (typeof value !== 'string') {
    faults.push({ field: name, message: member === 'addressId' ? 'must be a UUID' : 'must be a string' })
    return
  }
  if (out[member] !== null && out[member] !== value) {
    faults.push({ field: name, message: 'is given twice with different values' })
    return
  }
  out[member] = value
  const message = CHECKS[member](value)
  if (message) faults.push({ field: name, message })
}

function readAddress (value, faults) {
  if (!isObject(value)) {
    faults.push({ field: 'address', message: 'must be an object' })
    return null
  }
  const out = {}
  for (const [name, required] of ADDRESS) {
    const part = value[name] ?? null
    const field = 'address.' + name
    if (part === null) {
      if (required) faults.push({ field, message: 'is required' })
    } else if (typeof part !== 'string') {
      faults.push({ field, message: 'must be a string' })
    } else if (name === 'country' && !COUNTRIES.has(part)) {
      faults.push({ field, message: 'must be a country code of ISO 3166-1 alpha-2' })
    } else if (longerThan(part, 200)) {
      faults.push({ field, message: 'must have at most 200 characters' })
    } else {
      out[name] = part
    }
  }
  return out
}

// The depth of a value, and how many values are in it.
function measure (value) {
  if (typeof value !== 'object' || value === null) return [0, 1]
  let depth = 0
  let values = 1
  for (const part of Object.values(value)) {
    const [d, n] = measure(part)
    depth = Math.max(depth, d)
    values += n
  }
  return [depth + 1, values]
}

function readMetadata (value, faults) {
  if (!isObject(value)) {
    faults.push({ field: 'metadata', message: 'must be an object' })
    return null
  }
  const [depth, values] = measure(value)
  if (Buffer.byteLength(JSON.stringify(value)) > 16384) faults.push({ field: 'metadata', message: 'must have at most 16384 bytes' })
  if (depth > 8) faults.push({ field: 'metadata', message: 'must be at most 8 levels deep' })
  if (values > 1001) faults.push({ field: 'metadata', message: 'must hold at most 1000 values' })
  return value
}

export function readCustomer (object, create) {
  const faults = []
  const out = {
    externalId: null, email: null, fullName: null, taxDocument: null, address: null, addressId: null, timezone: null, metadata: null
  }
  for (const [name, member] of TEXTS_BEFORE) readText(object, name, member, out, faults)
  if ((object.address ?? null) !== null) out.address = readAddress(asObject(object.address), faults)
  if (create) readText(object, 'addressId', 'addressId', out, faults)
  readText(object, 'timezone', 'timezone', out, faults)
  if ((object.metadata ?? null) !== null) out.metadata = readMetadata(asObject(object.metadata), faults)
  if (create) {
    if ((object.email ?? object.billingEmail ?? null) === null) faults.push({ field: 'email', message: 'is required' })
    out.timezone ??= 'UTC'
    out.metadata ??= {}
  }
  return [out, faults]
}
