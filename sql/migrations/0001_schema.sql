-- Schema outbox and the roles that it knows. PostgreSQL 14 to 18.
--
-- The files of this folder are plain SQL for one transaction, in the order of their names, so any migration tool can
-- apply them. First come the tables, with their types, indexes and first rows; then (R01 and on), by subject, what can be
-- made again at any time: functions, triggers and views, and at last who may do what.

CREATE SCHEMA IF NOT EXISTS outbox;

COMMENT ON SCHEMA outbox IS
    'pgoutbox: messages to be sent, what became of them, and the rules and providers of each channel';

-- Roles belong to the whole cluster, so another database may have made them, or be making them now.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['outbox_producer', 'outbox_dispatcher', 'outbox_scheduler',
                                     'outbox_reader', 'outbox_admin'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;
