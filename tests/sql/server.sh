#!/usr/bin/env bash
# tools/scripts/pg: which server it takes, and that a copy of its folder neither is a server nor ends another one.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

root=$(mktemp -d)
chmod 711 "$root"
checks=0 failures=0
long=$root/$(printf 'long%.0s' {1..25}) # its sockets live elsewhere
trap 'for dir in "$root/server" "$long"; do [ ! -e "$dir" ] || tools/scripts/pg stop "$dir"; done; rm -rf "$root"' EXIT

pg() {
    tools/scripts/pg "$@" >"$root/out" 2>&1
}

# check WHAT COMMAND…: it succeeds.
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || {
        failures=$((failures + 1))
        echo "server.sh:0:F: $what"
        cat "$root/out"
    }
}
refused() { ! pg "$@"; }
says() { grep -q -- "$1" "$root/out"; }
silent() { ! answers "$1"; }
answers() { [ "$("$bindir/psql" -XqAt -d "$1" -c 'SELECT 1' 2>&1)" = 1 ]; }

for dir in "$root/server" "$long"; do
    check 'a server starts' pg start "$dir"
    bindir=$(sed -n 's/^bindir=//p' "$root/out")
    conninfo=$(sed -n 's/^conninfo=//p' "$root/out")
    cp -a "$dir" "$root/copy"
    check 'a copy does not start' refused start "$root/copy"
    check 'it says so' says 'is a copy'
    check 'a copy restarts nothing' refused restart "$root/copy"
    check 'a copy is removed' pg stop "$root/copy"
    check 'with its folder' [ ! -e "$root/copy" ]
    check 'the server goes on' answers "$conninfo"
    socket=$(cat "$dir/socket_dir")
    check 'the server stops' pg stop "$dir"
    check 'its folders are gone' [ ! -e "$dir" ] && check 'that of its socket, too' [ ! -e "$socket" ]
    check 'nobody answers' silent "$conninfo"
done

version=$("$bindir/pg_ctl" --version | sed 's/.* \([0-9]*\).*/\1/')
for choice in "$version" "$bindir"; do
    # What is on this system as a package has a folder that is named for its version.
    [ -d "/usr/lib/postgresql/$version/bin" ] || [ "$choice" = "$bindir" ] || continue
    export PGOUTBOX_PG=$choice
    check "a server is chosen by $choice" pg start "$root/server"
    check 'and is that one' says "^bindir=$bindir\$"
    check 'and stops' pg stop "$root/server"
done
for choice in 7 /nowhere/bin; do
    export PGOUTBOX_PG=$choice
    check "there is no server $choice" refused start "$root/server"
    check 'it says so' says "PGOUTBOX_PG=$choice"
done
unset PGOUTBOX_PG

echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
