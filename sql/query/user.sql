-- People who sign in, as the operator's commands and owners of organizations make and change them.

-- name: user_add
-- Unless there is one. $1 id, $2 e-mail.
INSERT INTO user_account (id, email) VALUES ($1::uuid, $2::text) ON CONFLICT DO NOTHING;

-- name: user_add_password
-- For an account that has none. $1 e-mail, $2 hash, $3 name or NULL. No row: it has one.
UPDATE user_account a SET password = $2::text, name = coalesce($3::text, a.name)
 WHERE a.email = $1::text AND a.password IS NULL
RETURNING a.id;

-- name: user_join
-- Makes him a member, who has accepted or was invited. No row: he has accepted before. $1 e-mail,
-- $2 organization, $3 role, $4 accepted, $5 what he is called there until he accepts, or NULL: as
-- before.
INSERT INTO user_member AS m (organization_id, user_id, role, accepted_at, name)
SELECT $2::uuid, a.id, $3::text, CASE WHEN $4::boolean THEN now() END, $5::text
  FROM user_account a
 WHERE a.email = $1::text
    ON CONFLICT (organization_id, user_id)
    DO UPDATE SET role = $3::text, accepted_at = excluded.accepted_at,
                  name = coalesce(excluded.name, m.name)
            WHERE m.accepted_at IS NULL
RETURNING m.user_id;

-- name: user_link_add
-- In the place of earlier ones. No row: he is no member, or has not accepted, which a link to sign
-- in takes. $1 e-mail, $2 organization or NULL: the one of his in which a session begins
-- (user_session_add), as that is what the page of the link tells him, $3 hash, $4 purpose, $5 how
-- many ms it is good, $6 only while he is in no other organization, $7 it ends his second factor.
WITH old AS (
    DELETE FROM user_link l USING user_account a
     WHERE a.email = $1::text AND l.user_id = a.id AND l.purpose = $4::text
       AND ($2::uuid IS NULL OR l.organization_id = $2)
)
INSERT INTO user_link (hash, organization_id, user_id, purpose, expires_at, alone, ends_totp)
SELECT $3::bytea, m.organization_id, m.user_id, $4, now() + $5::bigint * interval '1 ms',
       $6::boolean, $7::boolean
  FROM user_member m
  JOIN user_account a ON a.id = m.user_id
 WHERE a.email = $1 AND ($2 IS NULL OR m.organization_id = $2)
   AND ($4 <> 'sign_in' OR m.accepted_at IS NOT NULL)
 ORDER BY m.accepted_at, m.organization_id
 LIMIT 1
RETURNING user_id;

-- name: user_list
-- out: id email name organization role state created_at
-- Of the organization named $1, or of all if that is NULL.
SELECT a.id, a.email, coalesce(a.name, m.name) AS name, o.name AS organization, m.role,
       CASE WHEN m.accepted_at IS NULL THEN 'invited' ELSE 'active' END AS state, m.created_at
  FROM user_member m
  JOIN user_account a ON a.id = m.user_id
  JOIN organization o ON o.id = m.organization_id
 WHERE $1::text IS NULL OR o.name = $1
 ORDER BY o.name, a.email;

-- name: user_role
-- No row: he is no member. $1 e-mail, $2 organization, $3 role.
UPDATE user_member m SET role = $3::text
  FROM user_account a
 WHERE a.email = $1::text AND m.user_id = a.id AND m.organization_id = $2::uuid
RETURNING m.user_id;

-- name: user_leave
-- No row: he is no member. His sessions that act for others go on. $1 e-mail, $2 organization.
WITH who AS (
    SELECT a.id FROM user_account a WHERE a.email = $1::text
), sessions AS (
    DELETE FROM user_session s USING who
     WHERE s.user_id = who.id AND s.organization_id = $2::uuid
), links AS (
    DELETE FROM user_link l USING who
     WHERE l.user_id = who.id AND l.organization_id = $2
)
DELETE FROM user_member m USING who
 WHERE m.user_id = who.id AND m.organization_id = $2
RETURNING m.user_id;

-- name: user_sweep
-- Accounts of nobody's members: sessions and links go with them.
DELETE FROM user_account a WHERE NOT EXISTS (SELECT FROM user_member m WHERE m.user_id = a.id);

-- ---- by an owner, of his organization

-- name: user_manage
-- Has row-level security show this transaction the members of an organization. Changes of one
-- organization come one after the other. $1 organization.
SELECT WHERE set_config('app.organization', $1::uuid::text, true) IS NOT NULL
         AND pg_advisory_xact_lock(2, hashtext($1::text)) IS NOT NULL;

-- name: user_members
-- out: id email name role accepted created_at
-- What somebody is called elsewhere is not told before he accepts. $1 organization, $2 user or
-- NULL: all.
SELECT a.id, a.email,
       CASE WHEN m.accepted_at IS NULL THEN m.name ELSE coalesce(a.name, m.name) END AS name,
       m.role, m.accepted_at IS NOT NULL AS accepted, m.created_at
  FROM user_member m
  JOIN user_account a ON a.id = m.user_id
 WHERE m.organization_id = $1::uuid AND ($2::uuid IS NULL OR m.user_id = $2)
 ORDER BY a.email;

-- name: user_member_role
-- No row: he is no member, or it would leave no owner. $1 organization, $2 user, $3 role.
UPDATE user_member m SET role = $3::text
 WHERE m.organization_id = $1::uuid AND m.user_id = $2::uuid
   AND ($3 = 'owner' OR m.role <> 'owner' OR m.accepted_at IS NULL
        OR EXISTS (SELECT FROM user_member o
                    WHERE o.organization_id = $1 AND o.role = 'owner' AND o.user_id <> $2
                      AND o.accepted_at IS NOT NULL))
RETURNING m.user_id;

-- name: user_member_leave
-- The same. $1 organization, $2 user.
DELETE FROM user_member m
 WHERE m.organization_id = $1::uuid AND m.user_id = $2::uuid
   AND (m.role <> 'owner' OR m.accepted_at IS NULL
        OR EXISTS (SELECT FROM user_member o
                    WHERE o.organization_id = $1 AND o.role = 'owner' AND o.user_id <> $2
                      AND o.accepted_at IS NOT NULL))
RETURNING m.user_id;

-- name: user_member_left
-- After that: his sessions and links there. $1 organization, $2 user.
WITH sessions AS (
    DELETE FROM user_session s WHERE s.organization_id = $1::uuid AND s.user_id = $2::uuid
)
DELETE FROM user_link l WHERE l.organization_id = $1 AND l.user_id = $2;

-- name: user_forget
-- The account, if he is in no organization any more. After user_enter. $1 user.
DELETE FROM user_account a
 WHERE a.id = $1::uuid AND NOT EXISTS (SELECT FROM user_member m WHERE m.user_id = $1);

-- name: user_elsewhere
-- out: elsewhere
-- Whether he is in other organizations, too. After user_enter. $1 organization, $2 user.
SELECT EXISTS (SELECT FROM user_member m
                WHERE m.user_id = $2::uuid AND m.organization_id <> $1::uuid) AS elsewhere;

-- ---- by the operator

-- name: user_organization
-- out: id
-- $1 name.
SELECT o.id FROM organization o WHERE o.name = $1::text;
