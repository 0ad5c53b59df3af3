-- outbox.mustache: the specification, what it leaves open, and its errors. mustache_twins.c compares it with the one
-- in C.

-- What is rendered, or "SQLSTATE message", is exactly as expected.
CREATE FUNCTION test.renders(template text, variables jsonb, partials jsonb, strict boolean, expected text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    rendered text;
BEGIN
    BEGIN
        rendered := coalesce(outbox.mustache(template, variables, partials, true, strict), 'NULL');
    EXCEPTION WHEN OTHERS THEN
        rendered := SQLSTATE || ' ' || SQLERRM;
    END;
    RETURN test.same(format('%s of %s%s', template, variables, CASE WHEN strict THEN ', strict' END), rendered,
        expected);
END
$$;

-- --- The specification, https://github.com/mustache/spec

\set comments `cat "${PGOUTBOX_VECTORS:-tests/vectors}/mustache/comments.json"`
\set delimiters `cat "${PGOUTBOX_VECTORS:-tests/vectors}/mustache/delimiters.json"`
\set interpolation `cat "${PGOUTBOX_VECTORS:-tests/vectors}/mustache/interpolation.json"`
\set inverted `cat "${PGOUTBOX_VECTORS:-tests/vectors}/mustache/inverted.json"`
\set partials `cat "${PGOUTBOX_VECTORS:-tests/vectors}/mustache/partials.json"`
\set sections `cat "${PGOUTBOX_VECTORS:-tests/vectors}/mustache/sections.json"`
CREATE TEMP TABLE module (name text, cases integer, content jsonb);
INSERT INTO module VALUES ('comments', 12, :'comments'), ('delimiters', 14, :'delimiters'),
    ('interpolation', 42, :'interpolation'), ('inverted', 22, :'inverted'), ('partials', 12, :'partials'),
    ('sections', 34, :'sections');

SELECT test.same('cases of ' || name, jsonb_array_length(content -> 'tests')::text, cases::text) FROM module;
SELECT test.renders(one ->> 'template', one -> 'data', coalesce(one -> 'partials', '{}'), false, one ->> 'expected')
FROM module, jsonb_array_elements(content -> 'tests') AS one;

-- --- Values

SELECT test.renders(template, variables::jsonb, '{}', false, relaxed),
    test.renders(template, variables::jsonb, '{}', true, strict)
FROM (VALUES
    ('{{a}}', '{"a":null}', '', ''),
    ('{{a}} {{b}} {{c}} {{d}}', '{"a":true,"b":false,"c":0,"d":-1.50}', 'true false 0 -1.50', 'true false 0 -1.50'),
    ('{{a}}', '{"a":{}}',
        'OB008 variable "a" is not a text, number or boolean', 'OB008 variable "a" is not a text, number or boolean'),
    ('{{{a.b}}}', '{"a":{"b":[1]}}',
        'OB008 variable "a.b" is not a text, number or boolean',
        'OB008 variable "a.b" is not a text, number or boolean'),
    ('{{.}}', '{}',
        'OB008 variable "." is not a text, number or boolean', 'OB008 variable "." is not a text, number or boolean'),
    ('{{a}}{{{a}}}{{&a}}', E'{"a":"<&>\\"''"}',
        '&lt;&amp;&gt;&quot;''<&>"''<&>"''', '&lt;&amp;&gt;&quot;''<&>"''<&>"'''),
    ('x{{a}}y', '{}', 'xy', 'OB008 variable "a" is missing'),
    ('{{&a}}', '["a"]', '', 'OB008 variable "a" is missing'),
    ('{{{a}}}', '"a"', '', 'OB008 variable "a" is missing'),
    ('{{a.b}}', '{"a":{}}', '', 'OB008 variable "a.b" is missing'),
    ('{{a.b}}', '{"a":null}', '', 'OB008 variable "a.b" is missing'),
    ('{{a.b}}', '{"a":"b"}', '', 'OB008 variable "a.b" is missing'),
    ('{{a.0}}', '{"a":[1]}', '', 'OB008 variable "a.0" is missing'),
    ('{{a.b}}', '{"a":{"b":null}}', '', ''),
    ('{{a.b.c}}', '{"a":{"b":null}}', '', 'OB008 variable "a.b.c" is missing'),
    ('{{a.b}}', '{"a.b":1}', '', 'OB008 variable "a.b" is missing'),
    ('{{#s}}{{a.b}}{{/s}}', '{"a":{"b":1},"s":{"a":{}}}', '', 'OB008 variable "a.b" is missing'),
    ('{{#s}}{{a}}{{/s}}', '{"a":1,"s":{"a":null}}', '', ''),
    ('{{#s}}{{a}}{{/s}}', '{"a":1,"s":[0,"x",null,[]]}', '1111', '1111'),
    ('{{#s}}[{{.}}]{{/s}}', '{"s":[1,null,"x",true]}', '[1][][x][true]', '[1][][x][true]'),
    -- What is true; a section over a missing name is no error.
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{}', 'no', 'no'),
    ('{{#a.b}}yes{{/a.b}}{{^a.b}}no{{/a.b}}', '{"a":1}', 'no', 'no'),
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{"a":null}', 'no', 'no'),
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{"a":false}', 'no', 'no'),
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{"a":[]}', 'no', 'no'),
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{"a":""}', 'no', 'no'),
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{"a":0}', 'yes', 'yes'),
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{"a":{}}', 'yes', 'yes'),
    ('{{#a}}yes{{/a}}{{^a}}no{{/a}}', '{"a":[null]}', 'yes', 'yes'),
    -- What a section does not render is not looked at.
    ('{{#a}}{{b}}{{>p}}{{/a}}', '{}', '', ''),
    ('x{{>p}}y', '{}', 'xy', 'OB008 partial "p" is missing'),
    ('{{ #a }}{{ & b }}{{ /a }}', '{"a":1,"b":2}', '2', '2'),
    (E'{{\n\ta\r\n}}{{ v }}', '{"a":1,"v":2}', '12', '12'),
    ('', '{}', '', ''))
    AS example (template, variables, relaxed, strict);
-- As deep as limits.sql has it.
SELECT test.renders(repeat('{{#a}}', 64) || 'deep' || repeat('{{/a}}', 64), '{"a":true}', '{}', false, 'deep');
SELECT test.renders('{{>p1}}', '{}', jsonb_object_agg('p' || i, CASE WHEN i < 32 THEN '{{>p' || i + 1 || '}}'
    ELSE 'end' END), false, 'end')
FROM generate_series(1, 32) AS i;
SELECT test.same('a template that is null', outbox.mustache(NULL, '{}'), NULL);

-- --- What is refused

SELECT test.renders(template, '{}', '{"bad":"\n{{#x}}","endless":" {{>endless}}\n"}', false, 'OB008 ' || message)
FROM (VALUES
    (E'a\n\n{{#items}}\n{{#x}}{{/x}}', 'line 3: section "items" is not closed'),
    (E'{{#a}}\n{{#b}}\n', 'line 2: section "b" is not closed'),
    (E'\n{{/a}}', 'line 2: section "a" is closed but not open'),
    (E'{{#a}}\n{{^b}}\n{{/a}}{{/b}}', 'line 3: section "a" is closed while "b" is open'),
    (E'\n\n{{name} }', 'line 3: tag "{{name} }" is not closed'),
    ('{{{name}}', 'line 1: tag "{{{name}}" is not closed'),
    ('a{{', 'line 1: tag "{{" is not closed'),
    ('{{}}', 'line 1: tag "{{}}" has no name'),
    ('{{# }}', 'line 1: tag "{{# }}" has no name'),
    ('{{>}}', 'line 1: tag "{{>}}" has no name'),
    ('{{=<%=}}', 'line 1: tag "{{=<%=}}" must hold two delimiters without "="'),
    ('{{=a b c=}}', 'line 1: tag "{{=a b c=}}" must hold two delimiters without "="'),
    ('{{=<% %>=}}<%', 'line 1: tag "<%" is not closed'),
    ('{{>bad}}', 'partial "bad": line 2: section "x" is not closed'),
    ('{{>endless}}', 'partial "endless" is nested more than 32 deep'))
    AS bad (template, message);
