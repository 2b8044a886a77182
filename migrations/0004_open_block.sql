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
