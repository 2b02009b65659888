// UUIDv7 ids, whose order is the order of creation, and their text in base 62.
import { randomFillSync } from 'node:crypto'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_DIGITS = 22
const EIGHT_DIGITS = 62n ** 8n // fits into a double

const pool = Buffer.alloc(4096)
let used = pool.length
let lastMs = 0
let count = 0

export function newId () {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const bytes = pool.subarray(used, used += 16)
  const ms = Date.now()
  if (ms > lastMs) {
    lastMs = ms
    count = bytes.readUInt16BE(6) & 0x7ff
  } else if (++count > 0xfff) {
    lastMs++
    count = 0
  }
  bytes.writeUIntBE(lastMs, 0, 6)
  bytes.writeUInt16BE(0x7000 | count, 6)
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

export const idTime = (uuid) => new Date(parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16))

export function idText (prefix, uuid) {
  let n = BigInt('0x' + uuid.replaceAll('-', ''))
  let text = ''
  while (text.length < ID_DIGITS) {
    let part = Number(n % EIGHT_DIGITS)
    n /= EIGHT_DIGITS
    for (let i = 0; i < 8 && text.length < ID_DIGITS; i++) {
      text = DIGITS[part % 62] + text
      part = Math.floor(part / 62)
    }
  }
  return prefix + text
}

export function parseId (prefix, text) {
  if (text.length !== prefix.length + ID_DIGITS || !text.startsWith(prefix)) return null
  let n = 0n
  for (const c of text.slice(prefix.length)) {
    const digit = DIGITS.indexOf(c)
    if (digit < 0) return null
    n = n * 62n + BigInt(digit)
  }
  if (n >> 128n) return null
  const hex = n.toString(16).padStart(32, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
