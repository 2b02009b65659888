//! UUIDv7 ids, whose order is the order of creation, and their text in base 62.

use std::sync::Mutex;

use chrono::{DateTime, Utc};
use uuid::Uuid;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_DIGITS: usize = 22;
const TEN_DIGITS: u128 = 839_299_365_868_340_224; // 62^10

static LAST: Mutex<(i64, u128)> = Mutex::new((0, 0));

/// Counts within a millisecond, so that ids of one process are in order.
pub fn new_id() -> Uuid {
    let random: u128 = rand::random();
    let now = Utc::now().timestamp_millis();
    let (ms, count) = {
        let mut last = LAST.lock().unwrap();
        if now > last.0 {
            *last = (now, random >> 64 & 0x7FF);
        } else {
            last.1 += 1;
            if last.1 > 0xFFF {
                *last = (last.0 + 1, 0);
            }
        }
        *last
    };
    Uuid::from_u128((ms as u128) << 80 | (0x7000 | count) << 64 | 0b10 << 62 | random & ((1 << 62) - 1))
}

/// The millisecond in which the id was made.
pub fn time_of(id: Uuid) -> DateTime<Utc> {
    DateTime::from_timestamp_millis((id.as_u128() >> 80) as i64).unwrap_or_default()
}

pub fn text(prefix: &str, id: Uuid) -> String {
    let mut n = id.as_u128();
    let mut out = [0u8; ID_DIGITS];
    let mut at = ID_DIGITS;
    while at > 0 {
        let mut part = (n % TEN_DIGITS) as u64;
        n /= TEN_DIGITS;
        for _ in 0..at.min(10) {
            at -= 1;
            out[at] = DIGITS[(part % 62) as usize];
            part /= 62;
        }
    }
    let mut text = String::with_capacity(prefix.len() + ID_DIGITS);
    text.push_str(prefix);
    text.extend(out.iter().map(|digit| *digit as char));
    text
}

pub fn parse(prefix: &str, text: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix)?;
    if digits.len() != ID_DIGITS {
        return None;
    }
    let mut n: u128 = 0;
    for digit in digits.bytes() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        n = n.checked_mul(62)?.checked_add(value.into())?;
    }
    Some(Uuid::from_u128(n))
}
