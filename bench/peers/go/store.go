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
    INSERT INTO idempotency_key (environment_id, key, request_hash, ids)
    SELECT $1, $12::text, $13::bytea, ARRAY[id] FROM made WHERE $12 IS NOT NULL
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
    INSERT INTO idempotency_key (environment_id, key, request_hash, ids)
    SELECT $1, $12::text, $13::bytea, $2 WHERE $12 IS NOT NULL AND (SELECT count(*) FROM made) = cardinality($2)
)
SELECT id FROM made`

	sqlExisting = `
WITH existing AS (
    SELECT c.* FROM customer c WHERE c.environment_id = $1 AND c.external_id = ANY ($2::text[]) AND c.id <> ALL ($3::uuid[])
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, ids, snapshot)
    SELECT $1, $4::text, $5::bytea, $3, ARRAY(SELECT ROW(e.*)::customer FROM existing e) WHERE $4 IS NOT NULL
)
SELECT ` + columns + ` FROM existing c`

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
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, snapshot)
    SELECT $1, $12::text, $13::bytea, ARRAY[ROW(c.*)::customer] FROM changed c WHERE $12 IS NOT NULL
)
SELECT ` + columns + ` FROM changed c`

	sqlKeep = `
WITH found AS (
    SELECT c.* FROM customer c
     WHERE c.environment_id = $1
       AND c.id = (SELECT coalesce((SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.id = $2),
                                   (SELECT p.id FROM customer p WHERE p.environment_id = $1 AND p.external_id = $3)))
), kept AS (
    INSERT INTO idempotency_key (environment_id, key, request_hash, snapshot)
    SELECT $1, $4::text, $5::bytea, ARRAY[ROW(c.*)::customer] FROM found c WHERE $4 IS NOT NULL
)
SELECT ` + columns + ` FROM found c`

	sqlReplay = `
SELECT k.request_hash, k.ids, ` + columns + `
  FROM idempotency_key k LEFT JOIN LATERAL unnest(k.snapshot) c ON true
 WHERE k.environment_id = $1 AND k.key = $2`
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

// A batch is one round trip and, without a BEGIN, one transaction.
func (s *store) inEnvironment(ctx context.Context, environment id, sql string, arguments []any, read func(pgx.Rows) error) error {
	batch := &pgx.Batch{}
	batch.Queue(sqlEnter, environment)
	batch.Queue(sql, arguments...).Query(read)
	return s.pool.SendBatch(ctx, batch).Close()
}

func scan(rows pgx.Rows, before ...any) (*customer, error) {
	c := &customer{existing: true}
	err := rows.Scan(append(before, &c.id, &c.externalID, &c.email, &c.fullName, &c.taxDocument, (*[]byte)(&c.address),
		&c.timezone, (*[]byte)(&c.metadata), &c.createdAt, &c.updatedAt)...)
	return c, err
}

func (s *store) customers(ctx context.Context, environment id, sql string, arguments ...any) ([]*customer, error) {
	var found []*customer
	err := s.inEnvironment(ctx, environment, sql, arguments, func(rows pgx.Rows) error {
		for rows.Next() {
			c, err := scan(rows)
			if err != nil {
				return err
			}
			found = append(found, c)
		}
		return rows.Err()
	})
	return found, err
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

func constraint(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23505" {
		return refused.ConstraintName
	}
	return ""
}

// kept is the answer that is stored for a key: ids that were given, and customers that existed or were changed.
type kept struct {
	found     bool
	ids       []id
	customers []*customer
}

