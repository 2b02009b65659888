-- People who sign in, and their sessions. What the operator's commands do with them: user.sql.

-- name: user_enter
-- Has row-level security show this transaction what is this user's. $1 user.
SELECT WHERE set_config('app.user', $1::uuid::text, true) IS NOT NULL;

-- name: user_ask
-- Has it show the account with this address. $1 e-mail.
SELECT WHERE set_config('app.email', $1::text, true) IS NOT NULL;

-- name: user_password
-- out: id password totp totp_step totp_wrong wait_ms
-- What somebody who signs in must know. wait_ms: for how long no code is taken; not above 0: one
-- is. $1 e-mail.
SELECT a.id, a.password, a.totp, a.totp_step, a.totp_wrong,
       coalesce(extract(epoch FROM a.totp_after - now()) * 1000, 0)::bigint AS wait_ms
  FROM user_account a
 WHERE a.email = $1::text;

-- name: user_totp_use
-- Takes the code of a step; no row: it was taken, or wrong ones came meanwhile. $1 user, $2 step.
UPDATE user_account a SET totp_step = $2::bigint, totp_wrong = 0, totp_after = NULL
 WHERE a.id = $1::uuid AND a.totp_step < $2
   AND (a.totp_after IS NULL OR a.totp_after <= now())
RETURNING a.id;

-- name: user_totp_wrong
-- out: wrong
-- Counts a wrong code. After $2 of them in a row none is taken for $3 ms, and after each further
-- one for twice as long, but for no more than $4 ms. $1 user.
UPDATE user_account a
   SET totp_wrong = a.totp_wrong + 1,
       totp_after = CASE WHEN a.totp_wrong + 1 >= $2::bigint
           THEN now() + interval '1 ms'
                * least($3::bigint * 2 ^ least(a.totp_wrong + 1 - $2, 30), $4::bigint) END
 WHERE a.id = $1::uuid
RETURNING a.totp_wrong AS wrong;

-- name: user_recovery_use
-- Takes a recovery code; no row: there is no such code. $1 user, $2 hash.
UPDATE user_account a
   SET recovery = array_remove(a.recovery, $2::bytea), totp_wrong = 0, totp_after = NULL
 WHERE a.id = $1::uuid AND $2 = ANY (a.recovery)
RETURNING a.id;

-- ---- sessions

-- name: user_session_enter
-- After key_holder: whose the session is, if it has not ended, and acts for him. $1 hash, $2 how
-- many ms it may go unused.
SELECT set_config('app.user', s.user_id::text, true)
  FROM user_session s
 WHERE s.hash = $1::bytea AND s.expires_at > now()
   AND s.seen_at > now() - $2::bigint * interval '1 ms';

-- name: user_session_find
-- out: id user email environment organization livemode role unmarked
-- After that: what it may do, and where. unmarked: user_session_seen has something to record. $1
-- hash.
SELECT s.id, s.user_id AS "user", a.email, e.id AS environment,
       s.organization_id AS organization, s.livemode, m.role,
       s.seen_at < now() - interval '1 minute' AS unmarked
  FROM user_session s
  JOIN user_account a ON a.id = s.user_id
  JOIN user_member m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
  JOIN environment e ON e.organization_id = s.organization_id AND e.livemode = s.livemode
 WHERE s.hash = $1::bytea AND s.user_id = app_user() AND m.accepted_at IS NOT NULL;

-- name: user_session_seen
-- Records that a session is in use, at most once a minute. $1 session.
UPDATE user_session s SET seen_at = now()
 WHERE s.id = $1::uuid AND s.seen_at < now() - interval '1 minute';

-- name: user_session_add
-- In the organization that the user has been in for longest, as user_link_add has it; no row: he is
-- in none. $1 session, $2 hash, $3 user, $4 how many ms it may last.
INSERT INTO user_session (id, hash, user_id, organization_id, livemode, expires_at)
SELECT $1::uuid, $2::bytea, m.user_id, m.organization_id, true,
       now() + $4::bigint * interval '1 ms'
  FROM user_member m
 WHERE m.user_id = $3::uuid AND m.accepted_at IS NOT NULL
 ORDER BY m.accepted_at, m.organization_id
 LIMIT 1
RETURNING id;

-- name: user_session_tidy
-- Those of the user that have ended. $1 user, $2 how many ms they may go unused.
DELETE FROM user_session s
 WHERE s.user_id = $1::uuid
   AND (s.expires_at <= now() OR s.seen_at <= now() - $2::bigint * interval '1 ms');

-- name: user_session_get
-- out: user email name second_factor role livemode organization organization_name created_at
-- out: expires_at
-- $1 session.
SELECT s.user_id AS "user", a.email, a.name, a.totp IS NOT NULL AS second_factor, m.role,
       s.livemode, s.organization_id AS organization, o.name AS organization_name, s.created_at,
       s.expires_at
  FROM user_session s
  JOIN user_account a ON a.id = s.user_id
  JOIN user_member m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
  JOIN organization o ON o.id = s.organization_id
 WHERE s.id = $1::uuid AND m.accepted_at IS NOT NULL;

-- name: user_organizations
-- out: id name role
-- Those that he may act for. $1 user.
SELECT o.id, o.name, m.role
  FROM user_member m
  JOIN organization o ON o.id = m.organization_id
 WHERE m.user_id = $1::uuid AND m.accepted_at IS NOT NULL
 ORDER BY o.name;

