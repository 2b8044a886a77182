-- Filters name an event of a contract more often than anything else, and the two are not independent: a busy contract
-- may never emit the event that is asked for. The index answers; the statistics let the planner know when to use it.
create index l2_log_event on l2_log (address, topic0, block_number);
create statistics l2_log_event_counts (mcv, dependencies) on address, topic0 from l2_log;
alter statistics l2_log_event_counts set statistics 1000;

-- Without the position, entries of one block share their key, and Postgres stores it once.
drop index l2_log_address;
drop index l2_log_topic0;
drop index l2_log_topic1;
drop index l2_log_topic2;
drop index l2_log_topic3;
create index l2_log_address on l2_log (address, block_number);
create index l2_log_topic0 on l2_log (topic0, block_number);
create index l2_log_topic1 on l2_log (topic1, block_number) where topic1 is not null;
create index l2_log_topic2 on l2_log (topic2, block_number) where topic2 is not null;
create index l2_log_topic3 on l2_log (topic3, block_number) where topic3 is not null;
