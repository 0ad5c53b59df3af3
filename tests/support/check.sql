-- The checks of tests written in SQL; sql-test reads this first. Each gives one line: "ok WHAT", or "not ok WHAT: why".
-- Whatever else a test selects is not looked at.

CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

CREATE FUNCTION test.line(good boolean, what text, why text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(CASE WHEN good THEN 'ok ' || what ELSE format('not ok %s: %s', what, why) END, E'\n', '\n')
$$;

-- got is as expected, where NULL is as NULL.
CREATE FUNCTION test.same(what text, got text, expected text) RETURNS text LANGUAGE sql AS $$
    SELECT test.line(got IS NOT DISTINCT FROM expected, what, format('%L, expected %L', got, expected))
$$;

-- The only value of the query is as expected.
CREATE FUNCTION test.gives(query text, expected text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got text;
BEGIN
    EXECUTE query INTO STRICT got;
    RETURN test.same(query, got, expected);
EXCEPTION WHEN OTHERS THEN
    RETURN test.line(false, query, SQLSTATE || ' ' || SQLERRM);
END
$$;

-- The statement is accepted, and done.
CREATE FUNCTION test.accepted(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN test.line(true, statement, NULL);
EXCEPTION WHEN OTHERS THEN
    RETURN test.line(false, statement, SQLSTATE || ' ' || SQLERRM);
END
$$;

-- The statement is refused with "SQLSTATE message" that begins so.
CREATE FUNCTION test.refused(statement text, expected text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN test.line(false, statement, 'was accepted, expected ' || expected);
EXCEPTION WHEN OTHERS THEN
    RETURN test.line(starts_with(SQLSTATE || ' ' || SQLERRM, expected), statement,
        format('%s %s, expected %s', SQLSTATE, SQLERRM, expected));
END
$$;

-- A member of the role may run the statement, which is run; it is refused for want of a right.
CREATE FUNCTION test.may(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', role, true);
    EXECUTE statement;
    PERFORM set_config('role', 'none', true);
    RETURN test.line(true, format('%s: %s', role, statement), NULL);
EXCEPTION WHEN OTHERS THEN
    RETURN test.line(false, format('%s: %s', role, statement), SQLSTATE || ' ' || SQLERRM);
END
$$;
CREATE FUNCTION test.may_not(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', role, true);
    EXECUTE statement;
    PERFORM set_config('role', 'none', true);
    RETURN test.line(false, format('%s: %s', role, statement), 'was accepted');
EXCEPTION WHEN OTHERS THEN
    RETURN test.line(SQLSTATE = '42501', format('%s: %s', role, statement), SQLSTATE || ' ' || SQLERRM);
END
$$;
