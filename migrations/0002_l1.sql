-- What the operator sends to L1, and what L1 holds of the chain.

-- A channel on its way to the inbox. One writing process: the batcher.
create table l1_submission (
    id bigint generated always as identity primary key,
    first_block bigint not null,
    last_block bigint not null,
    tip_hash bytea not null,
    data bytea not null, -- the encoded channel
    da_type smallint not null, -- 0 calldata, 1 blobs
    status text not null check (status in ('sealed', 'prepared', 'posted', 'final', 'abandoned')),
    l1_block_number bigint,
    l1_block_hash bytea,
    l1_tx_hash bytea,
    created_at timestamptz not null default now(),
    check (first_block <= last_block)
);
create index l1_submission_open on l1_submission (id) where status not in ('final', 'abandoned');
create index l1_submission_blocks on l1_submission (first_block, last_block);

-- Signed transactions of a submission, stored before they are sent; fee replacements share a nonce.
create table l1_attempt (
    submission_id bigint not null references l1_submission on delete cascade,
    attempt integer not null,
    nonce bigint not null,
    tx_hash bytea not null unique,
    raw bytea not null,
    created_at timestamptz not null default now(),
    primary key (submission_id, attempt)
);

-- Batches that L1 holds, as the inbox announced them. One writing process: the batcher.
create table batch (
    batch_index bigint primary key,
    batch_hash bytea not null,
    l1_block_number bigint not null,
    l1_block_hash bytea not null,
    l1_tx_hash bytea not null,
    da_type smallint not null,
    first_block bigint not null,
    last_block bigint not null
);
create index batch_blocks on batch (first_block, last_block);
