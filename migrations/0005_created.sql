-- Who created a contract, and the creation in the contract's own history. Most transactions create none.
create index l2_receipt_created on l2_receipt (created, block_number desc, tx_index desc) where created is not null;
