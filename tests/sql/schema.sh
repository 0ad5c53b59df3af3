#!/usr/bin/env bash
# sql/schema.sql is what a migrated database holds.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

conninfo="$PGOUTBOX_TEST_CONNINFO dbname=outbox_schema"
sql() {
    psql -XqAt -v ON_ERROR_STOP=1 -d "$PGOUTBOX_TEST_CONNINFO" -c "$1"
}

major=$(sql "SELECT current_setting('server_version_num')::int / 10000") || exit
if [ "$major" != 15 ]; then
    echo "sql/schema.sql was written by PostgreSQL 15 and is not compared with what $major says"
    echo '100%: Checks: 0, Failures: 0, Errors: 0'
    exit
fi
sql 'CREATE DATABASE outbox_schema' && "$PGOUTBOX_BUILD/bin/outboxctl" migrate --database "$conninfo" &&
    tools/scripts/schema "$conninfo" | diff -U2 sql/schema.sql - >"$TMPDIR/schema.diff"
status=$?
sql 'DROP DATABASE IF EXISTS outbox_schema'
if [ $status != 0 ]; then
    head -n 40 "$TMPDIR/schema.diff"
    echo 'schema.sh:0:F: sql/schema.sql is not what the files of sql/migrations make: run make schema'
fi
echo "$((status == 0 ? 100 : 0))%: Checks: 1, Failures: $((status != 0)), Errors: 0"
[ $status = 0 ]
