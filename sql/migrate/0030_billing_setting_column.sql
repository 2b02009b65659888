-- class: online
-- Nothing ever wrote or read it: the address of an operator's own checkout page is a key of the
-- configuration.
ALTER TABLE billing_setting DROP COLUMN checkout_url_template;
