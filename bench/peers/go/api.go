package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const bodyMax = 2 << 20

type api struct {
	store *store
	keys  *keyCache
}

// ---- who calls

type tenant struct {
	environment id
	livemode    bool
	until       time.Time
}

type keyCache struct {
	lock  sync.RWMutex
	known map[[sha256.Size]byte]tenant
}

func newKeyCache() *keyCache {
	return &keyCache{known: map[[sha256.Size]byte]tenant{}}
}

func wellFormed(key string) bool {
	random, found := strings.CutPrefix(key, "ck_live_")
	if !found {
		random, found = strings.CutPrefix(key, "ck_sandbox_")
	}
	return found && len(random) == 40 && !strings.ContainsFunc(random, func(r rune) bool { return !isAlphanumeric(r) })
}

func (a *api) tenant(ctx context.Context, key string) (tenant, error) {
	if !wellFormed(key) {
		return tenant{}, errUnauthorized
	}
	hash, now := sha256.Sum256([]byte(key)), time.Now()
	a.keys.lock.RLock()
	t := a.keys.known[hash]
	a.keys.lock.RUnlock()
	if t.until.After(now) {
		return t, nil
	}
	var keyID id
	var due bool
	t = tenant{until: now.Add(time.Second)}
	batch := &pgx.Batch{}
	batch.Queue(sqlKeyHolder, hash[:])
	batch.Queue(sqlKeyFind, hash[:]).QueryRow(func(row pgx.Row) error {
		return row.Scan(&t.environment, &keyID, &t.livemode, &due)
	})
	if err := a.store.pool.SendBatch(ctx, batch).Close(); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			err = errUnauthorized
		}
		return t, err
	}
	if due {
		err := a.store.inEnvironment(ctx, t.environment, sqlKeyUsed, []any{t.environment, keyID},
			func(rows pgx.Rows) error { rows.Close(); return rows.Err() })
		if err != nil {
			log.Print(err)
		}
	}
	a.keys.lock.Lock()
	a.keys.known[hash] = t
	a.keys.lock.Unlock()
	return t, nil
}

// ---- errors

type problem struct {
	status  int
	kind    string
	code    string
	param   any
	message string
	details []fault
}

func (p *problem) Error() string { return p.message }

var (
	errUnauthorized = &problem{401, "authentication_error", "unauthorized", "x-api-key", "Invalid API key.", nil}
	errNoCustomer   = &problem{404, "not_found_error", "customer_not_found", "id", "There is no customer with this id.", nil}
	errNoPath       = &problem{404, "not_found_error", "not_found", nil, "There is nothing at this path.", nil}
	errTaken        = &problem{409, "conflict_error", "duplicate", "externalId", "Another customer has this external id.", nil}
	errOtherRequest = &problem{409, "conflict_error", "idempotency_key_mismatch", "Idempotency-Key",
		"This idempotency key was used for a different request.", nil}
	errDefect = &problem{500, "internal_error", "internal_error", nil,
		"Something went wrong on our side. Nothing was done.", nil}
)

func invalid(faults []fault) *problem {
	return &problem{400, "validation_error", "validation_error", faults[0].Field,
		faults[0].Field + ": " + faults[0].Message, faults}
}

func invalidKey(message string) *problem {
	p := invalid([]fault{{"Idempotency-Key", message}})
	p.message = message
	return p
}

func problemOf(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, errNotFound):
		return errNoCustomer
	case errors.Is(err, errDuplicate):
		return errTaken
	case errors.Is(err, errMismatch):
		return errOtherRequest
	}
	log.Print(err)
	return errDefect
}

type errorJSON struct {
	Type    string  `json:"type"`
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   any     `json:"param"`
	Details []fault `json:"details"`
	DocURL  string  `json:"doc_url"`
}

