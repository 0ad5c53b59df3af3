-- Contacts, preferences, stops and quiet hours of users. users.c has their devices.

-- The statement is run; then the query gives what is expected.
CREATE FUNCTION test.after(statement text, query text, expected text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got text;
BEGIN
    EXECUTE statement;
    EXECUTE query INTO STRICT got;
    RETURN test.same(statement, got, expected);
END
$$;

-- --- Contacts: what is left out stays, '' takes away

SELECT test.after(format('SELECT outbox.set_contact(%L, %s)', 'u', arguments),
    $$ SELECT concat_ws(' ', coalesce(email, '-'), coalesce(phone, '-'), coalesce(locale, '-'), coalesce(timezone, '-'))
       FROM outbox.contact $$, expected)
FROM (VALUES
    ($$ email => 'kim@example.com', phone => '+821012345678' $$, 'kim@example.com +821012345678 - -'),
    ($$ locale => 'ko_KR', timezone => 'Asia/Seoul' $$, 'kim@example.com +821012345678 ko-kr Asia/Seoul'),
    ($$ email => '' $$, '- +821012345678 ko-kr Asia/Seoul'),
    ($$ email => '', phone => '+10000000' $$, '- +10000000 ko-kr Asia/Seoul'),
    ($$ email => 'a@b.c', phone => '', locale => '', timezone => '' $$, 'a@b.c - - -'),
    ($$ timezone => 'Etc/GMT+9' $$, 'a@b.c - - Etc/GMT+9'),
    ($$ timezone => 'America/Port-au-Prince' $$, 'a@b.c - - America/Port-au-Prince'))
    AS change (arguments, expected);

-- What changes nothing writes nothing.
CREATE TEMP TABLE before AS SELECT xmin::text AS version FROM outbox.contact;
SELECT outbox.set_contact('u', email => 'a@b.c');
SELECT test.same('the row after no change', c.xmin::text, b.version) FROM outbox.contact AS c, before AS b;

SELECT test.refused(format('SELECT outbox.set_contact(%L, %s)', 'u', arguments), 'OB007 ' || refusal)
FROM (VALUES
    ($$ email => 'kim' $$, 'email must be a mail address like kim@example.com'),
    ($$ email => E'kim@example.com\n' $$, 'email must be'),
    ($$ email => 'kim@example.com,lee@example.com' $$, 'email must be'),
    ($$ phone => '01012345678' $$, 'phone must be a number like +821012345678'),
    ($$ phone => '+82 10 1234' $$, 'phone must be'),
    ($$ locale => 'korean!' $$, 'locale must look like "ko" or "ko-KR"'),
    ($$ timezone => 'KST-9' $$, 'timezone "KST-9" does not exist'),
    ($$ timezone => 'Asia/Seoul3' $$, 'timezone "Asia/Seoul3" does not exist'),
    ($$ timezone => 'Etc/GMT+99' $$, 'timezone "Etc/GMT+99" does not exist'),
    ($$ timezone => '+09:00' $$, 'timezone "+09:00" does not exist'))
    AS bad (arguments, refusal);
SELECT test.refused($$ SELECT outbox.set_contact('', email => 'a@b.c') $$, 'OB007 user_id must have'),
    test.refused($$ UPDATE outbox.settings SET default_timezone = 'Mars/Base' $$, 'OB007 default_timezone "Mars/Base"');

-- --- Preferences: one about all channels overrides those about single ones; NULL forgets

SELECT test.after(format('SELECT outbox.set_preference(%L, %s)', 'u', arguments),
    $$ SELECT string_agg(concat_ws(' ', category, channel, allowed), ', ' ORDER BY category, channel)
       FROM outbox.preference $$, expected)
FROM (VALUES
    ($$ 'service', false, 'email' $$, 'service email f'),
    ($$ 'service', true, 'ios' $$, 'service email f, service ios t'),
    ($$ 'service', NULL, 'email' $$, 'service ios t'),
    ($$ 'service', false $$, 'service * f'),
    ($$ 'service', true, 'sms' $$, 'service * f, service sms t'),
    ($$ 'service', true $$, 'service * t'),
    ($$ 'service', true, 'sms' $$, 'service * t, service sms t'),
    ($$ 'service', NULL $$, NULL),
    ($$ 'marketing', false $$, 'marketing * f'),
    ($$ 'marketing', true, source => 'form 7' $$, 'marketing * t'),
    ($$ 'marketing', true, 'sms', 'call', true $$, 'marketing * t, marketing sms t'),
    ($$ 'security', true, 'sms' $$, 'marketing * t, marketing sms t, security sms t'))
    AS change (arguments, expected);

SELECT test.same('a consent', source || ' ' || at_night || ' ' || (changed_at <= now()), 'call true true')
FROM outbox.preference
WHERE category = 'marketing' AND channel = 'sms';

SELECT test.refused(format('SELECT outbox.set_preference(%L, %s)', 'u', arguments), 'OB007 ' || refusal)
FROM (VALUES
    ($$ 'marketing', true $$, 'source must say how the consent was given'),
    ($$ 'marketing', true, source => ' ' $$, 'source must say'),
    ($$ 'service', true, at_night => true $$, 'source must say'),
    ($$ 'security', false $$, 'category "security" is mandatory and cannot be refused'),
    ($$ 'security', false, 'ios' $$, 'category "security" is mandatory'),
    ($$ 'gossip', false $$, 'category "gossip" does not exist; see outbox.category'),
    ($$ 'service', false, 'pigeon' $$, 'channel "pigeon" does not exist; see outbox.channel'))
    AS bad (arguments, refusal);
SELECT test.refused($$ SELECT outbox.set_preference(NULL, 'service', false) $$, 'OB007 user_id must have');

-- --- Stops

DELETE FROM outbox.contact;
SELECT outbox.stop_user('u');
CREATE TEMP TABLE first AS SELECT stopped_at AS at FROM outbox.contact;
SELECT outbox.stop_user('u'), outbox.set_contact('u', email => 'a@b.c');
SELECT test.same('the moment of the first stop', stopped_at::text, at::text) FROM outbox.contact, first;
SELECT outbox.resume_user('u'), outbox.resume_user('nobody');
SELECT test.same('a user who is resumed', (stopped_at IS NULL AND email = 'a@b.c')::text, 'true') FROM outbox.contact;
SELECT test.refused('SELECT outbox.stop_user(NULL)', 'OB007 user_id must have');

-- --- Quiet hours

SELECT outbox.set_quiet_hours('u', '22:00', '07:00');
SELECT test.same('quiet hours', quiet_from || ' ' || quiet_until, '22:00:00 07:00:00') FROM outbox.contact;
SELECT test.refused($$ SELECT outbox.set_quiet_hours('u', '22:00', NULL) $$, '23514 ');
SELECT outbox.set_quiet_hours('u', NULL, NULL);
SELECT test.same('no quiet hours', concat(quiet_from, quiet_until), '') FROM outbox.contact;

-- Their end, in UTC; NULL = not quiet. Worked out by hand from the offsets of the zones: Seoul +9, Kathmandu +5:45,
-- Berlin +1/+2 (2026-03-29, 2026-10-25), New York -5/-4 (2026-03-08, 2026-11-01), Lord Howe +10:30/+11 (2026-10-04,
-- 2026-04-05).
SELECT test.same(format('%s to %s in %s, at %s', quiet_from, quiet_until, zone, at),
    (outbox.quiet_end((at || '+00')::timestamptz, zone, quiet_from::time, quiet_until::time) AT TIME ZONE 'UTC')::text,
    expected)
FROM (VALUES
    ('Asia/Seoul', '21:00', '08:00', '2026-01-10 11:59:59', NULL),
    ('Asia/Seoul', '21:00', '08:00', '2026-01-10 12:00', '2026-01-10 23:00:00'),
    ('Asia/Seoul', '21:00', '08:00', '2026-01-10 15:30', '2026-01-10 23:00:00'),
    ('Asia/Seoul', '21:00', '08:00', '2026-01-10 22:59:59', '2026-01-10 23:00:00'),
    ('Asia/Seoul', '21:00', '08:00', '2026-01-10 23:00', NULL),
    ('Asia/Seoul', '12:00', '13:00', '2026-01-10 02:59', NULL),
    ('Asia/Seoul', '12:00', '13:00', '2026-01-10 03:30', '2026-01-10 04:00:00'),
    ('Asia/Seoul', '12:00', '13:00', '2026-01-10 04:00', NULL),
    ('Asia/Kathmandu', '21:00', '08:00', '2026-06-01 15:14', NULL),
    ('Asia/Kathmandu', '21:00', '08:00', '2026-06-01 15:15', '2026-06-02 02:15:00'),
    ('Europe/Berlin', '22:00', '07:00', '2026-03-28 21:30', '2026-03-29 05:00:00'),
    ('Europe/Berlin', '22:00', '07:00', '2026-03-29 04:30', '2026-03-29 05:00:00'),
    ('Europe/Berlin', '22:00', '07:00', '2026-10-24 20:30', '2026-10-25 06:00:00'),
    ('Europe/Berlin', '22:00', '02:30', '2026-03-29 00:30', '2026-03-29 01:30:00'),
    ('Europe/Berlin', '22:00', '02:30', '2026-03-29 01:00', NULL),
    ('Europe/Berlin', '22:00', '02:30', '2026-10-25 00:15', '2026-10-25 01:30:00'),
    ('Europe/Berlin', '22:00', '02:30', '2026-10-25 01:15', '2026-10-25 01:30:00'),
    ('Europe/Berlin', '22:00', '02:30', '2026-10-25 01:30', NULL),
    ('America/New_York', '21:00', '08:00', '2026-03-08 03:00', '2026-03-08 12:00:00'),
    ('America/New_York', '21:00', '08:00', '2026-11-01 01:30', '2026-11-01 13:00:00'),
    ('Australia/Lord_Howe', '21:00', '08:00', '2026-04-04 10:00', '2026-04-04 21:30:00'),
    ('Australia/Lord_Howe', '21:00', '08:00', '2026-10-03 10:30', '2026-10-03 21:00:00'),
    ('UTC', '00:00', '24:00', '2026-01-10 12:00', '2026-01-11 00:00:00'),
    ('UTC', '08:00', '08:00', '2026-01-10 08:00', NULL))
    AS moment (zone, quiet_from, quiet_until, at, expected);
SELECT test.gives($$ SELECT outbox.quiet_end(now(), 'UTC', NULL, NULL) $$, NULL);
