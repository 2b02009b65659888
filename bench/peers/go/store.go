package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const columns = `c.id, c.external_id, c.email, c.full_name, c.tax_document, c.address, c.timezone, c.metadata,
	c.created_at, c.updated_at`

// A record of an idempotency key: the answer itself, as it was sent.
const kept = `INSERT INTO idempotency_key
	(environment_id, key, request_hash, maker, version, status, headers, answer, sealed)`

const (
	sqlEnter = `SELECT set_config('app.environment', $1::uuid::text, true)`

	sqlKeyHolder = `SELECT set_config('app.key_hash', encode($1::bytea, 'hex'), true)`
	sqlKeyFind   = `
SELECT k.environment_id, k.id, e.livemode, k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'
  FROM api_key k JOIN environment e ON e.id = k.environment_id
 WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`
	sqlKeyUsed = `UPDATE api_key SET last_used_at = now() WHERE environment_id = $1 AND id = $2`

	sqlGet         = `SELECT ` + columns + ` FROM customer c WHERE c.environment_id = $1 AND c.id = $2`
	sqlGetExternal = `SELECT ` + columns + ` FROM customer c WHERE c.environment_id = $1 AND c.external_id = $2`
	sqlList        = `SELECT ` + columns + ` FROM customer c WHERE c.environment_id = $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3`

	sqlCreate = `
WITH made AS (
    INSERT INTO customer (environment_id, id, external_id, email, full_name, tax_document, address, address_id, timezone,
                          metadata, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8, $9, $10::json, true, $11, $11)
    ON CONFLICT (environment_id, external_id) DO NOTHING
    RETURNING id
), reported AS (
    INSERT INTO event (environment_id, type, customer_id) SELECT $1, 'customer.created', id FROM made
), kept AS (
    ` + kept + `
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
      FROM made WHERE $12 IS NOT NULL
)
SELECT id FROM made`

	sqlCreateMany = `
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
    ` + kept + `
    SELECT $1, $12::text, $13::bytea, $14::uuid, '2026-08-27', $15::integer, $16::text, $17::bytea, false
     WHERE $12 IS NOT NULL AND (SELECT count(*) FROM made) = cardinality($2)
)
SELECT id FROM made`

	sqlExisting = `
SELECT ` + columns + ` FROM customer c
 WHERE c.environment_id = $1 AND c.external_id = ANY ($2::text[]) AND c.id <> ALL ($3::uuid[])`

	sqlUpdate = `
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
SELECT ` + columns + ` FROM changed c`

	sqlFind = `
SELECT ` + columns + ` FROM customer c
 WHERE c.environment_id = $1
   AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                               (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))`

	sqlKeep   = kept + ` VALUES ($1, $2, $3, $4, '2026-08-27', $5, $6, $7, false)`
	sqlReplay = `SELECT request_hash, status, headers, answer FROM idempotency_key WHERE environment_id = $1 AND key = $2`
)

var (
	errNotFound  = errors.New("no such customer")
	errDuplicate = errors.New("the external id is taken")
	errMismatch  = errors.New("the key was used for another request")
)

type store struct {
	pool *pgxpool.Pool
}

// idemKey is nil when the request has none.
type idemKey struct {
	key  *string
	hash []byte
}

// reply is what is sent, and kept for the key: headers are lines.
type reply struct {
	status  int
	headers string
	body    []byte
}

// A batch is one round trip and, without a BEGIN, one transaction.
func (s *store) inEnvironment(ctx context.Context, environment id, sql string, arguments []any, read func(pgx.Rows) error) error {
	batch := &pgx.Batch{}
	batch.Queue(sqlEnter, environment)
	batch.Queue(sql, arguments...).Query(read)
	return s.pool.SendBatch(ctx, batch).Close()
}

func scan(rows pgx.Rows) (*customer, error) {
	c := &customer{existing: true}
	err := rows.Scan(&c.id, &c.externalID, &c.email, &c.fullName, &c.taxDocument, (*[]byte)(&c.address), &c.timezone,
		(*[]byte)(&c.metadata), &c.createdAt, &c.updatedAt)
	return c, err
}