type problemJSON struct {
	Success bool      `json:"success"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Details []fault   `json:"details"`
	Error   errorJSON `json:"error"`
}

func (p *problem) json() problemJSON {
	return problemJSON{false, p.code, p.message, p.details, errorJSON{p.kind, p.code, p.message, p.param, p.details,
		"/api-reference/2026-08-27/errors/" + p.code + ".md"}}
}

// ---- requests

type call struct {
	*http.Request
	header http.Header // of the answer
	tenant tenant
	body   []byte
	idem   idemKey
}

type handler func(*call) (*reply, error)

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/customers", a.serve(a.create))
	mux.HandleFunc("GET /api/v1/customers", a.serve(a.list))
	mux.HandleFunc("POST /api/v1/customers/batch", a.serve(a.batch))
	mux.HandleFunc("GET /api/v1/customers/{id}", a.serve(a.get))
	mux.HandleFunc("PATCH /api/v1/customers/{id}", a.serve(a.update))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { answer(w, 404, errNoPath.json()) })
	return mux
}

func answer(w http.ResponseWriter, status int, value any) {
	send(w, newReply(status, "", value))
}

func newReply(status int, headers string, value any) *reply {
	text, err := json.Marshal(value)
	if err != nil {
		log.Print(err)
		status, headers, text = 500, "", nil
	}
	return &reply{status, headers, text}
}

func send(w http.ResponseWriter, r *reply) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Request-Id", newID().text("req_"))
	header.Set("Content-Length", strconv.Itoa(len(r.body)))
	for line := range strings.Lines(r.headers) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		header.Set(name, value)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}

func (a *api) serve(handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, header: w.Header()}
		out, err := a.run(c, handle)
		if err != nil {
			p := problemOf(err)
			out = newReply(p.status, "", p.json())
		}
		send(w, out)
	}
}

func (a *api) run(c *call, handle handler) (*reply, error) {
	var err error
	if c.tenant, err = a.tenant(c.Context(), c.Header.Get("x-api-key")); err != nil {
		return nil, err
	}
	if c.Method != http.MethodGet {
		if c.body, err = io.ReadAll(http.MaxBytesReader(nil, c.Body, bodyMax)); err != nil {
			return nil, err
		}
		if err := c.readKey(); err != nil {
			return nil, err
		}
	}
	return handle(c)
}

func (c *call) readKey() error {
	values := c.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil
	}
	key := values[0]
	if len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	if len(key) == 0 || len(key) > 255 {
		return invalidKey("Idempotency-Key must have 1 to 255 characters.")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7E }) {
		return invalidKey("Idempotency-Key must be printable ASCII.")
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%s\n", c.Method, c.URL.EscapedPath())
	hash.Write(c.body)
	c.idem = idemKey{&key, hash.Sum(nil)}
	return nil
}

func (c *call) object(mayBeEmpty bool) (object, error) {
	if mayBeEmpty && len(c.body) == 0 {
		return object{}, nil
	}
	var o object
	err := json.Unmarshal(c.body, &o)
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil && o != nil:
		return o, nil
	case err == nil || errors.As(err, &wrongType):
		if mayBeEmpty && strings.TrimSpace(string(c.body)) == "[]" {
			return object{}, nil
		}
		return nil, invalid([]fault{{"body", "must be a JSON object"}})
	}
	return nil, &problem{400, "validation_error", "invalid_json", nil, "The body is not valid JSON: " + err.Error() + ".", nil}
}

func (c *call) kept(r *reply, replayed bool, err error) (*reply, error) {
	if replayed && err == nil {
		c.header.Set("Idempotent-Replayed", "true")
	}
	return r, err
}

// ---- the calls

func (a *api) create(c *call) (*reply, error) {
	o, err := c.object(false)
	if err != nil {
		return nil, err
	}
	wanted, faults := readCustomer(o, true)
	if len(faults) > 0 {
		return nil, invalid(faults)
	}
	return c.kept(a.store.create(c.Context(), c.tenant.environment, []*customer{wanted}, c.idem, func() *reply {
		status := 201
		if wanted.existing {
			status = 200
		}
		return newReply(status, "Clientele-Result: "+wanted.result()+"\n", wanted.json(c.tenant.livemode))
	}))
}

func (a *api) get(c *call) (*reply, error) {
	found, err := a.store.find(c.Context(), c.tenant.environment, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return newReply(200, "", customerDetailedJSON{found.json(c.tenant.livemode), found.address, nil}), nil
}

func (a *api) update(c *call) (*reply, error) {
	o, err := c.object(true)
	if err != nil {
		return nil, err
	}
	change, faults := readCustomer(o, false)
	if len(faults) > 0 {
		return nil, invalid(faults)
	}
	return c.kept(a.store.update(c.Context(), c.tenant.environment, c.PathValue("id"), change, c.idem,
		func(stored *customer) *reply { return newReply(200, "", stored.json(c.tenant.livemode)) }))
}

type listJSON struct {
	Object     string         `json:"object"`
	Data       []customerJSON `json:"data"`
	HasMore    bool           `json:"hasMore"`
	NextCursor string         `json:"nextCursor,omitempty"`
}

func (a *api) list(c *call) (*reply, error) {
	query, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	var faults []fault
	limit := 25
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 100 {
			faults = append(faults, fault{"limit", "must be a number from 1 to 100"})
		}
	}
	before := id{}
	for i := range before {
		before[i] = 0xFF
	}
	if cursor := query.Get("cursor"); cursor != "" {
		var ok bool
		if before, ok = parseID("cur_", cursor); !ok {
			faults = append(faults, fault{"cursor", "must be the nextCursor of a previous page"})
		}
	}
	if len(faults) > 0 {
		return nil, invalid(faults)
	}
	found, err := a.store.list(c.Context(), c.tenant.environment, before, limit+1)
	if err != nil {
		return nil, err
	}
	out := listJSON{Object: "list", Data: make([]customerJSON, 0, limit)}
	if len(found) > limit {
		found = found[:limit]
		out.HasMore, out.NextCursor = true, found[limit-1].id.text("cur_")
	}
	for _, one := range found {
		out.Data = append(out.Data, one.json(c.tenant.livemode))
	}
	return newReply(200, "", out), nil
}

type failedJSON struct {
	Index int             `json:"index"`
	Error string          `json:"error"`
	Code  string          `json:"code"`
	Param string          `json:"param"`
	Data  json.RawMessage `json:"data"`
}

type batchJSON struct {
	Successful []batchedJSON `json:"successful"`
	Failed     []failedJSON  `json:"failed"`
	Object     string        `json:"object"`
	Livemode   bool          `json:"livemode"`
}

type item struct {
	raw      json.RawMessage
	customer *customer
	faults   []fault
	repeated bool // an earlier item has the same external id
}

func (a *api) batch(c *call) (*reply, error) {
	o, err := c.object(false)
	if err != nil {
		return nil, err
	}
	items, p := readItems(o["customers"])
	if p != nil {
		return nil, p
	}
	var customers []*customer
	seen := map[string]*customer{}
	for i := range items {
		it := &items[i]
		if len(it.faults) > 0 {
			continue
		}
		if external := it.customer.externalID; external != nil {
			if seen[*external] != nil {
				it.customer, it.repeated = seen[*external], true
				continue
			}
			seen[*external] = it.customer
		}
		customers = append(customers, it.customer)
	}
	render := func() *reply {
		out := batchJSON{make([]batchedJSON, 0, len(items)), []failedJSON{}, "customer_batch", c.tenant.livemode}
		for i, it := range items {
			if len(it.faults) > 0 {
				f := it.faults[0]
				out.Failed = append(out.Failed, failedJSON{i, f.Field + ": " + f.Message, "validation_error", f.Field, it.raw})
				continue
			}
			made := it.customer.batched(i)
			if it.repeated {
				made.Status = "existing"
			}
			out.Successful = append(out.Successful, made)
		}
		return newReply(200, "", out)
	}
	if len(customers) == 0 && c.idem.key == nil {
		return render(), nil
	}
	return c.kept(a.store.create(c.Context(), c.tenant.environment, customers, c.idem, render))
}

func readItems(raw json.RawMessage) ([]item, *problem) {
	if raw == nil {
		return nil, invalid([]fault{{"customers", "is required"}})
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil || parts == nil {
		return nil, invalid([]fault{{"customers", "must be an array"}})
	}
	if len(parts) == 0 || len(parts) > 100 {
		return nil, invalid([]fault{{"customers", "must have 1 to 100 items"}})
	}
	items := make([]item, len(parts))
	whole := true // every broken item can be told of in "failed"
	for i, part := range parts {
		items[i].raw = part
		var o object
		if json.Unmarshal(part, &o) != nil || o == nil {
			items[i].faults = []fault{{"", "must be an object"}}
			whole = false
			continue
		}
		items[i].customer, items[i].faults = readCustomer(o, true)
		if len(items[i].faults) > 0 && !isString(o["email"]) && !isString(o["billingEmail"]) {
			whole = false
		}
	}
	if whole {
		return items, nil
	}
	var faults []fault
	for i, it := range items {
		for _, f := range it.faults {
			field := fmt.Sprintf("customers.%d", i)
			if f.Field != "" {
				field += "." + f.Field
			}
			faults = append(faults, fault{field, f.Message})
		}
	}
	return nil, invalid(faults)
}

func isString(raw json.RawMessage) bool {
	return len(raw) > 0 && raw[0] == '"'
}
