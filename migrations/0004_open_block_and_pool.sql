-- The block that is being made, so that whoever goes on after a crash makes the same one. One writing process: the
-- sequencer that holds the lease. Two rows at most: a block on its way to `l2_block`, and its successor.
create table open_block (
    number bigint primary key,
    inputs bytea not null -- JSON of its inputs without transactions of users
);

-- What the block holds, in order, as far as it was shown.
create table open_tx (
    number bigint not null,
    first integer not null, -- place of the first one in the block
    hashes bytea not null, -- 32 bytes each
    primary key (number, first)
);

-- Acknowledged transactions that may not be in a block yet, as they were stored: one row for each statement, since a row
-- for each transaction costs more than all else about it. Rows go when nothing in them waits any more.
create table pool_batch (
    id bigint generated always as identity primary key,
    txs bytea[] not null -- EIP-2718, in order of arrival
);
alter table pool_batch alter column txs set storage external; -- transactions hardly compress
insert into pool_batch (txs) select array[raw] from pool_tx order by arrival;
drop table pool_tx;
