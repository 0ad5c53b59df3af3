#!/usr/bin/env bash
# smtp.sh [BUILD]: the real dispatcher hands mails to a real Postfix: STARTTLS, AUTH PLAIN, delivery to a maildir. The
# Postfix is one of its own, on a loopback port, in a temporary folder. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/gcc}
deadline_s=60
domain=mail.example
unset "${!PG@}" "${!OUTBOX_@}" MAIL_CONFIG

work=$(mktemp -d)
pids=() postfix=no database=no
finish() {
    local status=$?
    trap - EXIT
    trap '' INT TERM
    if [ ${#pids[@]} != 0 ]; then
        kill -TERM "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" || true
    fi
    # By the pid that its master left in its own queue folder.
    [ $postfix = no ] || postfix -c "$work/postfix" stop >"$work/stop.log" 2>&1 || true
    [ $database = no ] || tools/scripts/pg stop "$work/pg" || true
    if [ $status != 0 ]; then
        tail -n 20 "$work"/*.log >&2 || true
    fi
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

die() {
    echo "smtp: $*" >&2
    exit 1
}

say() {
    echo "smtp: $*"
}

# wait_for WHAT COMMAND…: until the command succeeds.
wait_for() {
    local what=$1 end=$((SECONDS + deadline_s))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || die "$what: not within $deadline_s s"
        sleep 0.05
    done
}

# --- Postfix ---

install_packages() {
    # Without a configuration Debian starts no Postfix of its own.
    dpkg-query -W postfix >/dev/null 2>&1 ||
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    tests/interop/need debian postfix sasl2-bin libsasl2-modules python3-dkim
}

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

make_secrets() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=interop-smtp -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$work/tls.key" -out "$work/tls.pem" 2>/dev/null
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/dkim.pem"
    openssl pkey -in "$work/dkim.pem" -pubout -outform DER | openssl base64 -A >"$work/dkim.pub"
    openssl rand -hex 16 >"$work/password"
    openssl rand -hex 16 >"$work/wrong-password"
}

configure_postfix() {
    local etc=$work/postfix
    mkdir "$etc" "$etc/sasl" "$work/queue" "$work/data" "$work/mailboxes"
    chown postfix: "$work/data"
    chown nobody: "$work/mailboxes"
    cat >"$etc/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $work/queue
data_directory = $work/data
maillog_file = $work/postfix.log
maillog_file_prefixes = $work
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.$domain
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:there are no local mailboxes
default_transport = error:nothing leaves this machine
virtual_mailbox_domains = $domain
virtual_mailbox_base = $work/mailboxes
virtual_mailbox_maps = inline:{ {kim@$domain=kim/} }
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = $work/tls.pem
smtpd_tls_key_file = $work/tls.key
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = $domain
smtpd_tls_auth_only = yes
cyrus_sasl_config_path = $etc/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
CONF
    cat >"$etc/master.cf" <<CONF
127.0.0.1:$port inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
CONF
    cat >"$etc/sasl/smtpd.conf" <<CONF
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: $work/sasldb
mech_list: PLAIN
CONF
    saslpasswd2 -p -c -f "$work/sasldb" -u "$domain" outbox <"$work/password"
    chown postfix: "$work/sasldb"
}

greets() {
    exec 3<>"/dev/tcp/127.0.0.1/$port" && IFS= read -r -t 5 line <&3 && exec 3>&- && [[ $line == 220* ]]
}

start_postfix() {
    port=$(free_port)
    configure_postfix
    postfix=yes
    postfix -c "$work/postfix" start >"$work/start.log" 2>&1
    wait_for 'Postfix greets' eval '(greets)'
}

# --- The outbox ---

sql() {
    "$bindir/psql" -XqAt -v ON_ERROR_STOP=1 "$@"
}

start_outbox() {
    local answer
    database=yes
    answer=$(tools/scripts/pg start "$work/pg" 2>"$work/pg.log")
    bindir=$(sed -n 's/^bindir=//p' <<<"$answer")
    PGHOST=$(sed -n 's/^conninfo=host=\([^ ]*\).*/\1/p' <<<"$answer")
    export PGHOST PGDATABASE=outbox PGUSER=postgres
    "$build/bin/outboxctl" migrate --dir sql/migrations >"$work/migrate.log" 2>&1
    sql -c 'CREATE ROLE dispatcher LOGIN IN ROLE outbox_dispatcher' \
        -c 'CREATE ROLE scheduler LOGIN IN ROLE outbox_scheduler'
    sql -v url="smtp://127.0.0.1:$port" -v dir="$work" -v domain="$domain" <<'SQL'
INSERT INTO outbox.provider (name, channel, adapter, settings) VALUES ('postfix', 'email', 'smtp', jsonb_build_object(
    'url', :'url', 'from', '가게 <shop@' || :'domain' || '>', 'ca_file', :'dir' || '/tls.pem',
    'username', 'outbox@' || :'domain', 'password_file', :'dir' || '/wrong-password',
    'dkim_selector', 'rsa', 'dkim_key_file', :'dir' || '/dkim.pem'));
SQL
    PGUSER=dispatcher "$build/bin/outbox-dispatcher" --channels=email >"$work/dispatcher.log" 2>&1 &
    pids+=($!)
    PGUSER=scheduler "$build/bin/outbox-scheduler" >"$work/scheduler.log" 2>&1 &
    pids+=($!)
    wait_for 'the dispatcher is ready' grep -q event=ready "$work/dispatcher.log"
    wait_for 'the scheduler is ready' grep -q event=ready "$work/scheduler.log"
}

# insert KEY LOCAL_PART
insert() {
    sql -v key="$1" -v to="$2@$domain" -v payload="$(cat "$work/payload.json")" <<'SQL'
INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES ('email', :'to', :'payload', :'key');
SQL
}

# answers QUERY EXPECTED
answers() {
    sql -c "$1" >"$work/answer.log"
    [ "$(cat "$work/answer.log")" = "$2" ]
}

# expect WHAT QUERY EXPECTED: waits for the answer.
expect() {
    wait_for "$1" answers "$2" "$3"
    say "$1"
}

# --- The mail that arrived ---

write_checker() {
    cat >"$work/check.py" <<'SOURCE'
import email, email.policy, glob, json, sys, dkim

folder = sys.argv[1]
names = glob.glob(folder + "/mailboxes/kim/new/*")
assert len(names) == 1, names
raw = open(names[0], "rb").read()
sent = json.load(open(folder + "/payload.json"))
mail = email.message_from_bytes(raw, policy=email.policy.default)
assert mail["Subject"] == sent["subject"], mail["Subject"]
assert mail["To"] == "kim@mail.example" and mail["From"] == "가게 <shop@mail.example>", (mail["To"], mail["From"])
assert mail.get_content().rstrip("\n") == sent["text"], mail.get_content()
# Quoted-printable, so that the dots were on the wire.
for line in sent["text"].split("\n"):
    assert not line.startswith(".") or b"\n" + line.encode() + b"\n" in raw, line
print("the mail is in the maildir, its Korean subject and sender and its lines with dots intact")

def dns(query, timeout=5):
    assert query.rstrip(b".") == b"rsa._domainkey.mail.example", query
    return b"v=DKIM1; k=rsa; p=" + open(folder + "/dkim.pub", "rb").read()

def verifies(text):
    return dkim.verify(text, dnsfunc=dns)

assert verifies(raw)
assert not verifies(raw.replace(b"\n..\n", b"\n.\n"))
print("its DKIM signature holds, and no longer with one dot less")
SOURCE
}

[ "$(id -u)" = 0 ] || {
    echo 'left out: Postfix needs root'
    exit 77
}
chmod 755 "$work"
install_packages
make_secrets
write_checker
cat >"$work/payload.json" <<'JSON'
{"subject": "주문이 결제되었습니다",
 "text": "Order 1234 of 김 is paid.\n.\n..\n.. two dots\n.hidden\n...\nThank you, and goodbye."}
JSON
start_postfix
say "Postfix $(postconf -c "$work/postfix" -h mail_version) greets on 127.0.0.1:$port"
start_outbox

insert good kim
expect 'a wrong password stops the provider' \
    "SELECT state, reason LIKE '%535%' FROM outbox.provider_health" 'stopped|t'
sql -c "SELECT '    ' || reason FROM outbox.provider_health"
expect 'and the message waits, no attempt used' \
    "SELECT status IN ('pending', 'scheduled'), attempts FROM outbox.delivery" 't|0'

sql -v file="$work/password" <<'SQL'
UPDATE outbox.provider SET settings = jsonb_set(settings, '{password_file}', to_jsonb(:'file'::text));
SQL
expect 'with the right password Postfix takes it' "SELECT status FROM outbox.delivery" sent
wait_for 'delivery' grep -q 'status=sent (delivered to maildir)' "$work/postfix.log"
/usr/bin/python3 "$work/check.py" "$work" >"$work/check.log" 2>&1 || die 'the mail is not what was sent'
sed "s/^/smtp: /" "$work/check.log"
grep -q 'TLS connection established from .*TLSv1\.[23]' "$work/postfix.log" || die 'not over TLS'
grep -q "sasl_method=PLAIN, sasl_username=outbox@$domain" "$work/postfix.log" || die 'not logged in'
say 'it came over TLS, logged in by AUTH PLAIN'

insert nobody nobody
expect 'an unknown recipient fails, and the address is retired' \
    "SELECT m.status, s.address IS NOT NULL FROM outbox.delivery AS m
        LEFT JOIN outbox.suppression AS s ON s.channel = m.channel AND s.address = m.recipient
    WHERE m.idempotency_key = 'nobody'" 'failed|t'
sql -c "SELECT '    ' || last_error FROM outbox.delivery WHERE idempotency_key = 'nobody'"
expect 'the provider goes on' "SELECT state FROM outbox.provider_health" working
