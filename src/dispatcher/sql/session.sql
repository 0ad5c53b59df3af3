-- Plans of a claim connection: always by index and in index order, prepared once. Statistics of a queue are stale by
-- nature, and a plan that sorts the backlog would be chosen just when there is one. Parameters: 1 longest time in a
-- transaction without a statement, 2 longest statement, both in ms.
SELECT
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('enable_seqscan', 'off', false),
    set_config('enable_bitmapscan', 'off', false),
    set_config('enable_sort', 'off', false),
    set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false),
    set_config('jit', 'off', false),
    set_config('idle_in_transaction_session_timeout', $1, false),
    set_config('statement_timeout', $2, false)
