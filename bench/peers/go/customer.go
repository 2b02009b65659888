package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

type customer struct {
	id          id
	externalID  *string
	email       *string
	fullName    *string
	taxDocument *string
	address     json.RawMessage
	addressID   *string
	timezone    *string
	metadata    json.RawMessage
	createdAt   time.Time
	updatedAt   time.Time
	existing    bool
}

// ---- what goes out

type customerJSON struct {
	ID           string          `json:"id"`
	Object       string          `json:"object"`
	Livemode     bool            `json:"livemode"`
	ExternalID   *string         `json:"externalId"`
	FullName     *string         `json:"fullName"`
	Email        *string         `json:"email"`
	TaxDocument  *string         `json:"taxDocument"`
	DocumentType *string         `json:"documentType"`
	Timezone     *string         `json:"timezone"`
	Metadata     json.RawMessage `json:"metadata"`
	CreatedAt    string          `json:"createdAt"`
	UpdatedAt    string          `json:"updatedAt"`
}

type customerDetailedJSON struct {
	customerJSON
	Address      json.RawMessage `json:"address"`
	Subscription *struct{}       `json:"subscription"`
}

type batchedJSON struct {
	ID         string  `json:"id"`
	ExternalID *string `json:"externalId"`
	Email      *string `json:"email"`
	Index      int     `json:"index"`
	Status     string  `json:"status"`
}

const iso = "2006-01-02T15:04:05.000Z"

func (c *customer) json(livemode bool) customerJSON {
	return customerJSON{
		ID: c.id.text("cus_"), Object: "customer", Livemode: livemode, ExternalID: c.externalID, FullName: c.fullName,
		Email: c.email, TaxDocument: c.taxDocument, DocumentType: c.documentType(), Timezone: c.timezone,
		Metadata: c.metadata, CreatedAt: c.createdAt.UTC().Format(iso), UpdatedAt: c.updatedAt.UTC().Format(iso),
	}
}

func (c *customer) batched(index int) batchedJSON {
	return batchedJSON{ID: c.id.text("cus_"), ExternalID: c.externalID, Email: c.email, Index: index, Status: c.result()}
}

func (c *customer) result() string {
	if c.existing {
		return "existing"
	}
	return "created"
}

var documents = map[string]string{"AR": "CUIT", "BR": "CNPJ", "CL": "RUT", "CO": "NIT", "MX": "RFC", "PE": "RUC", "US": "EIN"}

func init() {
	for _, country := range strings.Fields(
		"AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK") {
		documents[country] = "VAT"
	}
}

func (c *customer) documentType() *string {
	if c.taxDocument == nil {
		return nil
	}
	var address struct{ Country string }
	if c.address != nil {
		_ = json.Unmarshal(c.address, &address)
	}
	document := documents[address.Country]
	switch {
	case document == "":
		document = "TAX_ID"
	case address.Country == "BR" && len(digitsOf.FindAllString(*c.taxDocument, -1)) == 11:
		document = "CPF"
	}
	return &document
}

var digitsOf = regexp.MustCompile("[0-9]")

// ---- what comes in

type fault struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

type object = map[string]json.RawMessage

var (
	uuid        = regexp.MustCompile("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
	countries   = map[string]bool{}
	timezones   = map[string]bool{}
	addressKeys = []string{"line1", "line2", "city", "state", "postalCode", "country", "region"}
	addressMust = map[string]bool{"line1": true, "city": true, "postalCode": true, "country": true}
)

func init() {
	for _, code := range strings.Fields(countryCodes) {
		countries[code] = true
	}
	for _, name := range strings.Fields(timezoneNames) {
		timezones[name] = true
	}
}

const countryCodes = `AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV
	BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM
	FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM
	JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
	MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS
	RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ
	UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`

const timezoneNames = `UTC America/New_York America/Chicago America/Denver America/Los_Angeles America/Sao_Paulo
	America/Mexico_City America/Buenos_Aires America/Santiago America/Bogota America/Lima America/Asuncion Europe/London
	Europe/Paris Europe/Berlin Europe/Madrid Asia/Tokyo Asia/Shanghai Asia/Singapore Asia/Dubai Australia/Sydney`

type reader struct {
	object object
	faults []fault
}

func (r *reader) fault(field, message string) {
	r.faults = append(r.faults, fault{field, message})
}

func (r *reader) given(name string) json.RawMessage {
	raw := r.object[name]
	if raw == nil || string(raw) == "null" {
		return nil
	}
	return raw
}

// text reads a member that has one spelling or two, the later of which is the one to blame.
func (r *reader) text(into **string, check func(string) string, names ...string) {
	for _, name := range names {
		raw := r.given(name)
		if raw == nil {
			continue
		}
		var value string
		if json.Unmarshal(raw, &value) != nil {
			r.fault(name, "must be a string")
			continue
		}
		if *into != nil && **into != value {
			r.fault(name, "is given twice with different values")
			continue
		}
		*into = &value
		if message := check(value); message != "" {
			r.fault(name, message)
		}
	}
}

func atMost(n int) func(string) string {
	return func(s string) string {
		if utf8.RuneCountInString(s) > n {
			return fmt.Sprintf("must have at most %d characters", n)
		}
		return ""
	}
}

// An empty array counts as an empty object.
func isEmptyArray(raw json.RawMessage) bool {
	var items []any
	return raw[0] == '[' && json.Unmarshal(raw, &items) == nil && len(items) == 0
}

func (r *reader) address(into *json.RawMessage) {
	raw := r.given("address")
	if raw == nil {
		return
	}
	var members object
	if json.Unmarshal(raw, &members) != nil && !isEmptyArray(raw) {
		r.fault("address", "must be an object")
		return
	}
	nested := reader{object: members}
	out := []byte{'{'}
	for _, key := range addressKeys {
		var value *string
		before := len(nested.faults)
		nested.text(&value, func(s string) string {
			if key == "country" && !countries[s] {
				return "must be a country code of ISO 3166-1 alpha-2"
			}
			return atMost(200)(s)
		}, key)
		switch {
		case value != nil:
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(out, '"'), key...)
			out = append(append(out, '"', ':'), members[key]...)
		case addressMust[key] && len(nested.faults) == before:
			nested.fault(key, "is required")
		}
	}
	for _, f := range nested.faults {
		r.fault("address."+f.Field, f.Message)
	}
	*into = append(out, '}')
}

