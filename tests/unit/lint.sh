#!/usr/bin/env bash
# Each rule of lint is broken once, in a small tree of its own: lint must name that fault and no other.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

scripts=$PWD/tools/scripts
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
checks=0 failures=0

# write FILE TEXT: in the tree, and its object when it is a C source.
write() {
    mkdir -p "$(dirname "$1")" "$(dirname "build/$1")" && printf '%s\n' "$2" >"$1" || exit
    [ "${1##*.}" != c ] || gcc -std=gnu11 -w -Isrc -c -o "build/${1%.c}.o" "$1" || exit
}

# module FILE NAME USED…: a source that exports one function, which calls others.
module() {
    local file=$1 name=$2 used declared='' sum=0
    for used in "${@:3}"; do
        declared+="int $used(void); " sum+=" + $used()"
    done
    write "$file" "${declared}int $name(void) { return $sum; }"
}

# plant FAULT: a new tree without fault, into which one is written next.
plant() {
    rm -rf "$root/tree" && cp -r "$root/clean" "$root/tree" && cd "$root/tree" || exit
    planted=$1
}

# expect SCRIPT FAULTS: what the script says of the tree. It succeeds only if it says nothing.
expect() {
    local output status=0 wanted=0
    output=$("tools/scripts/$1" build 2>&1 >summary) || status=1
    [ -z "$2" ] || wanted=1
    checks=$((checks + 1))
    if [ "$output" != "$2" ] || [ "$status" -ne "$wanted" ]; then
        failures=$((failures + 1))
        printf 'lint.sh:0:F: %s: exit status %s\n--- it says\n%s\n--- expected\n%s\n' "$planted" "$status" "$output" "$2"
    fi
}

mkdir "$root/clean" && cd "$root/clean" || exit
mkdir -p tools/scripts && cp "$scripts"/lint "$scripts"/lint-* tools/scripts || exit
write tools/scripts/lint.exceptions '# none'
write tests/run '#!/bin/sh'
write sql/migrations/0001_a.sql 'CREATE TABLE a ();'
write src/core/buf.h 'struct buf { int size; };'
module src/core/buf.c buf_new
module src/core/text.c text_new buf_new
module src/db/db.c db_new text_new
module tools/bench/main.c main db_new

plant nothing
expect lint ''
expect lint-objects ''

plant 'a call back'
module src/core/buf.c buf_new text_new
expect lint-objects 'circle: 2 files: src/core/buf.c src/core/text.c
circle: src/core/buf.c -> src/core/text.c: text_new
circle: src/core/text.c -> src/core/buf.c: buf_new'
write tools/scripts/lint.exceptions 'circle src/core/buf.c src/core/text.c # why'
planted='a call back that is listed'
expect lint-objects ''

plant 'a longer way back'
module src/core/buf.c buf_new mem_new
module src/core/mem.c mem_new text_new
expect lint-objects 'circle: 3 files: src/core/buf.c src/core/mem.c src/core/text.c
circle: src/core/buf.c -> src/core/mem.c: mem_new
circle: src/core/mem.c -> src/core/text.c: text_new
circle: src/core/text.c -> src/core/buf.c: buf_new'

plant 'a use of a layer beside'
module src/crypto/hex.c hex_new db_new
module tools/sandbox/main.c main hex_new
expect lint-objects 'layer: src/crypto/hex.c must not know src/db: db_new'

plant 'an include of a layer above'
write src/core/log.h '#include "db/db.h"'
expect lint-objects 'layer: src/core/log.h must not know src/db: it includes db/'

plant 'a layer that nobody described'
write src/attic/box.h '#include "core/buf.h"'
expect lint-objects 'layer: src/attic/box.h must not know src/core: it includes core/'

plant 'a name without its module'
module src/core/mem.c allocate
module src/core/buf.c buf_new allocate
expect lint-objects 'name: allocate of src/core/mem.c begins with the name of neither file nor folder nor of a type there'

plant 'names of a file, its first word, one of many, a folder and a type'
write src/core/loop_timers.c 'int loop_timers_a, loop_b, loop_timer_c, core_d, buf_e;'
module src/core/text.c text_new buf_new loop_timers_a loop_b loop_timer_c core_d buf_e
expect lint-objects ''

plant 'one name twice'
module src/core/buffer.c buf_new
module tools/outboxctl/buf.c buf_new
module tools/outboxctl/main.c main buf_new
expect lint-objects 'clash: buf_new is in src/core/buf.c and in src/core/buffer.c
clash: buf_new is in src/core/buffer.c and in tools/outboxctl/buf.c'

plant 'what nobody uses'
write src/core/buf.c 'int buf_new(void) { return 1; } int buf_old, buf_tested;'
write tests/unit/buf.c 'extern int buf_tested; int main(void) { return buf_tested; }'
expect lint-objects 'unused: only src/core/buf.c itself may use buf_old: make it static, or delete it
unused: only tests use buf_tested of src/core/buf.c'
write tools/scripts/lint.exceptions 'unused buf_old
unused buf_tested'
planted='what nobody uses is listed'
expect lint-objects ''

