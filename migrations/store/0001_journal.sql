-- The journal: append-only, numbered without gaps, each entry chained to the one before by its hash.
create table journal (
    seq       integer primary key check (seq > 0),
    at        text not null,
    actor     text not null,
    event     text not null,
    operation text,
    previous  text not null check (length(previous) = 64),
    hash      text not null unique check (length(hash) = 64)
) strict;

create index journal_by_operation on journal (operation, seq) where operation is not null;

create trigger journal_is_not_changed before update on journal
begin
    select raise(abort, 'the journal is append-only: an entry may not be changed');
end;

create trigger journal_is_not_deleted before delete on journal
begin
    select raise(abort, 'the journal is append-only: an entry may not be removed');
end;

-- The last entry, kept apart, so that entries cut off the end are missed.
create table journal_head (
    one  integer primary key check (one = 1),
    seq  integer not null check (seq >= 0),
    hash text not null check (length(hash) = 64)
) strict;

insert into journal_head (one, seq, hash) values (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
