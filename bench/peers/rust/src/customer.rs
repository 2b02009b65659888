//! The fields of a customer: what comes in and what goes out.

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::id;

#[derive(Clone, Debug, Default)]
pub struct Customer {
    pub id: Uuid,
    pub external_id: Option<String>,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub tax_document: Option<String>,
    pub address: Option<Box<RawValue>>,
    pub address_id: Option<Uuid>,
    pub timezone: Option<String>,
    pub metadata: Option<Box<RawValue>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub existing: bool,
}

// ---- what goes out

fn iso<S: Serializer>(at: &DateTime<Utc>, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&at.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<'a> {
    id: String,
    object: &'static str,
    livemode: bool,
    external_id: Option<&'a str>,
    full_name: Option<&'a str>,
    email: Option<&'a str>,
    tax_document: Option<&'a str>,
    document_type: Option<&'static str>,
    timezone: Option<&'a str>,
    metadata: Option<&'a RawValue>,
    #[serde(serialize_with = "iso")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "iso")]
    updated_at: DateTime<Utc>,
}

#[derive(Serialize)]
pub struct Detailed<'a> {
    #[serde(flatten)]
    shown: Shown<'a>,
    address: Option<&'a RawValue>,
    subscription: (),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batched<'a> {
    id: String,
    external_id: Option<&'a str>,
    email: Option<&'a str>,
    index: usize,
    status: &'static str,
}

pub fn result(existing: bool) -> &'static str {
    if existing {
        "existing"
    } else {
        "created"
    }
}

impl Customer {
    pub fn shown(&self, livemode: bool) -> Shown<'_> {
        Shown {
            id: id::text("cus_", self.id),
            object: "customer",
            livemode,
            external_id: self.external_id.as_deref(),
            full_name: self.full_name.as_deref(),
            email: self.email.as_deref(),
            tax_document: self.tax_document.as_deref(),
            document_type: self.document_type(),
            timezone: self.timezone.as_deref(),
            metadata: self.metadata.as_deref(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    pub fn detailed(&self, livemode: bool) -> Detailed<'_> {
        Detailed { shown: self.shown(livemode), address: self.address.as_deref(), subscription: () }
    }

    pub fn batched(&self, index: usize, existing: bool) -> Batched<'_> {
        Batched {
            id: id::text("cus_", self.id),
            external_id: self.external_id.as_deref(),
            email: self.email.as_deref(),
            index,
            status: result(existing),
        }
    }

    fn document_type(&self) -> Option<&'static str> {
        #[derive(Deserialize)]
        struct Place {
            country: Option<String>,
        }
        let tax_document = self.tax_document.as_deref()?;
        let place = self.address.as_deref().and_then(|a| serde_json::from_str::<Place>(a.get()).ok());
        Some(match place.and_then(|p| p.country).as_deref() {
            Some("AR") => "CUIT",
            Some("BR") if tax_document.bytes().filter(u8::is_ascii_digit).count() == 11 => "CPF",
            Some("BR") => "CNPJ",
            Some("CL") => "RUT",
            Some("CO") => "NIT",
            Some("MX") => "RFC",
            Some("PE") => "RUC",
            Some("US") => "EIN",
            Some(country) if EU.split(' ').any(|code| code == country) => "VAT",
            _ => "TAX_ID",
        })
    }
}

const EU: &str = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

// ---- what comes in

const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY \
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA \
    GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH \
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY \
    MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH \
    SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI \
    VN VU WF WS YE YT ZA ZM ZW";

const TIMEZONES: [&str; 21] = [
    "UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo",
    "America/Mexico_City", "America/Buenos_Aires", "America/Santiago", "America/Bogota", "America/Lima", "America/Asuncion",
    "Europe/London", "Europe/Paris", "Europe/Berlin", "Europe/Madrid", "Asia/Tokyo", "Asia/Shanghai", "Asia/Singapore",
    "Asia/Dubai", "Australia/Sydney",
];

#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    pub field: String,
    pub message: String,
}

