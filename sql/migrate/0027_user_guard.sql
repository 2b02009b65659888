-- class: online
-- People who sign in: links that end with the reason for which they were good, wrong codes that are
-- counted, and names that stay in the organization that gave them until their owner accepts.

ALTER TABLE user_account
    ADD COLUMN totp_wrong bigint NOT NULL DEFAULT 0,
    ADD COLUMN totp_after timestamptz(3);
COMMENT ON COLUMN user_account.totp_wrong IS 'wrong codes since the last right one';
COMMENT ON COLUMN user_account.totp_after IS 'no code is taken before; NULL: there is no wait';

ALTER TABLE user_member
    ADD COLUMN name text;
COMMENT ON COLUMN user_member.name IS 'what whoever invited him calls him';

ALTER TABLE user_link
    ADD COLUMN alone boolean NOT NULL DEFAULT false,
    ADD COLUMN ends_totp boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN user_link.alone IS 'it is good while its user is in no other organization';
COMMENT ON COLUMN user_link.ends_totp IS 'who uses it has no second factor any more';

GRANT UPDATE (name, totp_wrong, totp_after) ON user_account TO clientele_serve;
GRANT UPDATE (name) ON user_member TO clientele_serve;

-- Who made the links for a new password that there are, nobody knows. They end within two hours.
UPDATE user_link SET alone = true WHERE purpose = 'reset';

-- An account was made with the name that its first invitation gave, in the same transaction.
UPDATE user_member m SET name = a.name
  FROM user_account a
 WHERE a.id = m.user_id AND a.created_at = m.created_at AND m.accepted_at IS NULL;
UPDATE user_account a SET name = NULL
 WHERE NOT EXISTS (SELECT FROM user_member m
                    WHERE m.user_id = a.id AND m.accepted_at IS NOT NULL);