// measure gives the depth of a value and how many values are in it.
func measure(value any) (depth, values int) {
	var parts []any
	switch v := value.(type) {
	case map[string]any:
		for _, part := range v {
			parts = append(parts, part)
		}
	case []any:
		parts = v
	default:
		return 0, 1
	}
	values = 1
	for _, part := range parts {
		d, n := measure(part)
		depth, values = max(depth, d), values+n
	}
	return depth + 1, values
}

func (r *reader) metadata(into *json.RawMessage) {
	raw := r.given("metadata")
	if raw == nil {
		return
	}
	if isEmptyArray(raw) {
		raw = json.RawMessage("{}")
	}
	var value map[string]any
	if json.Unmarshal(raw, &value) != nil {
		r.fault("metadata", "must be an object")
		return
	}
	depth, values := measure(value)
	if len(raw) > 16384 {
		r.fault("metadata", "must have at most 16384 bytes")
	}
	if depth > 8 {
		r.fault("metadata", "must be at most 8 levels deep")
	}
	if values > 1001 {
		r.fault("metadata", "must hold at most 1000 values")
	}
	*into = raw
}

// isEmail is written out: a regular expression would cost more than all the rest of a create.
func isEmail(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	if !found || !strings.Contains(domain, ".") {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsAny(atom, "\"(),:;<>@[\\]") || strings.ContainsFunc(atom, isBlank) {
			return false
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, isNoLetter) {
			return false
		}
	}
	return true
}

func isBlank(r rune) bool {
	return r <= ' ' || r == 0x7F
}

func isNoLetter(r rune) bool {
	return r < 0x80 && !isAlphanumeric(r) && r != '-'
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// readCustomer reads the fields of a create, a batch item or an update.
func readCustomer(o object, create bool) (*customer, []fault) {
	c, r := &customer{}, reader{object: o}
	r.text(&c.externalID, func(s string) string {
		if s == "" {
			return "must not be empty"
		}
		return atMost(100)(s)
	}, "id", "externalId")
	r.text(&c.email, func(s string) string {
		if message := atMost(200)(s); message != "" {
			return message
		}
		if !isEmail(s) {
			return "must be an e-mail address"
		}
		return ""
	}, "billingEmail", "email")
	r.text(&c.fullName, atMost(200), "fullName")
	r.text(&c.taxDocument, atMost(100), "taxDocument")
	r.address(&c.address)
	if create {
		before := len(r.faults)
		r.text(&c.addressID, func(s string) string {
			if !uuid.MatchString(s) {
				return "must be a UUID"
			}
			return ""
		}, "addressId")
		if len(r.faults) > before {
			r.faults[before].Message = "must be a UUID"
		}
	}
	r.text(&c.timezone, func(s string) string {
		if !timezones[s] {
			return "must be one of the supported time zones"
		}
		return ""
	}, "timezone")
	r.metadata(&c.metadata)
	if !create {
		return c, r.faults
	}
	blamed := slices.ContainsFunc(r.faults, func(f fault) bool { return f.Field == "email" || f.Field == "billingEmail" })
	if c.email == nil && !blamed {
		r.fault("email", "is required")
	}
	if c.timezone == nil {
		utc := "UTC"
		c.timezone = &utc
	}
	if c.metadata == nil {
		c.metadata = json.RawMessage("{}")
	}
	return c, r.faults
}