-- name: user_session_move
-- To another environment, with another cookie; no row: he may not. $1 session, $2 organization or
-- NULL, $3 livemode or NULL, $4 hash of the cookie.
UPDATE user_session s
   SET organization_id = coalesce($2::uuid, s.organization_id),
       livemode = coalesce($3::boolean, s.livemode), hash = $4::bytea
  FROM user_member m
 WHERE s.id = $1::uuid AND m.user_id = s.user_id
   AND m.organization_id = coalesce($2, s.organization_id) AND m.accepted_at IS NOT NULL
RETURNING s.id;

-- name: user_session_list
-- out: id livemode organization organization_name created_at seen_at expires_at
-- Those of the user that have not ended, newest first. $1 user, $2 how many ms they may go unused.
SELECT s.id, s.livemode, s.organization_id AS organization, o.name AS organization_name,
       s.created_at, s.seen_at, s.expires_at
  FROM user_session s
  JOIN organization o ON o.id = s.organization_id
 WHERE s.user_id = $1::uuid AND s.expires_at > now()
   AND s.seen_at > now() - $2::bigint * interval '1 ms'
 ORDER BY s.id DESC
 LIMIT 100;

-- name: user_session_end
-- $1 session.
DELETE FROM user_session s WHERE s.id = $1::uuid AND s.user_id = app_user() RETURNING s.id;

-- ---- a second factor

-- name: user_secrets
-- out: email password totp totp_next
-- $1 user.
SELECT a.email, a.password, a.totp, a.totp_next FROM user_account a WHERE a.id = $1::uuid;

-- name: user_totp_offer
-- A secret that a code must confirm before it counts. $1 user, $2 secret.
UPDATE user_account a SET totp_next = $2::bytea WHERE a.id = $1::uuid;

-- name: user_totp_confirm
-- From now on. No row: another secret was offered meanwhile. $1 user, $2 secret, $3 step of the
-- code, $4 hashes of the recovery codes, one behind the other.
UPDATE user_account a
   SET totp = a.totp_next, totp_next = NULL, totp_step = $3::bigint, totp_wrong = 0,
       totp_after = NULL,
       recovery = ARRAY(SELECT substr($4, 32 * i + 1, 32)
                          FROM generate_series(0, length($4::bytea) / 32 - 1) i)
 WHERE a.id = $1::uuid AND a.totp_next = $2::bytea
RETURNING a.id;

-- name: user_totp_remove
-- $1 user.
UPDATE user_account a
   SET totp = NULL, totp_next = NULL, totp_wrong = 0, totp_after = NULL, recovery = '{}'
 WHERE a.id = $1::uuid;

-- ---- links

-- It has not ended; and if it must not lead into another organization, its user has joined none.
\set user_link_good 'l.expires_at > now() AND NOT (l.alone AND EXISTS (SELECT FROM user_member m'
\set user_link_good :user_link_good ' WHERE m.user_id = l.user_id'
\set user_link_good :user_link_good ' AND m.organization_id <> l.organization_id))'

-- name: user_link_enter
-- After key_holder: acts for whom the link is. $1 hash.
SELECT set_config('app.user', l.user_id::text, true)
  FROM user_link l
 WHERE l.hash = $1::bytea AND l.expires_at > now();

-- name: user_link_find
-- out: user organization organization_name purpose email password expires_at ends_totp
-- After that. $1 hash.
SELECT l.user_id AS "user", l.organization_id AS organization, o.name AS organization_name,
       l.purpose, a.email, a.password, l.expires_at, l.ends_totp
  FROM user_link l
  JOIN user_account a ON a.id = l.user_id
  JOIN organization o ON o.id = l.organization_id
 WHERE l.hash = $1::bytea AND :user_link_good;

-- name: user_link_use
-- Takes the link away; no row: somebody was quicker, or it is not good any more. $1 hash.
DELETE FROM user_link l WHERE l.hash = $1::bytea AND :user_link_good RETURNING l.user_id;

-- name: user_accept
-- Links that must not lead into this organization go, and who has no name gets the one that he was
-- invited by. $1 user, $2 organization.
WITH links AS (
    DELETE FROM user_link l
     WHERE l.user_id = $1::uuid AND l.alone AND l.organization_id <> $2::uuid
), named AS (
    UPDATE user_account a SET name = m.name
      FROM user_member m
     WHERE a.id = $1 AND a.name IS NULL AND m.user_id = $1 AND m.organization_id = $2
)
UPDATE user_member m SET accepted_at = now()
 WHERE m.user_id = $1::uuid AND m.organization_id = $2::uuid AND m.accepted_at IS NULL;

-- name: user_set_password
-- Unless the password is another one by now. $1 user, $2 new hash, $3 the present one or NULL.
UPDATE user_account a SET password = $2::text
 WHERE a.id = $1::uuid AND a.password IS NOT DISTINCT FROM $3::text
RETURNING a.id;

-- name: user_session_end_others
-- $1 user, $2 the session that stays.
DELETE FROM user_session s WHERE s.user_id = $1::uuid AND s.id <> $2::uuid;

-- name: user_session_end_all
-- $1 user.
DELETE FROM user_session s WHERE s.user_id = $1::uuid;
