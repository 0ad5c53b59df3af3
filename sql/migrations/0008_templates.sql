-- Templates: versioned texts in the Mustache language (mustache.github.io), by name, channel and locale.
-- Dispatchers render them with src/core/mustache.h; the functions here check and preview by the same rules.
-- SQLSTATE of all refusals: OB008.

-- Called for each recipient. Without a pinned search_path it is inlined; its names are bound when it is made.
CREATE FUNCTION outbox.normal_locale(locale text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN locale ~ '^[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*$' THEN replace(lower(locale COLLATE "C"), '_', '-')
END;

COMMENT ON FUNCTION outbox.normal_locale(text) IS
    'Lower case with hyphens: ko_KR gives ko-kr; NULL when it is not a language tag';

CREATE FUNCTION outbox.locale_chain(locale text) RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN coalesce(outbox.normal_locale(locale), 'default') = 'default' THEN ARRAY['default']
    ELSE (
        SELECT array_agg(array_to_string(p.parts[1:n], '-') ORDER BY n DESC) || 'default'::text
        FROM string_to_array(outbox.normal_locale(locale), '-') AS p (parts)
            CROSS JOIN generate_series(1, cardinality(p.parts)) AS n)
END;

COMMENT ON FUNCTION outbox.locale_chain(text) IS
    'Where to look for a text, best first: zh-Hant-TW gives zh-hant-tw, zh-hant, zh, default';

CREATE TYPE outbox.mustache_tag AS (
    kind text, -- text, name (escaped variable), & (unescaped one), # and ^ (sections), > (partial)
    body text, -- the text itself, or the name in the tag
    indent text, -- white space before a partial that has a line of its own
    depth integer, -- how many sections are open around it
    last integer, -- of a section: index of the last part in it
    place integer -- how many characters of the text are before it
);

COMMENT ON TYPE outbox.mustache_tag IS 'A part of a Mustache text; comments and delimiters leave none';

CREATE FUNCTION outbox.mustache_parse(template text, label text DEFAULT '') RETURNS outbox.mustache_tag[]
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    white CONSTANT text := E' \t\r\n';
    opener text := '{{';
    closer text := '}}';
    ending text;
    rest text := template;
    place integer;
    before text;
    sigil text;
    name text;
    source text;
    size integer;
    starts_line boolean := true; -- rest does
    alone boolean; -- on its line, which then leaves nothing
    indent text;
    tags outbox.mustache_tag[] := '{}';
    sections integer[] := '{}'; -- the open ones, as indexes of tags
    innermost outbox.mustache_tag;
    problem text;
BEGIN
    LOOP
        size := strpos(rest, opener) - 1;
        EXIT WHEN size < 0;
        place := length(template) - length(rest) + size;
        before := left(rest, size);
        rest := ltrim(substr(rest, size + length(opener) + 1), white);
        sigil := coalesce(substring(rest FROM '^[#^/>!&={]'), '');
        rest := substr(rest, length(sigil) + 1);
        ending := CASE sigil WHEN '{' THEN '}' WHEN '=' THEN '=' ELSE '' END || closer;
        size := strpos(rest, ending) - 1;
        name := btrim(left(rest, greatest(size, 0)), white);
        rest := CASE WHEN size < 0 THEN '' ELSE substr(rest, size + length(ending) + 1) END;
        source := left(substr(template, place + 1, length(template) - length(rest) - place), 100);
        innermost := tags[sections[cardinality(sections)]];

        problem := CASE
            WHEN size < 0 THEN format('tag "%s" is not closed', source)
            WHEN sigil = '=' AND name !~ '^[^= \t\r\n]+[ \t\r\n]+[^= \t\r\n]+$'
                THEN format('tag "%s" must hold two delimiters without "="', source)
            WHEN sigil NOT IN ('=', '!') AND name = '' THEN format('tag "%s" has no name', source)
            WHEN sigil IN ('#', '^') AND cardinality(sections) >= 64
                THEN format('section "%s" is nested more than 64 deep', name)
            WHEN sigil = '/' AND sections = '{}' THEN format('section "%s" is closed but not open', name)
            WHEN sigil = '/' AND innermost.body <> name
                THEN format('section "%s" is closed while "%s" is open', name, innermost.body)
        END;
        EXIT WHEN problem IS NOT NULL;

        alone := sigil IN ('#', '^', '/', '>', '!', '=') AND rest ~ '^[ \t]*(\r?\n|$)'
            AND before ~ CASE WHEN starts_line THEN '(^|\n)[ \t]*$' ELSE '\n[ \t]*$' END;
        indent := CASE WHEN alone THEN substring(before FROM '[ \t]*$') ELSE '' END;
        before := left(before, length(before) - length(indent));
        rest := CASE WHEN alone THEN regexp_replace(rest, '^[ \t]*\r?\n?', '') ELSE rest END;
        starts_line := alone;
        IF before <> '' THEN
            tags := array_append(tags, ('text', before, NULL, NULL, NULL, NULL)::outbox.mustache_tag);
        END IF;

        IF sigil = '=' THEN
            opener := substring(name FROM '^[^ \t\r\n]+');
            closer := substring(name FROM '[^ \t\r\n]+$');
        ELSIF sigil = '/' THEN
            tags[sections[cardinality(sections)]].last := cardinality(tags);
            sections := trim_array(sections, 1);
        ELSIF sigil <> '!' THEN
            tags := array_append(tags, (
                CASE sigil WHEN '' THEN 'name' WHEN '{' THEN '&' ELSE sigil END,
                name, indent, cardinality(sections), NULL, place)::outbox.mustache_tag);
            IF sigil IN ('#', '^') THEN
                sections := array_append(sections, cardinality(tags));
            END IF;
        END IF;
    END LOOP;
    IF problem IS NULL AND sections <> '{}' THEN
        innermost := tags[sections[cardinality(sections)]];
        place := innermost.place;
        problem := format('section "%s" is not closed', innermost.body);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%line %: %',
            label, cardinality(string_to_array(left(template, place) || ' ', E'\n')), problem
        USING ERRCODE = 'OB008', COLUMN = substring(label FROM '^\w*');
    END IF;
    RETURN CASE WHEN rest = '' THEN tags
        ELSE array_append(tags, ('text', rest, NULL, NULL, NULL, NULL)::outbox.mustache_tag) END;
END
$$;

COMMENT ON FUNCTION outbox.mustache_parse(text, text) IS
    'The parts of a Mustache text in order; label begins the message of a refusal';

CREATE FUNCTION outbox.mustache_value(name text, contexts jsonb[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[] := string_to_array(name, '.');
    part text;
    value jsonb;
BEGIN
    IF name = '.' THEN
        RETURN contexts[cardinality(contexts)];
    END IF;
    FOR i IN REVERSE cardinality(contexts)..1 LOOP
        value := contexts[i] -> parts[1]; -- NULL unless an object has such a member
        EXIT WHEN value IS NOT NULL;
    END LOOP;
    FOREACH part IN ARRAY parts[2:] LOOP
        value := value -> part;
    END LOOP;
    RETURN value;
END
$$;

COMMENT ON FUNCTION outbox.mustache_value(text, jsonb[]) IS
    'What a dotted name means; the last context is looked at first; NULL = missing';

CREATE FUNCTION outbox.mustache_render(
    tags outbox.mustache_tag[], first integer, last integer, contexts jsonb[], partials jsonb,
    escape_html boolean, strict boolean, label text, nesting integer
) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    i integer := first;
    tag outbox.mustache_tag;
    value jsonb;
    truthy boolean;
    item jsonb;
    words text;
    result text := '';
    problem text;
BEGIN
    WHILE i <= coalesce(last, cardinality(tags)) LOOP
        tag := tags[i];
        value := CASE WHEN tag.kind NOT IN ('text', '>') THEN outbox.mustache_value(tag.body, contexts) END;
        IF tag.kind = 'text' THEN
            result := result || tag.body;
        ELSIF tag.kind IN ('name', '&') THEN
            problem := CASE
                WHEN value IS NULL AND strict THEN format('variable "%s" is missing', tag.body)
                WHEN jsonb_typeof(value) IN ('object', 'array')
                    THEN format('variable "%s" is not a text, number or boolean', tag.body)
            END;
            words := coalesce(value #>> '{}', '');
            result := result || CASE
                WHEN escape_html AND tag.kind = 'name' THEN replace(replace(replace(replace(
                    words, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;')
                ELSE words END;
        ELSIF tag.kind = '>' THEN
            words := partials ->> tag.body;
            problem := CASE
                WHEN words IS NULL AND strict THEN format('partial "%s" is missing', tag.body)
                WHEN words IS NOT NULL AND nesting >= 32
                    THEN format('partial "%s" is nested more than 32 deep', tag.body)
            END;
            IF words IS NOT NULL AND problem IS NULL THEN
                result := result || outbox.mustache_render(
                    outbox.mustache_parse(
                        regexp_replace(words, '^(?!\Z)', tag.indent, 'gn'),
                        label || format('partial "%s": ', tag.body)),
                    1, NULL, contexts, partials, escape_html, strict, label, nesting + 1);
            END IF;
        ELSE
            truthy := coalesce(value NOT IN ('null', 'false', '[]', '""'), false);
            IF truthy AND tag.kind = '#' THEN
                FOR item IN SELECT jsonb_array_elements(
                    CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END)
                LOOP
                    result := result || outbox.mustache_render(
                        tags, i + 1, tag.last, array_append(contexts, item), partials,
                        escape_html, strict, label, nesting);
                END LOOP;
            ELSIF NOT truthy AND tag.kind = '^' THEN
                result := result || outbox.mustache_render(
                    tags, i + 1, tag.last, contexts, partials, escape_html, strict, label, nesting);
            END IF;
            i := tag.last;
        END IF;
        IF problem IS NOT NULL THEN
            RAISE EXCEPTION '%', label || problem USING ERRCODE = 'OB008';
        END IF;
        i := i + 1;
    END LOOP;
    RETURN result;
END
$$;

COMMENT ON FUNCTION outbox.mustache_render(
    outbox.mustache_tag[], integer, integer, jsonb[], jsonb, boolean, boolean, text, integer) IS
    'Parts first to last (NULL = to the end) as a text; nesting counts the partials around them';

CREATE FUNCTION outbox.mustache(
    template text, variables jsonb, partials jsonb DEFAULT '{}', escape_html boolean DEFAULT true,
    strict boolean DEFAULT false
) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
RETURN outbox.mustache_render(
    outbox.mustache_parse(template), 1, NULL, ARRAY[variables], partials, escape_html, strict, '', 0);

COMMENT ON FUNCTION outbox.mustache(text, jsonb, jsonb, boolean, boolean) IS
    'Renders a Mustache text; partials: name -> text; strict: a missing variable or partial is an error';

CREATE TABLE outbox.partial (
    name text COLLATE "C",
    locale text COLLATE "C" DEFAULT 'default',
    body text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, locale)
);

COMMENT ON TABLE outbox.partial IS
    'Snippets that templates share as {{> name}}; a change makes new versions of the templates that use it';

CREATE TABLE outbox.template (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL REFERENCES outbox.channel (name) ON UPDATE CASCADE,
    locale text COLLATE "C" NOT NULL DEFAULT 'default',
    version integer NOT NULL,
    content jsonb NOT NULL,
    strict boolean NOT NULL DEFAULT true,
    partials jsonb NOT NULL DEFAULT '{}',
    required text[] NOT NULL,
    current boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, channel, locale, version)
);

CREATE UNIQUE INDEX template_current_idx ON outbox.template (name, channel, locale) WHERE current;

COMMENT ON TABLE outbox.template IS
    'Texts to send, in versions that never change; an insert makes the next one of its name, channel, locale';
COMMENT ON COLUMN outbox.template.version IS 'Counted from 1 by the insert';
COMMENT ON COLUMN outbox.template.content IS 'A payload of its channel; every text in it is a Mustache text';
COMMENT ON COLUMN outbox.template.strict IS 'A missing variable is an error';
COMMENT ON COLUMN outbox.template.partials IS
    'Texts of the partials it uses, as they were at the insert; empty for those that did not exist';
COMMENT ON COLUMN outbox.template.required IS
    'Names that the variables must have: those outside of any section; none unless strict';
COMMENT ON COLUMN outbox.template.current IS 'The version for new messages; set it to false to withdraw it';

-- One lock, taken before any row is: versions do not clash, and a partial meets every template that froze it.
CREATE FUNCTION outbox.lock_templates() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7308, 0);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.lock_templates() IS 'Trigger: changes of templates and partials queue up';

CREATE TRIGGER lock_templates BEFORE INSERT OR UPDATE OR DELETE ON outbox.partial
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.lock_templates();
CREATE TRIGGER lock_templates BEFORE INSERT OR UPDATE OR DELETE ON outbox.template
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.lock_templates();

CREATE FUNCTION outbox.content_texts(content jsonb, OUT label text, OUT body text) RETURNS SETOF record
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

COMMENT ON FUNCTION outbox.content_texts(jsonb) IS 'The texts in a template''s content, each with its path';

CREATE FUNCTION outbox.find_partial(name text, locale text) RETURNS outbox.partial
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.*
    FROM unnest(outbox.locale_chain(find_partial.locale)) WITH ORDINALITY AS l (locale, place)
        JOIN outbox.partial AS p ON p.name = find_partial.name AND p.locale = l.locale
    ORDER BY l.place LIMIT 1;
END;

COMMENT ON FUNCTION outbox.find_partial(text, text) IS 'The partial for a locale; NULL when there is none';

CREATE FUNCTION outbox.freeze_partials(content jsonb, locale text, OUT partials jsonb, OUT problem text)
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

COMMENT ON FUNCTION outbox.freeze_partials(jsonb, text) IS
    'All partials that a content uses, and which of them does not exist; refuses bad Mustache texts';

CREATE FUNCTION outbox.required_names(content jsonb, partials jsonb) RETURNS text[]
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

COMMENT ON FUNCTION outbox.required_names(jsonb, jsonb) IS 'The variables outside of any section';

CREATE FUNCTION outbox.prepare_template() RETURNS trigger
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

COMMENT ON FUNCTION outbox.prepare_template() IS 'Trigger: checks, numbers and completes a new version';

CREATE TRIGGER prepare_template BEFORE INSERT ON outbox.template
    FOR EACH ROW EXECUTE FUNCTION outbox.prepare_template();
-- The channel may be renamed, which reaches this table from inside the trigger of a foreign key.
CREATE TRIGGER version_is_fixed BEFORE UPDATE ON outbox.template
    FOR EACH ROW WHEN (
        to_jsonb(NEW) - '{channel,current}'::text[] <> to_jsonb(OLD) - '{channel,current}'::text[]
        OR (NEW.channel IS DISTINCT FROM OLD.channel AND pg_trigger_depth() = 0))
    EXECUTE FUNCTION outbox.refuse('OB008', 'version', 'is never changed: insert a new version');

CREATE FUNCTION outbox.prepare_partial() RETURNS trigger
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

COMMENT ON FUNCTION outbox.prepare_partial() IS 'Trigger: checks a partial';

CREATE FUNCTION outbox.refresh_templates() RETURNS trigger
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

COMMENT ON FUNCTION outbox.refresh_templates() IS 'Trigger: new versions of the templates that use a partial';

CREATE FUNCTION outbox.keep_used_partial() RETURNS trigger
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

COMMENT ON FUNCTION outbox.keep_used_partial() IS 'Trigger: a partial that a current template uses stays';

CREATE TRIGGER prepare_partial BEFORE INSERT OR UPDATE ON outbox.partial
    FOR EACH ROW EXECUTE FUNCTION outbox.prepare_partial();
CREATE TRIGGER key_is_fixed BEFORE UPDATE ON outbox.partial
    FOR EACH ROW WHEN ((NEW.name, NEW.locale) IS DISTINCT FROM (OLD.name, OLD.locale))
    EXECUTE FUNCTION outbox.refuse('OB008', 'name', 'and locale are never changed: insert another partial');
CREATE TRIGGER keep_used_partial BEFORE DELETE ON outbox.partial
    FOR EACH ROW EXECUTE FUNCTION outbox.keep_used_partial();
CREATE TRIGGER refresh_templates AFTER INSERT OR UPDATE ON outbox.partial
    FOR EACH ROW EXECUTE FUNCTION outbox.refresh_templates();

CREATE FUNCTION outbox.find_template(name text, channel text, locale text) RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.id
    FROM unnest(outbox.locale_chain(find_template.locale)) WITH ORDINALITY AS l (locale, place)
        JOIN outbox.template AS t ON t.name = find_template.name AND t.channel = find_template.channel
            AND t.locale = l.locale AND t.current
    ORDER BY l.place LIMIT 1;
END;

COMMENT ON FUNCTION outbox.find_template(text, text, text) IS
    'The current version that fits a locale best; NULL when there is none';

CREATE FUNCTION outbox.missing_variables(template_id integer, variables jsonb) RETURNS text[]
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

COMMENT ON FUNCTION outbox.missing_variables(integer, jsonb) IS
    'Required names that the variables lack, {} when none; a null is not a lack; NULL = no such template';

CREATE FUNCTION outbox.render_member(
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

COMMENT ON FUNCTION outbox.render_member(jsonb, text, jsonb, jsonb, boolean, boolean) IS
    'A member of a template''s content with all its texts rendered';

CREATE FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb DEFAULT '{}')
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

COMMENT ON FUNCTION outbox.preview(text, text, text, jsonb) IS
    'What a template would send now; only the member html is escaped for HTML';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
GRANT SELECT ON outbox.template TO outbox_dispatcher, outbox_reader;
GRANT SELECT ON outbox.partial TO outbox_reader;
GRANT EXECUTE ON FUNCTION outbox.normal_locale(text), outbox.locale_chain(text)
    TO outbox_producer, outbox_dispatcher, outbox_scheduler, outbox_reader;
GRANT EXECUTE ON FUNCTION outbox.find_template(text, text, text) TO outbox_dispatcher, outbox_reader;
GRANT EXECUTE ON FUNCTION outbox.preview(text, text, text, jsonb) TO outbox_producer, outbox_reader;

GRANT ALL ON outbox.template, outbox.partial TO outbox_admin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_admin;