func (s *store) replay(ctx context.Context, environment id, idem idemKey) (stored kept, err error) {
	err = s.inEnvironment(ctx, environment, sqlReplay, []any{environment, idem.key}, func(rows pgx.Rows) error {
		for rows.Next() {
			var hash []byte
			var snapshot struct {
				id       *id
				timezone *string
				created  *time.Time
				updated  *time.Time
			}
			c := &customer{existing: true}
			if err := rows.Scan(&hash, &stored.ids, &snapshot.id, &c.externalID, &c.email, &c.fullName, &c.taxDocument,
				(*[]byte)(&c.address), &c.timezone, (*[]byte)(&c.metadata), &snapshot.created, &snapshot.updated); err != nil {
				return err
			}
			if string(hash) != string(idem.hash) {
				return errMismatch
			}
			stored.found = true
			if snapshot.id != nil {
				c.id, c.createdAt, c.updatedAt = *snapshot.id, *snapshot.created, *snapshot.updated
				stored.customers = append(stored.customers, c)
			}
		}
		return rows.Err()
	})
	return stored, err
}

func (s *store) create(ctx context.Context, environment id, customers []*customer, idem idemKey) (replayed bool, err error) {
	ids := make([]id, len(customers))
	for i := range customers {
		ids[i] = newID()
	}
	// One time for all, which the first id tells: so a replay can tell it again.
	now := time.Now().UTC().Truncate(time.Millisecond)
	if len(ids) > 0 {
		now = ids[0].time()
	}
	made, err := s.insert(ctx, environment, customers, ids, now, idem)
	if err == nil && made == len(ids) {
		settle(customers, ids, nil, now)
		return false, nil
	}
	if err != nil && constraint(err) != "idempotency_key_pkey" {
		return false, err
	}
	if idem.key != nil {
		stored, failed := s.replay(ctx, environment, idem)
		switch {
		case failed != nil:
			return false, failed
		case stored.found && len(stored.ids) == len(ids):
			if len(ids) > 0 {
				settle(customers, stored.ids, stored.customers, stored.ids[0].time())
			}
			return true, nil
		}
	}
	if err != nil {
		return false, err
	}
	existing, err := s.customers(ctx, environment, sqlExisting, environment, externalIDs(customers), ids, idem.key, idem.hash)
	if constraint(err) == "idempotency_key_pkey" {
		return s.create(ctx, environment, customers, idem) // its twin has just ended
	}
	if err == nil {
		settle(customers, ids, existing, now)
	}
	return false, err
}

func externalIDs(customers []*customer) (out []string) {
	for _, c := range customers {
		if c.externalID != nil {
			out = append(out, *c.externalID)
		}
	}
	return out
}

func (s *store) insert(ctx context.Context, environment id, customers []*customer, ids []id, now time.Time, idem idemKey) (made int, err error) {
	sql, arguments := sqlCreate, []any(nil)
	if len(customers) == 1 {
		c := customers[0]
		arguments = []any{environment, ids[0], c.externalID, c.email, c.fullName, c.taxDocument, c.address, c.addressID,
			c.timezone, c.metadata, now, idem.key, idem.hash}
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
		arguments = []any{environment, ids, external, email, name, tax, address, addressID, zone, metadata, now, idem.key, idem.hash}
	}
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

func (s *store) update(ctx context.Context, environment id, ref string, change *customer, idem idemKey) (*customer, bool, error) {
	var public *id
	if parsed, ok := parseID("cus_", ref); ok {
		public = &parsed
	}
	var found []*customer
	var err error
	if change.externalID == nil && change.email == nil && change.fullName == nil && change.taxDocument == nil &&
		change.address == nil && change.timezone == nil && change.metadata == nil {
		found, err = s.customers(ctx, environment, sqlKeep, environment, public, ref, idem.key, idem.hash)
	} else {
		found, err = s.customers(ctx, environment, sqlUpdate, environment, public, ref, change.externalID, change.email,
			change.fullName, change.taxDocument, change.address, change.timezone, change.metadata,
			time.Now().UTC().Truncate(time.Millisecond), idem.key, idem.hash)
	}
	switch constraint(err) {
	case "customer_external_id":
		return nil, false, errDuplicate
	case "idempotency_key_pkey":
		stored, err := s.replay(ctx, environment, idem)
		if err == nil && len(stored.customers) == 0 {
			err = errNotFound
		}
		return first(stored.customers), true, err
	}
	if err == nil && len(found) == 0 {
		err = errNotFound
	}
	return first(found), false, err
}
