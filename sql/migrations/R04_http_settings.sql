-- The adapter http: a vendor described wholly by its provider row, which is checked when it is written. The
-- rules and their words are those of src/providers/http_settings.c. Refusals: OB006.

CREATE OR REPLACE FUNCTION outbox.json_type(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN 'a string'
    WHEN 'object' THEN 'an object'
    WHEN 'array' THEN 'a list'
    WHEN 'boolean' THEN 'true or false'
    WHEN 'number' THEN CASE WHEN value #>> '{}' ~ '^-?[0-9]+$' THEN 'a whole number' ELSE 'a number' END
    ELSE 'nothing'
END;

COMMENT ON FUNCTION outbox.json_type IS 'The type of a JSON value in the words of a refusal';

CREATE OR REPLACE FUNCTION outbox.check_keys(object jsonb, place text, types jsonb, required text[] DEFAULT '{}')
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT place || '.' || p.key || ': ' || p.rule
    FROM (
        SELECT m.key, coalesce('must be ' || (types ->> m.key), 'unknown setting')
        FROM jsonb_each(object) AS m
        WHERE strpos(coalesce(types ->> m.key, ''), outbox.json_type(m.value)) = 0
        UNION ALL
        SELECT r.key, 'is required' FROM unnest(required) AS r (key)
        WHERE NOT object ? r.key) AS p (key, rule)
    ORDER BY p.rule = 'is required', p.key
    LIMIT 1;
END;

COMMENT ON FUNCTION outbox.check_keys IS
    'The first member of an object that is unknown, of another type than types says, or missing; NULL = none';

CREATE OR REPLACE FUNCTION outbox.check_http_text(template text, place text, literal text, names text[] DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known CONSTANT text[] := names || ARRAY['recipient', 'recipient_digits', 'uuid', 'id', 'attempt',
        'payload', 'created', 'now', 'timestamp', 'timestamp_ms'];
    tag outbox.mustache_tag;
BEGIN
    FOREACH tag IN ARRAY outbox.mustache_parse(template, place || ': ') LOOP
        IF tag.kind = '>' THEN
            RETURN format('%s: partial "%s" does not exist', place, tag.body);
        ELSIF tag.kind <> 'text' AND tag.depth = 0 AND split_part(tag.body, '.', 1) <> ALL (known) THEN
            RETURN format('%s: value "%s" does not exist', place, tag.body);
        ELSIF tag.kind = 'text' AND literal = 'path' AND tag.body !~ '^[\x21-\x22\x24-\x7e]*$' THEN
            RETURN place || ': must be ASCII without spaces and #';
        ELSIF tag.kind = 'text' AND literal = 'header' AND tag.body !~ '^[\x20-\x7e]*$' THEN
            RETURN place || ': must be printable ASCII';
        END IF;
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN SQLSTATE 'OB008' THEN
    RETURN SQLERRM;
END
$$;

COMMENT ON FUNCTION outbox.check_http_text IS
    'What is wrong with a Mustache text of an http provider; literal: where it goes (path, header, body); '
    'names: values besides the usual ones';

CREATE OR REPLACE FUNCTION outbox.check_http_header(name text, place text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN place || CASE
    WHEN name !~ '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$' THEN ': must have the form of a header''s name'
    WHEN lower(name COLLATE "C") IN ('connection', 'content-length', 'content-type', 'expect', 'host',
                                     'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade')
        THEN ': is not for settings to set'
END;

COMMENT ON FUNCTION outbox.check_http_header IS 'What is wrong with a name of a header';

CREATE OR REPLACE FUNCTION outbox.check_http_headers(headers jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.problem
    FROM (
        SELECT h.key, coalesce(
            CASE WHEN jsonb_typeof(h.value) <> 'string' THEN h.place || ': must be a string' END,
            outbox.check_http_header(h.key, h.place),
            CASE WHEN count(*) OVER (PARTITION BY lower(h.key COLLATE "C")) > 1
                THEN h.place || ': is set twice' END,
            outbox.check_http_text(h.value #>> '{}', h.place, 'header'))
        FROM (SELECT e.key, e.value, 'settings.headers.' || e.key FROM jsonb_each(headers) AS e)
            AS h (key, value, place)
        UNION ALL
        SELECT '', 'settings.headers: must not be more than 12' FROM jsonb_each(headers) HAVING count(*) > 12
    ) AS p (key, problem)
    WHERE p.problem IS NOT NULL
    ORDER BY p.key DESC
    LIMIT 1;
END;

COMMENT ON FUNCTION outbox.check_http_headers IS 'What is wrong with settings.headers';

CREATE OR REPLACE FUNCTION outbox.http_body_kind(content_type text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN lower(content_type COLLATE "C") ~ '^[a-z0-9+./-]+[; ]*(charset=utf-8)?$' THEN
    CASE
        WHEN lower(content_type COLLATE "C") ~ '^(application/json|[a-z0-9+./-]*\+json)([; ]|$)' THEN 'json'
        WHEN lower(content_type COLLATE "C") ~ '^application/x-www-form-urlencoded([; ]|$)' THEN 'form'
        WHEN lower(content_type COLLATE "C") ~ '^((application|text)/xml|[a-z0-9+./-]*\+xml)([; ]|$)'
            THEN 'xml'
        WHEN lower(content_type COLLATE "C") ~ '^text/plain([; ]|$)' THEN 'plain'
    END
END;

COMMENT ON FUNCTION outbox.http_body_kind IS 'json, form, xml or plain; NULL = values cannot be written into it';

CREATE OR REPLACE FUNCTION outbox.check_http_body(settings jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN NOT settings ? 'body' THEN
        CASE WHEN settings ? 'content_type' THEN 'settings.content_type: goes with a body' END
    WHEN settings ->> 'method' = 'GET' THEN 'settings.body: does not go with the method GET'
    WHEN jsonb_typeof(settings -> 'body') = 'string' AND NOT settings ? 'content_type'
        THEN 'settings.content_type: is required for a body that is a string'
    WHEN outbox.http_body_kind(coalesce(settings ->> 'content_type', 'application/json')) IS NULL
        THEN 'settings.content_type: must be one of JSON, form, XML and plain text, in UTF-8'
    WHEN jsonb_typeof(settings -> 'body') <> 'string'
        AND outbox.http_body_kind(coalesce(settings ->> 'content_type', 'application/json')) <> 'json'
        THEN 'settings.content_type: must be JSON for a body that is not a string'
    ELSE (
        WITH RECURSIVE member (path, value) AS (
            SELECT 'settings.body', settings -> 'body'
            UNION ALL
            SELECT m.path || e.step, e.value
            FROM member AS m CROSS JOIN LATERAL (
                SELECT '.' || o.key, o.value
                FROM jsonb_each(CASE jsonb_typeof(m.value) WHEN 'object' THEN m.value ELSE '{}' END) AS o
                UNION ALL
                SELECT format('[%s]', a.place - 1), a.value
                FROM jsonb_array_elements(CASE jsonb_typeof(m.value) WHEN 'array' THEN m.value ELSE '[]' END)
                    WITH ORDINALITY AS a (value, place)) AS e (step, value)
        )
        SELECT p.problem
        FROM member AS m
            CROSS JOIN LATERAL outbox.check_http_text(m.value #>> '{}', m.path, 'body') AS p (problem)
        WHERE jsonb_typeof(m.value) = 'string' AND p.problem IS NOT NULL
        LIMIT 1)
END;

COMMENT ON FUNCTION outbox.check_http_body IS 'What is wrong with settings.body and settings.content_type';

CREATE OR REPLACE FUNCTION outbox.check_http_auth(settings jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    auth CONSTANT jsonb := settings -> 'auth';
    type CONSTANT text := auth ->> 'type';
    header CONSTANT text := coalesce(
        CASE WHEN type IN ('bearer', 'hmac') THEN auth ->> 'header' END, 'authorization');
BEGIN
    IF auth IS NULL THEN
        RETURN NULL;
    END IF;
    IF coalesce(type, '') NOT IN ('none', 'basic', 'bearer', 'hmac')
        OR jsonb_typeof(auth -> 'type') <> 'string' THEN
        RETURN 'settings.auth.type: must be none, basic, bearer or hmac';
    END IF;
    RETURN coalesce(
        outbox.check_keys(auth, 'settings.auth', '{"type": "a string"}'::jsonb || CASE type
            WHEN 'basic' THEN '{"username": "a string"}'
            WHEN 'bearer' THEN '{"header": "a string", "prefix": "a string"}'
            WHEN 'hmac' THEN '{"header": "a string", "sign": "a string", "algorithm": "a string",
                               "encoding": "a string", "prefix": "a string"}'
            ELSE '{}' END::jsonb,
            CASE type WHEN 'basic' THEN '{username}' WHEN 'hmac' THEN '{header,sign}' ELSE '{}' END::text[]),
        CASE WHEN type <> 'none' AND NOT settings ?| '{secret_file,secret_env}'
            THEN 'settings.auth: needs secret_file or secret_env' END,
        CASE WHEN type = 'basic' AND auth ->> 'username' LIKE '%:%'
            THEN 'settings.auth.username: must not hold a colon' END,
        CASE WHEN type <> 'none' THEN outbox.check_http_header(header, 'settings.auth.header') END,
        CASE WHEN type <> 'none' AND EXISTS (
                SELECT FROM jsonb_object_keys(settings -> 'headers') AS h (name)
                WHERE lower(h.name COLLATE "C") = lower(header COLLATE "C"))
            THEN CASE type WHEN 'basic' THEN 'settings.headers.authorization' ELSE 'settings.auth.header' END
                || ': is set twice' END,
        CASE WHEN type = 'bearer' AND auth ->> 'prefix' !~ '^[\x20-\x7e]*$'
            THEN 'settings.auth.prefix: must be printable ASCII' END,
        CASE WHEN auth ->> 'algorithm' NOT IN ('sha256', 'sha1')
            THEN 'settings.auth.algorithm: must be sha256 or sha1' END,
        CASE WHEN auth ->> 'encoding' NOT IN ('hex', 'base64')
            THEN 'settings.auth.encoding: must be hex or base64' END,
        CASE WHEN type = 'hmac' THEN
            outbox.check_http_text(auth ->> 'sign', 'settings.auth.sign', 'body', '{method,path,body}') END,
        CASE WHEN type = 'hmac' THEN
            outbox.check_http_text(coalesce(auth ->> 'prefix', ''), 'settings.auth.prefix', 'header') END);
END
$$;

COMMENT ON FUNCTION outbox.check_http_auth IS 'What is wrong with settings.auth';

CREATE OR REPLACE FUNCTION outbox.is_json_path(path text) RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN path ~ '^\$(\.[A-Za-z0-9_-]{1,100}|\[[0-9]{1,4}\])+$';

COMMENT ON FUNCTION outbox.is_json_path IS 'Such as $.a.b[0].c';

CREATE OR REPLACE FUNCTION outbox.check_http_condition(condition jsonb, place text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN coalesce(
    CASE WHEN condition -> 'status' = '[]' THEN place || '.status: must not be empty' END,
    (SELECT format('%s.status[%s]: must be 100 to 599, or "1xx" to "5xx"', place, s.n - 1)
        FROM jsonb_array_elements(condition -> 'status') WITH ORDINALITY AS s (value, n)
        WHERE s.value::text !~ '^([1-5][0-9][0-9]|"[1-5]xx")$'
        ORDER BY s.n LIMIT 1),
    (SELECT CASE
            WHEN NOT outbox.is_json_path(m.key)
                THEN format('%s.json: "%s" is not a path such as $.a.b[0].c', place, m.key)
            WHEN jsonb_typeof(m.value) <> 'array' OR m.value = '[]'
                THEN format('%s.json.%s: must be a list that is not empty', place, m.key)
            ELSE (
                SELECT format('%s.json.%s[%s]: must be a string, a whole number, true or false',
                              place, m.key, v.n - 1)
                FROM jsonb_array_elements(m.value) WITH ORDINALITY AS v (value, n)
                WHERE outbox.json_type(v.value) NOT IN ('a string', 'a whole number', 'true or false')
                ORDER BY v.n LIMIT 1)
        END AS problem
        FROM jsonb_each(condition -> 'json') AS m
        ORDER BY problem LIMIT 1));

COMMENT ON FUNCTION outbox.check_http_condition IS 'What is wrong with status and json of a rule';

CREATE OR REPLACE FUNCTION outbox.check_http_rule(rule jsonb, place text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN jsonb_typeof(rule) <> 'object' THEN place || ': must be an object' ELSE coalesce(
    outbox.check_keys(rule, place, '{"verdict": "a string", "status": "a list", "json": "an object",
        "wait": "a whole number", "retry_after": "true or false", "reason": "a string"}', '{verdict}'),
    CASE WHEN rule ->> 'verdict' NOT IN (
            'sent', 'retry', 'throttled', 'rejected', 'address_gone', 'stopped', 'in_doubt')
        THEN format('%s.verdict: "%s" is not a verdict', place, rule ->> 'verdict') END,
    outbox.check_http_condition(rule, place),
    CASE WHEN NOT outbox.is_json_path(rule ->> 'reason')
        THEN place || '.reason: must be a path such as $.a.b[0].c' END,
    CASE WHEN NOT rule ? 'status' AND coalesce(rule -> 'json', '{}') = '{}'
        THEN place || ': must have status or json' END,
    (SELECT format('%s.%s: goes with the verdicts retry and throttled', place, w.key)
        FROM unnest(ARRAY['wait', 'retry_after']) AS w (key)
        WHERE rule ? w.key AND rule ->> 'verdict' NOT IN ('retry', 'throttled') LIMIT 1),
    CASE WHEN (rule -> 'wait')::numeric NOT BETWEEN 1 AND 86400
        THEN place || '.wait: must be 1 to 86400 seconds' END)
END;

COMMENT ON FUNCTION outbox.check_http_rule IS 'What is wrong with one of settings.response.rules';

CREATE OR REPLACE FUNCTION outbox.check_http_response(response jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN response IS NOT NULL THEN coalesce(
    outbox.check_keys(response, 'settings.response',
        '{"sent": "an object", "rules": "a list", "reason": "a string"}'),
    outbox.check_keys(response -> 'sent', 'settings.response.sent', '{"status": "a list", "json": "an object",
        "id": "a string", "cost": "a string", "currency": "a string"}'),
    outbox.check_http_condition(response -> 'sent', 'settings.response.sent'),
    (SELECT format('settings.response.sent.%s: must be a path such as $.a.b[0].c', k.key)
        FROM unnest(ARRAY['id', 'cost']) AS k (key)
        WHERE NOT outbox.is_json_path(response -> 'sent' ->> k.key) LIMIT 1),
    CASE WHEN response -> 'sent' ->> 'currency' !~ '^[A-Z]{3}$'
            AND NOT outbox.is_json_path(response -> 'sent' ->> 'currency')
        THEN 'settings.response.sent.currency: must be a code such as KRW or a path such as $.a.b[0].c' END,
    (SELECT p.problem
        FROM jsonb_array_elements(response -> 'rules') WITH ORDINALITY AS r (rule, place)
            CROSS JOIN LATERAL outbox.check_http_rule(
                r.rule, format('settings.response.rules[%s]', r.place - 1)) AS p (problem)
        WHERE p.problem IS NOT NULL
        ORDER BY r.place LIMIT 1),
    CASE WHEN NOT outbox.is_json_path(response ->> 'reason')
        THEN 'settings.response.reason: must be a path such as $.a.b[0].c' END)
END;

COMMENT ON FUNCTION outbox.check_http_response IS 'What is wrong with settings.response';

CREATE OR REPLACE FUNCTION outbox.check_http_settings(settings jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN jsonb_typeof(settings) <> 'object' THEN 'settings: must be an object' ELSE coalesce(
    outbox.check_keys(settings, 'settings', '{"url": "a string", "method": "a string", "path": "a string",
        "headers": "an object", "auth": "an object", "body": "a string, an object or a list",
        "response": "an object", "ca_file": "a string", "content_type": "a string",
        "secret_file": "a string", "secret_env": "a string"}', '{url}'),
    CASE WHEN settings ->> 'url' !~ '^https://[A-Za-z0-9.:\[\]-]+/?$'
        THEN 'settings.url: must be https://host or https://host:port' END,
    CASE WHEN settings ->> 'method' NOT IN ('POST', 'PUT', 'PATCH', 'GET')
        THEN 'settings.method: must be POST, PUT, PATCH or GET' END,
    outbox.check_http_text(coalesce(settings ->> 'path', '/'), 'settings.path', 'path'),
    CASE WHEN settings ->> 'path' NOT LIKE '/%' THEN 'settings.path: must begin with /' END,
    outbox.check_http_headers(coalesce(settings -> 'headers', '{}')),
    outbox.check_http_body(settings),
    outbox.check_http_auth(settings),
    outbox.check_http_response(settings -> 'response'))
END;

COMMENT ON FUNCTION outbox.check_http_settings IS
    'What is wrong with the settings of a provider whose adapter is http, beginning with the path of the key '
    'at fault; NULL = nothing';