/// What a client sent; other members are ignored, null is the same as nothing.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    external_id: Option<&'a RawValue>,
    #[serde(borrow)]
    billing_email: Option<&'a RawValue>,
    #[serde(borrow)]
    email: Option<&'a RawValue>,
    #[serde(borrow)]
    full_name: Option<&'a RawValue>,
    #[serde(borrow)]
    tax_document: Option<&'a RawValue>,
    #[serde(borrow)]
    address: Option<&'a RawValue>,
    #[serde(borrow)]
    address_id: Option<&'a RawValue>,
    #[serde(borrow)]
    timezone: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentAddress<'a> {
    #[serde(borrow)]
    line1: Option<&'a RawValue>,
    #[serde(borrow)]
    line2: Option<&'a RawValue>,
    #[serde(borrow)]
    city: Option<&'a RawValue>,
    #[serde(borrow)]
    state: Option<&'a RawValue>,
    #[serde(borrow)]
    postal_code: Option<&'a RawValue>,
    #[serde(borrow)]
    country: Option<&'a RawValue>,
    #[serde(borrow)]
    region: Option<&'a RawValue>,
}

type Check = fn(&str) -> Result<(), String>;

fn at_most(max: usize, s: &str) -> Result<(), String> {
    if s.len() > max && s.chars().count() > max {
        return Err(format!("must have at most {max} characters"));
    }
    Ok(())
}

fn refuse_unless(good: bool, message: &str) -> Result<(), String> {
    if good {
        Ok(())
    } else {
        Err(message.to_owned())
    }
}

fn check_external_id(s: &str) -> Result<(), String> {
    refuse_unless(!s.is_empty(), "must not be empty")?;
    at_most(100, s)
}

fn check_email(s: &str) -> Result<(), String> {
    at_most(200, s)?;
    refuse_unless(is_email(s), "must be an e-mail address")
}

fn is_email(s: &str) -> bool {
    let atom = |part: &str| !part.is_empty() && part.chars().all(|c| c > ' ' && c != '\x7f' && !"\"(),:;<>@[\\]".contains(c));
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || !c.is_ascii())
    };
    s.split_once('@').is_some_and(|(local, domain)| {
        local.split('.').all(atom) && domain.contains('.') && domain.split('.').all(label)
    })
}

fn check_timezone(s: &str) -> Result<(), String> {
    refuse_unless(TIMEZONES.contains(&s), "must be one of the supported time zones")
}

fn check_country(s: &str) -> Result<(), String> {
    refuse_unless(s.len() == 2 && COUNTRIES.split(' ').any(|code| code == s), "must be a country code of ISO 3166-1 alpha-2")
}

/// An empty array counts as an empty object.
fn as_object(raw: &RawValue) -> &RawValue {
    if raw.get().starts_with('[') && serde_json::from_str::<[IgnoredAny; 0]>(raw.get()).is_ok() {
        return serde_json::from_str("{}").expect("this is JSON");
    }
    raw
}

struct Reader(Vec<Fault>);

