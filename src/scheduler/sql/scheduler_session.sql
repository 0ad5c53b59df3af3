-- A duty that hangs behind somebody's lock gives up and is tried again; the others go on meanwhile.
SELECT set_config('statement_timeout', '30s', false)
