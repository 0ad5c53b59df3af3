-- The history of the database: where it is another one, and what changes then.

CREATE FUNCTION test.era() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', h.era, h.reason, CASE WHEN h.settled_at IS NULL THEN 'unsettled' END)
    FROM outbox.history AS h WHERE h.ended_at IS NULL
$$;

-- --- As it is made

SELECT test.gives('SELECT test.era()', '1 the schema was made');
SELECT test.gives($$ SELECT w = (h.system_identifier, h.database, h.timeline) FROM outbox.history AS h, outbox.whereabouts() AS w $$, 'true');

-- --- A copy elsewhere is sealed, until somebody adopts it

SELECT token AS first_token FROM outbox.history \gset
BEGIN;
UPDATE outbox.history SET system_identifier = 7;
SELECT test.gives($$ SELECT sealed LIKE 'a copy: the schema was last run on the system 7, and this is %'
    FROM outbox.why_sealed() AS sealed $$, 'true');
SELECT test.refused('SELECT outbox.adopt_history(NULL)', 'OB012 reason must say why');
SELECT test.refused($$ SELECT outbox.adopt_history(' ') $$, 'OB012 reason must say why');
SELECT test.gives($$ SELECT outbox.adopt_history('staging, by us') $$, '2');
SELECT test.gives('SELECT outbox.why_sealed()', NULL);
SELECT test.gives('SELECT test.era()', '2 staging, by us unsettled');
ROLLBACK;
BEGIN;
UPDATE outbox.history SET database = 7;
SELECT test.gives($$ SELECT sealed LIKE '%in the database with the oid 7, and this is %' FROM outbox.why_sealed() AS sealed $$, 'true');
ROLLBACK;
BEGIN;
SELECT outbox.seal_history('being moved');
SELECT test.gives('SELECT outbox.why_sealed()', 'being moved');
SELECT test.gives($$ SELECT outbox.adopt_history('moved') $$, '2');
SELECT test.gives('SELECT outbox.why_sealed()', NULL);
ROLLBACK;
SELECT test.refused($$ SELECT outbox.seal_history('') $$, 'OB012 reason must say why');

-- --- What an adoption mends

BEGIN;
INSERT INTO outbox.message (channel, recipient, payload) SELECT 'ios', 'r', '{}' FROM generate_series(1, 20);
SELECT outbox.make_partition('archive', now());
UPDATE outbox.message SET status = 'sent', finished_at = now() WHERE id = 20;
INSERT INTO outbox.archive SELECT m.*, now() FROM outbox.message AS m WHERE m.id = 20;
DELETE FROM outbox.message WHERE id = 20;
UPDATE outbox.walk SET position = 99, lowest = 98, found = 7, next_round_at = 'infinity', full_round_at = 'infinity';
SELECT setval('outbox.queue_pos_seq', 7), setval('outbox.message_id_seq', 7), setval('outbox.notification_id_seq', 70);
SELECT outbox.adopt_history('restored');
SELECT test.gives('SELECT nextval(''outbox.message_id_seq'')', '21');
SELECT test.gives('SELECT nextval(''outbox.queue_pos_seq'')', '20'); -- the highest that is still there is 19
SELECT test.gives('SELECT nextval(''outbox.notification_id_seq'')', '71');
SELECT test.gives('SELECT last_pos FROM outbox.history WHERE ended_at IS NULL', '19');
SELECT test.gives('SELECT count(*) FROM outbox.queue', '0');
SELECT test.gives($$ SELECT DISTINCT concat_ws(' ', position, lowest, found, next_round_at, full_round_at) FROM outbox.walk $$,
    '0 0 -infinity -infinity');

ROLLBACK;

-- --- Rights

SELECT test.may_not(role, 'SELECT outbox.adopt_history(''x'')'), test.may_not(role, 'SELECT outbox.seal_history(''x'')')
FROM unnest(ARRAY['outbox_producer', 'outbox_dispatcher', 'outbox_scheduler', 'outbox_reader']) AS r (role);
SELECT test.may('outbox_reader', 'SELECT era FROM outbox.history');
SELECT test.may('outbox_admin', 'SELECT outbox.adopt_history(''x'')');
