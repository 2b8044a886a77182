-- Nonces belong to an account: the batcher's key may be changed while its transactions are on their way.
-- Null: signed before this column existed, by the account of that time.
alter table l1_attempt add column sender bytea;