plant 'an exception for nothing'
write tools/scripts/lint.exceptions 'circle src/core/buf.c src/core/text.c'
expect lint-objects 'lint.exceptions: nobody needs "circle src/core/buf.c src/core/text.c"'

plant 'libraries where they do not belong'
write src/core/a.h '#include <libpq-fe.h>'
write src/db/b.h '#include <curl/curl.h>'
write src/formats/c.h '#include <openssl/evp.h>'
write src/dispatcher/d.h '#include "transport/transport.h"
#include "transport/curl/curl_internal.h"'
expect lint 'libpq belongs to src/db: src/core/a.h:1:#include <libpq-fe.h>
libcurl and libnghttp2 belong to src/transport: src/db/b.h:1:#include <curl/curl.h>
OpenSSL belongs to src/crypto and src/transport: src/formats/c.h:1:#include <openssl/evp.h>
transport.h and url.h are the doors of src/transport: src/dispatcher/d.h:2:#include "transport/curl/curl_internal.h"'

plant 'an adapter that logs and looks at the clock'
write src/providers/sms/a.h '#include "core/log.h"'
write src/providers/sms/b.h 'static inline long now(void) { return time(0); }'
expect lint 'providers are pure: no log or loop: src/providers/sms/a.h:1:#include "core/log.h"
providers are pure: no clock, socket or log: src/providers/sms/b.h:1:static inline long now(void) { return time(0); }'

plant 'a banned function'
write tools/bench/a.h 'static inline void copy(char *to) { strcpy(to, "x"); }'
expect lint 'banned function: tools/bench/a.h:1:static inline void copy(char *to) { strcpy(to, "x"); }'

plant 'objects of SQL that stand twice'
write sql/migrations/0001_a.sql 'CREATE TABLE a (
    b int
);
CREATE UNIQUE INDEX i ON a (b);
CREATE TYPE t AS ENUM ();'
write sql/migrations/0002_b.sql 'CREATE TABLE IF NOT EXISTS a ();
create index i ON a (b);
CREATE TYPE t AS (b int);'
write sql/migrations/R01_c.sql 'CREATE VIEW v AS TABLE a;
CREATE FUNCTION f(b int) RETURNS int LANGUAGE sql
    RETURN b;
COMMENT ON FUNCTION f IS NULL;
CREATE TRIGGER r BEFORE INSERT OR UPDATE OF b
    ON a FOR EACH ROW EXECUTE FUNCTION g();
CREATE TRIGGER r AFTER INSERT ON b EXECUTE FUNCTION g();'
write sql/migrations/R02_d.sql 'CREATE OR REPLACE VIEW v AS TABLE b;
CREATE OR REPLACE FUNCTION
    f(b text) RETURNS text LANGUAGE sql RETURN b;
COMMENT ON FUNCTION f IS NULL;
CREATE CONSTRAINT TRIGGER r AFTER DELETE ON a EXECUTE FUNCTION g();'
expect lint 'twice: table a is in sql/migrations/0001_a.sql:1 and in sql/migrations/0002_b.sql:1
twice: index i is in sql/migrations/0001_a.sql:4 and in sql/migrations/0002_b.sql:2
twice: type t is in sql/migrations/0001_a.sql:5 and in sql/migrations/0002_b.sql:3
twice: view v is in sql/migrations/R01_c.sql:1 and in sql/migrations/R02_d.sql:1
twice: function f is in sql/migrations/R01_c.sql:2 and in sql/migrations/R02_d.sql:2
twice: comment on function f is in sql/migrations/R01_c.sql:4 and in sql/migrations/R02_d.sql:4
twice: trigger r on a is in sql/migrations/R01_c.sql:5 and in sql/migrations/R02_d.sql:5'

plant 'objects of SQL in the wrong kind of file'
write sql/migrations/0002_b.sql 'CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1;'
write sql/migrations/R01_c.sql 'CREATE TABLE b ();'
expect lint 'place: function f of sql/migrations/0002_b.sql:1 belongs into a file RNN_subject.sql
place: table b of sql/migrations/R01_c.sql:1 belongs into a file NNNN_subject.sql'

plant 'a test that the table does not name'
write tests/README.md "| buffers | \`unit/buf.c\`, \`text.c\` |"
write tests/unit/buf.c 'int buf;'
write tests/heart/text.c 'int text;'
write tests/sql/xbuf.c 'int xbuf;'
expect lint 'tests/README.md does not name tests/sql/xbuf.c'

plant 'a bad script'
write .ci/run $'#!/bin/sh\nrm $1'
expect lint '.ci/run:2:4: note: Double quote to prevent globbing and word splitting. [SC2086]'

echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
