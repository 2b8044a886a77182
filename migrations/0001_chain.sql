-- The chain as sealed. One writing process: the sequencer that holds the lease.
-- No foreign keys: each would cost a lookup per row, and `seal` and `rewind` are the only writers.
-- Hashes, addresses and 256-bit numbers are bytea (big-endian); u64 is bigint, checked by the writer.

create table l2_block (
    number bigint primary key,
    hash bytea not null unique,
    parent_hash bytea not null,
    timestamp bigint not null,
    l1_origin_number bigint not null,
    l1_origin_hash bytea not null,
    sequence_number bigint not null,
    tx_count integer not null,
    size_bytes bigint not null,
    header bytea not null -- RLP, so that the hash can be computed again
);

create table l2_tx (
    block_number bigint not null,
    tx_index integer not null,
    hash bytea not null,
    tx_type smallint not null,
    sender bytea not null,
    recipient bytea, -- null: creation
    raw bytea not null, -- EIP-2718
    primary key (block_number, tx_index)
);
create unique index l2_tx_hash on l2_tx (hash);
create index l2_tx_sender on l2_tx (sender, block_number desc, tx_index desc);
create index l2_tx_recipient on l2_tx (recipient, block_number desc, tx_index desc);

create table l2_receipt (
    block_number bigint not null,
    tx_index integer not null,
    success boolean not null,
    gas_used bigint not null,
    first_log_index bigint not null,
    created bytea, -- address of the contract that a creation made
    body bytea not null, -- EIP-2718
    primary key (block_number, tx_index)
);

-- Block hash, transaction hash and time stand here too, so that a log query touches one table.
create table l2_log (
    block_number bigint not null,
    log_index bigint not null,
    block_hash bytea not null,
    block_timestamp bigint not null,
    tx_hash bytea not null,
    tx_index integer not null,
    address bytea not null,
    topic0 bytea,
    topic1 bytea,
    topic2 bytea,
    topic3 bytea,
    data bytea not null,
    primary key (block_number, log_index)
);
create index l2_log_address on l2_log (address, block_number, log_index);
create index l2_log_topic0 on l2_log (topic0, block_number, log_index);
create index l2_log_topic1 on l2_log (topic1, block_number, log_index) where topic1 is not null;
create index l2_log_topic2 on l2_log (topic2, block_number, log_index) where topic2 is not null;
create index l2_log_topic3 on l2_log (topic3, block_number, log_index) where topic3 is not null;

-- User deposits that blocks include (L1 attributes transactions are not listed).
create table l2_deposit (
    block_number bigint not null,
    tx_index integer not null,
    source_hash bytea not null unique,
    tx_hash bytea not null,
    sender bytea not null,
    recipient bytea, -- null: creation
    mint bytea not null,
    value bytea not null,
    gas_limit bigint not null,
    success boolean not null,
    primary key (block_number, tx_index)
);
create index l2_deposit_sender on l2_deposit (sender, block_number desc);
create index l2_deposit_recipient on l2_deposit (recipient, block_number desc);

-- MessagePassed events of the L2ToL1MessagePasser.
create table l2_withdrawal (
    block_number bigint not null,
    log_index bigint not null,
    hash bytea not null unique,
    tx_hash bytea not null,
    nonce bytea not null,
    sender bytea not null,
    target bytea not null,
    value bytea not null,
    gas_limit bytea not null,
    data bytea not null,
    primary key (block_number, log_index)
);
create index l2_withdrawal_sender on l2_withdrawal (sender, block_number desc);

create table l2_head (
    label text primary key check (label in ('unsafe', 'safe', 'finalized')),
    number bigint not null,
    hash bytea not null
);

-- Who may seal. `term` grows with each change of holder: the fencing token.
create table lease (
    name text primary key,
    holder text not null,
    term bigint not null,
    expires_at timestamptz not null
);

-- Transactions that are acknowledged and not yet in a block.
create table pool_tx (
    hash bytea primary key,
    arrival bigint generated always as identity,
    sender bytea not null,
    nonce bigint not null,
    raw bytea not null
);
create unique index pool_tx_sender on pool_tx (sender, nonce);
