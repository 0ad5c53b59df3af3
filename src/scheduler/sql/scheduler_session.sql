-- A duty that hangs gives up after $1 and is tried again.
SELECT set_config('statement_timeout', $1, false)
