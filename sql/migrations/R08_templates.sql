-- Templates and partials: versions are made, found and previewed. Refusals: OB008.

-- Called for each recipient. Without a pinned search_path it is inlined; its names are bound when it is made.
CREATE OR REPLACE FUNCTION outbox.normal_locale(locale text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN locale ~ '^[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*$' THEN replace(lower(locale COLLATE "C"), '_', '-')
END;

COMMENT ON FUNCTION outbox.normal_locale IS
    'Lower case with hyphens: ko_KR gives ko-kr; NULL when it is not a language tag';

CREATE OR REPLACE FUNCTION outbox.locale_chain(locale text) RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN coalesce(outbox.normal_locale(locale), 'default') = 'default' THEN ARRAY['default']
    ELSE (
        SELECT array_agg(array_to_string(p.parts[1:n], '-') ORDER BY n DESC) || 'default'::text
        FROM string_to_array(outbox.normal_locale(locale), '-') AS p (parts)
            CROSS JOIN generate_series(1, cardinality(p.parts)) AS n)
END;

COMMENT ON FUNCTION outbox.locale_chain IS
    'Where to look for a text, best first: zh-Hant-TW gives zh-hant-tw, zh-hant, zh, default';

-- One lock, taken before any row is: versions do not clash, and a partial meets every template that froze it.
CREATE OR REPLACE FUNCTION outbox.lock_templates() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7308, 0);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.lock_templates IS 'Trigger: changes of templates and partials queue up';

CREATE OR REPLACE TRIGGER lock_templates BEFORE INSERT OR UPDATE OR DELETE ON outbox.partial
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.lock_templates();

CREATE OR REPLACE TRIGGER lock_templates BEFORE INSERT OR UPDATE OR DELETE ON outbox.template
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.lock_templates();