func collect(found *[]*customer) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			c, err := scan(rows)
			if err != nil {
				return err
			}
			*found = append(*found, c)
		}
		return rows.Err()
	}
}

func (s *store) customers(ctx context.Context, environment id, sql string, arguments ...any) (found []*customer, err error) {
	err = s.inEnvironment(ctx, environment, sql, arguments, collect(&found))
	return found, err
}

// answered is a transaction whose answer depends on what its statement returns: one round trip for that, and one to keep
// the answer. Without a key there is nothing to keep. Nothing is done if there is no answer.
func (s *store) answered(ctx context.Context, environment id, sql string, arguments []any, idem idemKey,
	render func([]*customer) *reply) (*reply, error) {
	if idem.key == nil {
		found, err := s.customers(ctx, environment, sql, arguments...)
		if err != nil {
			return nil, err
		}
		return render(found), nil
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	var found []*customer
	batch := &pgx.Batch{}
	batch.Queue("begin")
	batch.Queue(sqlEnter, environment)
	batch.Queue(sql, arguments...).Query(collect(&found))
	err = conn.SendBatch(ctx, batch).Close()
	var answer *reply
	if err == nil {
		answer = render(found)
	}
	if answer != nil {
		batch = &pgx.Batch{}
		batch.Queue(sqlKeep, environment, idem.key, idem.hash, newID(), answer.status, answer.headers, answer.body)
		batch.Queue("commit")
		err = conn.SendBatch(ctx, batch).Close()
	}
	if answer == nil || err != nil {
		_, _ = conn.Exec(ctx, "rollback")
		return nil, err
	}
	return answer, nil
}

func (s *store) find(ctx context.Context, environment id, ref string) (*customer, error) {
	if public, ok := parseID("cus_", ref); ok {
		found, err := s.customers(ctx, environment, sqlGet, environment, public)
		if err != nil || len(found) == 1 {
			return first(found), err
		}
	}
	found, err := s.customers(ctx, environment, sqlGetExternal, environment, ref)
	if err == nil && len(found) == 0 {
		err = errNotFound
	}
	return first(found), err
}

func first(found []*customer) *customer {
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

func (s *store) list(ctx context.Context, environment, before id, limit int) ([]*customer, error) {
	return s.customers(ctx, environment, sqlList, environment, before, limit)
}

const keyTaken = "idempotency_key_pkey"

func constraint(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23505" {
		return refused.ConstraintName
	}
	return ""
}

// replay is nil when the key was not used.
func (s *store) replay(ctx context.Context, environment id, idem idemKey) (stored *reply, err error) {
	err = s.inEnvironment(ctx, environment, sqlReplay, []any{environment, idem.key}, func(rows pgx.Rows) error {
		for rows.Next() {
			var hash []byte
			stored = &reply{}
			if err := rows.Scan(&hash, &stored.status, &stored.headers, &stored.body); err != nil {
				return err
			}
			if string(hash) != string(idem.hash) {
				return errMismatch
			}
		}
		return rows.Err()
	})
	return stored, err
}

// create gives the answer, and whether it is a repeated one. render makes it of the customers.
func (s *store) create(ctx context.Context, environment id, customers []*customer, idem idemKey,
	render func() *reply) (answer *reply, replayed bool, err error) {
	ids := make([]id, len(customers))
	for i := range customers {
		ids[i] = newID()
	}
	// One time for all, which the first id tells.
	now := time.Now().UTC().Truncate(time.Millisecond)
	if len(ids) > 0 {
		now = ids[0].time()
	}
	settle(customers, ids, nil, now)
	answer = render()
	made, err := s.insert(ctx, environment, customers, ids, now, idem, answer)
	if err == nil && made == len(ids) {
		return answer, false, nil
	}
	if err != nil && constraint(err) != keyTaken {
		return nil, false, err
	}
	if idem.key != nil {
		stored, failed := s.replay(ctx, environment, idem)
		if failed != nil || stored != nil {
			return stored, true, failed
		}
	}
	if err != nil {
		return nil, false, err
	}
	answer, err = s.answered(ctx, environment, sqlExisting, []any{environment, externalIDs(customers), ids}, idem,
		func(existing []*customer) *reply {
			settle(customers, ids, existing, now)
			return render()
		})
	if constraint(err) == keyTaken { // its twin has just ended
		answer, err = s.replay(ctx, environment, idem)
		return answer, true, err
	}
	return answer, false, err
}

func externalIDs(customers []*customer) (out []string) {
	for _, c := range customers {
		if c.externalID != nil {
			out = append(out, *c.externalID)
		}
	}
	return out
}

func (s *store) insert(ctx context.Context, environment id, customers []*customer, ids []id, now time.Time,
	idem idemKey, answer *reply) (made int, err error) {
	sql, arguments := sqlCreate, []any(nil)
	if len(customers) == 1 {
		c := customers[0]
		arguments = []any{environment, ids[0], c.externalID, c.email, c.fullName, c.taxDocument, c.address, c.addressID,
			c.timezone, c.metadata, now}
	} else {
		n := len(customers)
		external, email, name, tax, address, addressID, zone := make([]*string, n), make([]*string, n), make([]*string, n),
			make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
		metadata := make([]string, n)
		for i, c := range customers {
			external[i], email[i], name[i], tax[i] = c.externalID, c.email, c.fullName, c.taxDocument
			addressID[i], zone[i], metadata[i] = c.addressID, c.timezone, string(c.metadata)
			if c.address != nil {
				text := string(c.address)
				address[i] = &text
			}
		}
		sql = sqlCreateMany
		arguments = []any{environment, ids, external, email, name, tax, address, addressID, zone, metadata, now}
	}
	arguments = append(arguments, idem.key, idem.hash, newID(), answer.status, answer.headers, answer.body)
	err = s.inEnvironment(ctx, environment, sql, arguments, func(rows pgx.Rows) error {
		for rows.Next() {
			made++
		}
		return rows.Err()
	})
	return made, err
}

// settle gives each customer the id that was made for it, or replaces it by the one that existed.
func settle(customers []*customer, ids []id, kept []*customer, now time.Time) {
	existing := map[string]*customer{}
	for _, c := range kept {
		if c.externalID != nil {
			existing[*c.externalID] = c
		}
	}
	for i, c := range customers {
		if c.externalID != nil && existing[*c.externalID] != nil {
			*c = *existing[*c.externalID]
			continue
		}
		c.id, c.createdAt, c.updatedAt, c.existing = ids[i], now, now, false
	}
}

// update gives the answer, and whether it is a repeated one.
func (s *store) update(ctx context.Context, environment id, ref string, change *customer, idem idemKey,
	render func(*customer) *reply) (answer *reply, replayed bool, err error) {
	var public *id
	if parsed, ok := parseID("cus_", ref); ok {
		public = &parsed
	}
	sql, arguments := sqlFind, []any{environment, public, ref}
	if change.externalID != nil || change.email != nil || change.fullName != nil || change.taxDocument != nil ||
		change.address != nil || change.timezone != nil || change.metadata != nil {
		sql = sqlUpdate
		arguments = append(arguments, change.externalID, change.email, change.fullName, change.taxDocument, change.address,
			change.timezone, change.metadata, time.Now().UTC().Truncate(time.Millisecond))
	}
	answer, err = s.answered(ctx, environment, sql, arguments, idem, func(found []*customer) *reply {
		if len(found) == 0 {
			return nil
		}
		return render(found[0])
	})
	switch constraint(err) {
	case "customer_external_id":
		return nil, false, errDuplicate
	case keyTaken:
		answer, err = s.replay(ctx, environment, idem)
		replayed = true
	}
	if err == nil && answer == nil {
		err = errNotFound
	}
	return answer, replayed, err
}
