-- Templates: versioned texts in the Mustache language (mustache.github.io), by name, channel and locale.

CREATE TYPE outbox.mustache_tag AS (
    kind text, -- text, name (escaped variable), & (unescaped one), # and ^ (sections), > (partial)
    body text, -- the text itself, or the name in the tag
    indent text, -- white space before a partial that has a line of its own
    depth integer, -- how many sections are open around it
    last integer, -- of a section: index of the last part in it
    place integer -- how many characters of the text are before it
);

COMMENT ON TYPE outbox.mustache_tag IS 'A part of a Mustache text; comments and delimiters leave none';

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
