-- Mustache in SQL, for the checks and the preview of templates. Dispatchers render with src/core/mustache.h by the
-- same rules. SQLSTATE of refusals: OB008.

CREATE OR REPLACE FUNCTION outbox.mustache_parse(template text, label text DEFAULT '') RETURNS outbox.mustache_tag[]
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

COMMENT ON FUNCTION outbox.mustache_parse IS
    'The parts of a Mustache text in order; label begins the message of a refusal';

CREATE OR REPLACE FUNCTION outbox.mustache_value(name text, contexts jsonb[]) RETURNS jsonb
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

COMMENT ON FUNCTION outbox.mustache_value IS
    'What a dotted name means; the last context is looked at first; NULL = missing';

CREATE OR REPLACE FUNCTION outbox.mustache_render(
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

COMMENT ON FUNCTION outbox.mustache_render IS
    'Parts first to last (NULL = to the end) as a text; nesting counts the partials around them';

CREATE OR REPLACE FUNCTION outbox.mustache(
    template text, variables jsonb, partials jsonb DEFAULT '{}', escape_html boolean DEFAULT true,
    strict boolean DEFAULT false
) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
RETURN outbox.mustache_render(
    outbox.mustache_parse(template), 1, NULL, ARRAY[variables], partials, escape_html, strict, '', 0);

COMMENT ON FUNCTION outbox.mustache IS
    'Renders a Mustache text; partials: name -> text; strict: a missing variable or partial is an error';