CREATE OR REPLACE FUNCTION outbox.content_texts(content jsonb, OUT label text, OUT body text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE member (path, value) AS (
        SELECT NULL::text, content
        UNION ALL
        SELECT concat_ws('.', m.path, e.key), e.value
        FROM member AS m CROSS JOIN LATERAL (
            SELECT o.key, o.value
            FROM jsonb_each(CASE jsonb_typeof(m.value) WHEN 'object' THEN m.value ELSE '{}' END) AS o
            UNION ALL
            SELECT (a.place - 1)::text, a.value
            FROM jsonb_array_elements(CASE jsonb_typeof(m.value) WHEN 'array' THEN m.value ELSE '[]' END)
                WITH ORDINALITY AS a (value, place)) AS e
    )
    SELECT 'content ' || m.path || ': ', m.value #>> '{}'
    FROM member AS m
    WHERE jsonb_typeof(m.value) = 'string';
END;

COMMENT ON FUNCTION outbox.content_texts IS 'The texts in a template''s content, each with its path';

CREATE OR REPLACE FUNCTION outbox.find_partial(name text, locale text) RETURNS outbox.partial
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.*
    FROM unnest(outbox.locale_chain(find_partial.locale)) WITH ORDINALITY AS l (locale, place)
        JOIN outbox.partial AS p ON p.name = find_partial.name AND p.locale = l.locale
    ORDER BY l.place LIMIT 1;
END;

COMMENT ON FUNCTION outbox.find_partial IS 'The partial for a locale; NULL when there is none';

CREATE OR REPLACE FUNCTION outbox.freeze_partials(content jsonb, locale text, OUT partials jsonb, OUT problem text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE used (label, name, body) AS (
        SELECT c.label, NULL::text, c.body FROM outbox.content_texts(content) AS c
        UNION
        SELECT u.label, t.body, (outbox.find_partial(t.body, locale)).body
        FROM used AS u CROSS JOIN LATERAL unnest(outbox.mustache_parse(u.body, u.label)) AS t
        WHERE t.kind = '>'
    )
    SELECT coalesce(jsonb_object_agg(u.name, coalesce(u.body, '')) FILTER (WHERE u.name IS NOT NULL), '{}'),
        min(u.label || format('partial "%s" does not exist; see outbox.partial', u.name))
            FILTER (WHERE u.body IS NULL)
    FROM used AS u;
END;

COMMENT ON FUNCTION outbox.freeze_partials IS
    'All partials that a content uses, and which of them does not exist; refuses bad Mustache texts';

CREATE OR REPLACE FUNCTION outbox.required_names(content jsonb, partials jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE part (kind, body) AS (
        SELECT t.kind, t.body
        FROM outbox.content_texts(content) AS c CROSS JOIN LATERAL unnest(outbox.mustache_parse(c.body)) AS t
        WHERE t.depth = 0
        UNION
        SELECT t.kind, t.body
        FROM part AS p CROSS JOIN LATERAL unnest(outbox.mustache_parse(partials ->> p.body)) AS t
        WHERE p.kind = '>' AND t.depth = 0
    )
    SELECT coalesce(array_agg(DISTINCT p.body ORDER BY p.body), '{}')
    FROM part AS p
    WHERE p.kind IN ('name', '&') AND p.body <> '.';
END;

COMMENT ON FUNCTION outbox.required_names IS 'The variables outside of any section';

CREATE OR REPLACE FUNCTION outbox.prepare_template() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := CASE
        WHEN coalesce(btrim(NEW.name), '') = '' THEN 'name must not be empty'
        WHEN NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = NEW.channel)
            THEN format('channel "%s" does not exist; see outbox.channel', NEW.channel)
        WHEN outbox.normal_locale(NEW.locale) IS NULL
            THEN format('locale "%s" must be a language tag such as ko or pt-br, or default', NEW.locale)
        WHEN jsonb_typeof(NEW.content) IS DISTINCT FROM 'object' THEN 'content must be a JSON object'
    END;
    frozen record;
BEGIN
    IF problem IS NULL THEN
        NEW.locale := outbox.normal_locale(NEW.locale);
        frozen := outbox.freeze_partials(NEW.content, NEW.locale);
        problem := CASE WHEN NEW."strict" THEN frozen.problem END;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING
            ERRCODE = 'OB008', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(problem, ' ', 1);
    END IF;
    NEW.partials := frozen.partials;
    NEW.required := CASE
        WHEN NEW."strict" THEN outbox.required_names(NEW.content, NEW.partials) ELSE '{}' END;
    SELECT coalesce(max(t.version), 0) + 1 INTO NEW.version
    FROM outbox.template AS t
    WHERE t.name = NEW.name AND t.channel = NEW.channel AND t.locale = NEW.locale;
    IF NEW.current THEN
        UPDATE outbox.template AS t SET current = false
        WHERE t.name = NEW.name AND t.channel = NEW.channel AND t.locale = NEW.locale AND t.current;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.prepare_template IS 'Trigger: checks, numbers and completes a new version';

CREATE OR REPLACE TRIGGER prepare_template BEFORE INSERT ON outbox.template
    FOR EACH ROW EXECUTE FUNCTION outbox.prepare_template();

-- The channel may be renamed, which reaches this table from inside the trigger of a foreign key.
CREATE OR REPLACE TRIGGER version_is_fixed BEFORE UPDATE ON outbox.template
    FOR EACH ROW WHEN (
        to_jsonb(NEW) - '{channel,current}'::text[] <> to_jsonb(OLD) - '{channel,current}'::text[]
        OR (NEW.channel IS DISTINCT FROM OLD.channel AND pg_trigger_depth() = 0))
    EXECUTE FUNCTION outbox.refuse('OB008', 'version', 'is never changed: insert a new version');

CREATE OR REPLACE FUNCTION outbox.prepare_partial() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := CASE
        WHEN coalesce(NEW.name, '') = '' OR NEW.name <> btrim(NEW.name, E' \t\r\n')
            THEN 'name must not be empty, or begin or end with white space'
        WHEN outbox.normal_locale(NEW.locale) IS NULL
            THEN format('locale "%s" must be a language tag such as ko or pt-br, or default', NEW.locale)
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING
            ERRCODE = 'OB008', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(problem, ' ', 1);
    END IF;
    PERFORM outbox.mustache_parse(NEW.body, 'body: ');
    NEW.locale := outbox.normal_locale(NEW.locale);
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.prepare_partial IS 'Trigger: checks a partial';

CREATE OR REPLACE TRIGGER prepare_partial BEFORE INSERT OR UPDATE ON outbox.partial
    FOR EACH ROW EXECUTE FUNCTION outbox.prepare_partial();

CREATE OR REPLACE TRIGGER key_is_fixed BEFORE UPDATE ON outbox.partial
    FOR EACH ROW WHEN ((NEW.name, NEW.locale) IS DISTINCT FROM (OLD.name, OLD.locale))
    EXECUTE FUNCTION outbox.refuse('OB008', 'name', 'and locale are never changed: insert another partial');

CREATE OR REPLACE FUNCTION outbox.keep_used_partial() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    used_by outbox.template;
BEGIN
    SELECT t.* INTO used_by
    FROM outbox.template AS t
    WHERE t.current AND t.partials ? OLD.name
        AND (outbox.find_partial(OLD.name, t.locale)).locale = OLD.locale
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'partial "%" (%) is used by template "%" (%, %)', OLD.name, OLD.locale, used_by.name,
            used_by.channel, used_by.locale
        USING ERRCODE = 'OB008', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'name';
    END IF;
    RETURN OLD;
END
$$;

COMMENT ON FUNCTION outbox.keep_used_partial IS 'Trigger: a partial that a current template uses stays';

CREATE OR REPLACE TRIGGER keep_used_partial BEFORE DELETE ON outbox.partial
    FOR EACH ROW EXECUTE FUNCTION outbox.keep_used_partial();

CREATE OR REPLACE FUNCTION outbox.refresh_templates() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO outbox.template (name, channel, locale, content, strict)
    SELECT t.name, t.channel, t.locale, t.content, t.strict
    FROM outbox.template AS t
    WHERE t.current AND t.partials ? NEW.name
        AND (outbox.freeze_partials(t.content, t.locale)).partials <> t.partials;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.refresh_templates IS 'Trigger: new versions of the templates that use a partial';

CREATE OR REPLACE TRIGGER refresh_templates AFTER INSERT OR UPDATE ON outbox.partial
    FOR EACH ROW EXECUTE FUNCTION outbox.refresh_templates();

CREATE OR REPLACE FUNCTION outbox.find_template(name text, channel text, locale text) RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.id
    FROM unnest(outbox.locale_chain(find_template.locale)) WITH ORDINALITY AS l (locale, place)
        JOIN outbox.template AS t ON t.name = find_template.name AND t.channel = find_template.channel
            AND t.locale = l.locale AND t.current
    ORDER BY l.place LIMIT 1;
END;

COMMENT ON FUNCTION outbox.find_template IS 'The current version that fits a locale best; NULL when there is none';

CREATE OR REPLACE FUNCTION outbox.missing_variables(template_id integer, variables jsonb) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT ARRAY(
        SELECT r.name
        FROM unnest(t.required) WITH ORDINALITY AS r (name, place)
        WHERE outbox.mustache_value(r.name, ARRAY[variables]) IS NULL
        ORDER BY r.place)
    FROM outbox.template AS t
    WHERE t.id = template_id;
END;

COMMENT ON FUNCTION outbox.missing_variables IS
    'Required names that the variables lack, {} when none; a null is not a lack; NULL = no such template';

CREATE OR REPLACE FUNCTION outbox.render_member(
    value jsonb, path text, variables jsonb, partials jsonb, escape_html boolean, strict boolean
) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE jsonb_typeof(value)
        WHEN 'string' THEN to_jsonb(outbox.mustache_render(
            outbox.mustache_parse(value #>> '{}', path || ': '), 1, NULL, ARRAY[variables], partials,
            escape_html, strict, path || ': ', 0))
        WHEN 'object' THEN (
            SELECT coalesce(jsonb_object_agg(o.key, outbox.render_member(
                o.value, path || '.' || o.key, variables, partials, escape_html, strict)), '{}')
            FROM jsonb_each(value) AS o)
        WHEN 'array' THEN (
            SELECT coalesce(jsonb_agg(outbox.render_member(
                a.value, path || '.' || a.place - 1, variables, partials, escape_html, strict)
                ORDER BY a.place), '[]')
            FROM jsonb_array_elements(value) WITH ORDINALITY AS a (value, place))
        ELSE value
    END;
END
$$;

COMMENT ON FUNCTION outbox.render_member IS 'A member of a template''s content with all its texts rendered';

CREATE OR REPLACE FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb DEFAULT '{}')
RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    version outbox.template;
BEGIN
    SELECT t.* INTO version FROM outbox.template AS t
    WHERE t.id = outbox.find_template(preview.template, preview.channel, preview.locale);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'template "%" does not exist for channel "%" and locale "%"',
            preview.template, preview.channel, preview.locale
        USING ERRCODE = 'OB008';
    END IF;
    RETURN (
        SELECT coalesce(jsonb_object_agg(c.key, outbox.render_member(
            c.value, 'content ' || c.key, coalesce(preview.variables, '{}'), version.partials,
            c.key = 'html', version."strict")), '{}')
        FROM jsonb_each(version.content) AS c);
END
$$;

COMMENT ON FUNCTION outbox.preview IS 'What a template would send now; only the member html is escaped for HTML';