impl Reader {
    fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(Fault { field: field.to_owned(), message: message.into() });
    }

    fn text(&mut self, into: &mut Option<String>, field: &str, raw: Option<&RawValue>, check: Check) {
        let Some(raw) = raw else { return };
        let Ok(value) = serde_json::from_str::<String>(raw.get()) else {
            return self.fault(field, "must be a string");
        };
        if into.as_ref().is_some_and(|before| *before != value) {
            return self.fault(field, "is given twice with different values");
        }
        if let Err(message) = check(&value) {
            self.fault(field, message);
        }
        *into = Some(value);
    }

    fn address(&mut self, raw: Option<&RawValue>) -> Option<Box<RawValue>> {
        let raw = as_object(raw?);
        let sent = match serde_json::from_str::<SentAddress>(raw.get()) {
            Ok(sent) if raw.get().starts_with('{') => sent,
            _ => {
                self.fault("address", "must be an object");
                return None;
            }
        };
        let line: Check = |s| at_most(200, s);
        let members: [(&str, Option<&RawValue>, bool, Check); 7] = [
            ("line1", sent.line1, true, line),
            ("line2", sent.line2, false, line),
            ("city", sent.city, true, line),
            ("state", sent.state, false, line),
            ("postalCode", sent.postal_code, true, line),
            ("country", sent.country, true, check_country),
            ("region", sent.region, false, line),
        ];
        let mut out = String::with_capacity(raw.get().len());
        for (name, value, required, check) in members {
            let field = format!("address.{name}");
            self.text(&mut None, &field, value, check);
            match value {
                Some(value) => {
                    out.push(if out.is_empty() { '{' } else { ',' });
                    out.extend(["\"", name, "\":", value.get()]);
                }
                None if required => self.fault(&field, "is required"),
                None => {}
            }
        }
        out.push('}');
        RawValue::from_string(out).ok()
    }

    fn metadata(&mut self, raw: Option<&RawValue>) -> Option<Box<RawValue>> {
        let raw = as_object(raw?);
        let Ok(value) = serde_json::from_str::<Map<String, Value>>(raw.get()) else {
            self.fault("metadata", "must be an object");
            return None;
        };
        let (depth, values) = measure_parts(value.values());
        if raw.get().len() > 16384 {
            self.fault("metadata", "must have at most 16384 bytes");
        }
        if depth > 8 {
            self.fault("metadata", "must be at most 8 levels deep");
        }
        if values > 1001 {
            self.fault("metadata", "must hold at most 1000 values");
        }
        Some(raw.to_owned())
    }
}

/// The depth of a value, and how many values are in it.
fn measure(value: &Value) -> (usize, usize) {
    match value {
        Value::Object(members) => measure_parts(members.values()),
        Value::Array(items) => measure_parts(items.iter()),
        _ => (0, 1),
    }
}

fn measure_parts<'a>(parts: impl Iterator<Item = &'a Value>) -> (usize, usize) {
    let (depth, values) = parts.map(measure).fold((0, 1), |(d, n), (depth, values)| (d.max(depth), n + values));
    (depth + 1, values)
}

/// The fields of a create, a batch item or an update, and what is wrong with them.
pub fn read(sent: &Sent, create: bool) -> (Customer, Vec<Fault>) {
    let mut c = Customer::default();
    let mut r = Reader(Vec::new());
    r.text(&mut c.external_id, "id", sent.id, check_external_id);
    r.text(&mut c.external_id, "externalId", sent.external_id, check_external_id);
    r.text(&mut c.email, "billingEmail", sent.billing_email, check_email);
    r.text(&mut c.email, "email", sent.email, check_email);
    r.text(&mut c.full_name, "fullName", sent.full_name, |s| at_most(200, s));
    r.text(&mut c.tax_document, "taxDocument", sent.tax_document, |s| at_most(100, s));
    c.address = r.address(sent.address);
    if let (true, Some(raw)) = (create, sent.address_id) {
        match serde_json::from_str::<String>(raw.get()).ok().filter(|s| s.len() == 36).and_then(|s| Uuid::parse_str(&s).ok()) {
            Some(id) => c.address_id = Some(id),
            None => r.fault("addressId", "must be a UUID"),
        }
    }
    r.text(&mut c.timezone, "timezone", sent.timezone, check_timezone);
    c.metadata = r.metadata(sent.metadata);
    if create {
        if sent.email.is_none() && sent.billing_email.is_none() {
            r.fault("email", "is required");
        }
        c.timezone.get_or_insert_with(|| "UTC".to_owned());
        c.metadata.get_or_insert_with(|| RawValue::from_string("{}".to_owned()).expect("this is JSON"));
    }
    (c, r.0)
}

/// Whether what was sent has an e-mail address that is at least a string.
pub fn has_email(sent: &Sent) -> bool {
    [sent.email, sent.billing_email].iter().flatten().any(|raw| raw.get().starts_with('"'))
}
