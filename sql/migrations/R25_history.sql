-- The history of the database: which one this is, and what changes when it is another one than before.

CREATE OR REPLACE FUNCTION outbox.whereabouts(
    OUT system_identifier bigint, OUT database oid, OUT timeline integer
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- pg_control_checkpoint() shows the former timeline until the first checkpoint after a promotion.
    SELECT c.system_identifier, d.oid, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
    FROM pg_control_system() AS c CROSS JOIN pg_database AS d
    WHERE d.datname = current_database();
END;

COMMENT ON FUNCTION outbox.whereabouts IS 'Where this database is now, to be compared with outbox.history';

-- Never down: what drew from a sequence and was rolled back, or is lost, may be remembered outside.
CREATE OR REPLACE FUNCTION outbox.mend_sequence(sequence regclass, lowest bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_value bigint;
BEGIN
    EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s', sequence) INTO last_value;
    IF last_value < lowest THEN
        PERFORM setval(sequence, lowest);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.mend_sequence IS 'Moves a sequence on, if it stands below this value';

CREATE OR REPLACE FUNCTION outbox.mend_sequences() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    identity record;
    highest bigint;
BEGIN
    FOR identity IN
        SELECT d.objid::regclass AS sequence, t.relname AS table_name, a.attname AS column_name
        FROM pg_depend AS d
            JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
            JOIN pg_class AS t ON t.oid = d.refobjid AND t.relnamespace = 'outbox'::regnamespace
            JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid AND a.attidentity <> ''
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        ORDER BY t.relname
    LOOP
        EXECUTE format('SELECT coalesce(max(%I), 0) FROM outbox.%I', identity.column_name, identity.table_name)
            INTO highest;
        PERFORM outbox.mend_sequence(identity.sequence, highest);
    END LOOP;
    PERFORM outbox.mend_sequence(pg_get_serial_sequence('outbox.message', 'id')::regclass, max(a.id))
    FROM outbox.archive AS a HAVING max(a.id) IS NOT NULL;
    PERFORM outbox.mend_sequence(pg_get_serial_sequence('outbox.notification', 'id')::regclass, max(a.id))
    FROM outbox.notification_archive AS a HAVING max(a.id) IS NOT NULL;
    PERFORM outbox.mend_sequence(pg_get_serial_sequence('outbox.message', 'id')::regclass, l.counted_id),
        outbox.mend_sequence(pg_get_serial_sequence('outbox.change', 'id')::regclass, l.folded_id)
    FROM outbox.ledger_mark AS l;
    PERFORM outbox.mend_sequence('outbox.queue_pos_seq', max(p.queue_pos))
    FROM outbox.channel AS c CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l (lane)
        CROSS JOIN LATERAL (
            SELECT m.queue_pos FROM outbox.message AS m
            WHERE m.channel = c.name AND m.lane = l.lane AND m.queue_pos IS NOT NULL
            ORDER BY m.queue_pos DESC LIMIT 1) AS p
    HAVING max(p.queue_pos) IS NOT NULL;
END
$$;

COMMENT ON FUNCTION outbox.mend_sequences IS
    'Moves each sequence of the schema above the rows that have drawn from it: a copy by rows may lack that';

-- Marks go to the beginning: whoever starts looks at all rows again, in small steps. Writers of marks hold the present
-- row in share mode, so none of them can write an old one behind this.
CREATE OR REPLACE FUNCTION outbox.adopt_history(reason text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    former outbox.history;
BEGIN
    IF coalesce(btrim(reason), '') = '' THEN
        PERFORM outbox.raise('OB012', 'reason', 'must say why this database is the one to send from');
    END IF;
    LOCK TABLE outbox.history IN SHARE ROW EXCLUSIVE MODE;
    UPDATE outbox.history AS h SET ended_at = clock_timestamp() WHERE h.ended_at IS NULL RETURNING h.* INTO STRICT former;
    PERFORM outbox.mend_sequences();
    DELETE FROM outbox.queue;
    UPDATE outbox.ledger_mark SET tick_at = NULL;
    UPDATE outbox.walk
    SET position = 0, lowest = NULL, found = 0, next_round_at = '-infinity', full_round_at = '-infinity';
    INSERT INTO outbox.history (era, system_identifier, database, timeline, last_pos, reason)
    SELECT former.era + 1, w.system_identifier, w.database, w.timeline,
        (SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM outbox.queue_pos_seq AS s),
        adopt_history.reason
    FROM outbox.whereabouts() AS w;
    PERFORM outbox.request_audit(format('era %s: %s', former.era + 1, adopt_history.reason));
    PERFORM outbox.ring('outbox_config', '');
    RETURN former.era + 1;
END
$$;

COMMENT ON FUNCTION outbox.adopt_history IS
    'Begins another era: from this database, as it stands here and now, messages are sent. To be called on a copy '
    'that is to take over; mends sequences and marks, and returns the number of the era';

CREATE OR REPLACE FUNCTION outbox.seal_history(reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(btrim(reason), '') = '' THEN
        PERFORM outbox.raise('OB012', 'reason', 'must say why nothing is to be sent from this database');
    END IF;
    UPDATE outbox.history AS h SET sealed = seal_history.reason WHERE h.ended_at IS NULL;
    PERFORM outbox.ring('outbox_config', '');
END
$$;

COMMENT ON FUNCTION outbox.seal_history IS 'Nothing is sent from this database until outbox.adopt_history is called';

CREATE OR REPLACE FUNCTION outbox.why_sealed() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE
        WHEN h.sealed IS NOT NULL THEN h.sealed
        WHEN h.system_identifier <> w.system_identifier
        THEN format('a copy: the schema was last run on the system %s, and this is %s', h.system_identifier,
                    w.system_identifier)
        WHEN h.database <> w.database
        THEN format('a copy: the schema was last run in the database with the oid %s, and this is %s', h.database,
                    w.database)
    END
    FROM outbox.history AS h CROSS JOIN outbox.whereabouts() AS w
    WHERE h.ended_at IS NULL;
END;

COMMENT ON FUNCTION outbox.why_sealed IS 'Why nothing may be sent from this database; NULL = it may';
