-- class: online
-- Keys that may do less than everything, or be used from certain addresses alone.

ALTER TABLE api_key ADD COLUMN permissions json CHECK (json_typeof(permissions) = 'object');
COMMENT ON COLUMN api_key.permissions IS
    'what it may do: {"customer":["read","write"]}; NULL: everything';
ALTER TABLE api_key ADD COLUMN allowed_addresses json
    CHECK (json_typeof(allowed_addresses) = 'array');
COMMENT ON COLUMN api_key.allowed_addresses IS
    'from where it may be used: ["203.0.113.0/24"]; NULL: from anywhere';
