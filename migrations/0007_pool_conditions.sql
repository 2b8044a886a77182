-- What must hold for some of a batch's transactions to be included (eth_sendRawTransactionConditional): JSON, by hash.
-- Beside the transactions, so that none ever comes back without its condition.
alter table pool_batch add column conditions bytea not null default '';
