#!/bin/sh
# dkim.sh [BUILD]: signs a mail with both algorithms and has dkimpy and OpenDKIM verify it, against keys that come from
# files in place of the DNS.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests/interop/need debian python3-dkim python3-nacl opendkim

openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa.pem"
openssl genpkey -quiet -algorithm ED25519 -out "$work/ed25519.pem"
openssl pkey -in "$work/rsa.pem" -pubout -outform DER | openssl base64 -A >"$work/rsa.pub"
# The last 32 octets of the SubjectPublicKeyInfo are the raw key (RFC 8410, 4).
openssl pkey -in "$work/ed25519.pem" -pubout -outform DER | tail -c 32 | openssl base64 -A >"$work/ed25519.pub"

cat >"$work/sign.c" <<'SOURCE'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/json.h"
#include "core/secret.h"
#include "providers/mail/smtp.h"

/* sign SETTINGS PAYLOAD: the mail that the adapter smtp would send now. */
int main(int argc, char **argv)
{
    struct error err = {""};
    struct verdict verdict = {.reason = ""};
    struct request request;
    if (argc != 3)
        return 2;
    struct json_object *json = json_parse(argv[1], strlen(argv[1]), &err);
    struct message message = {.uuid = "6f1d2c3a-0b4e-4d5f-8a9b-0c1d2e3f4a5b",
                              .recipient = "kim@example.org",
                              .payload = json_parse(argv[2], strlen(argv[2]), &err),
                              .attempt = 1};
    const char *secrets[ADAPTER_MAX_SECRETS] = {NULL, secret_read(json, "dkim_key", &err),
                                                 secret_read(json, "dkim_key2", &err)};
    void *settings = smtp_adapter.settings_new(json, secrets, &err);
    if (settings == NULL || !smtp_adapter.build(settings, &message, NULL, (int64_t)time(NULL) * 1000, arena_new(),
                                                 &request, &verdict)) {
        fprintf(stderr, "%s%s\n", err.text, verdict.reason);
        return 1;
    }
    return fwrite(request.body, 1, request.body_size, stdout) == request.body_size ? 0 : 1;
}
SOURCE
# shellcheck disable=SC2046 # flags are words
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -Isrc -o "$work/sign" "$work/sign.c" "$build/libpgoutbox.a" \
    $(pkg-config --libs libpq libcurl libnghttp2 openssl json-c) -lm

cat >"$work/dkimpy.py" <<'SOURCE'
import sys, dkim
folder, name = sys.argv[1], sys.argv[2]
mail = open(name, "rb").read()
keys = {b"rsa": b"k=rsa", b"ed25519": b"k=ed25519"}

def dns(query, timeout=5):
    selector = query.split(b".")[0]
    assert query.rstrip(b".") == selector + b"._domainkey.mail.example", query
    return b"v=DKIM1; " + keys[selector] + b"; p=" + open("%s/%s.pub" % (folder, selector.decode()), "rb").read()

for index in (0, 1):
    if not dkim.DKIM(mail).verify(idx=index, dnsfunc=dns):
        sys.exit("signature %d is refused" % index)
    # Each change must break each signature: body, a list field, a second From.
    for old, new in ((b"2023", b"2024"), (b"/u/1", b"/u/2"), (b"\r\nTo:", b"\r\nFrom: eve@example.net\r\nTo:")):
        changed = mail.replace(old, new, 1)
        assert changed != mail
        try:
            refused = not dkim.DKIM(changed).verify(idx=index, dnsfunc=dns)
        except dkim.DKIMException:
            refused = True
        if not refused:
            sys.exit("signature %d holds although %r was changed" % (index, old))
SOURCE

for selector in rsa ed25519; do
    printf '%s._domainkey.mail.example v=DKIM1; k=%s; p=%s\n' "$selector" "$selector" "$(cat "$work/$selector.pub")"
done >"$work/keys"
printf 'TestPublicKeys %s\nMode v\nUserID root\nInternalHosts 192.0.2.1\n' "$work/keys" >"$work/opendkim.conf"

payload='{"subject":"영수증 2023","html":"<p>안녕하세요  2023 </p>","text":"Hello  2023 \r\n.\r\n\r\n\r\n",
          "unsubscribe_url":"https://h.example/u/1","unsubscribe_mailto":"u@h.example","headers":{"X-Order":"7"}}'
for form in relaxed simple; do
    "$work/sign" '{"url":"smtp://h","from":"가게 <shop@mail.example>","dkim_selector":"rsa",
        "dkim_selector2":"ed25519","dkim_key_file":"'"$work"'/rsa.pem","dkim_key2_file":"'"$work"'/ed25519.pem",
        "dkim_canonicalization":"'"$form"'"}' "$payload" >"$work/$form.eml"
    /usr/bin/python3 "$work/dkimpy.py" "$work" "$work/$form.eml"
    echo "dkim: $form: dkimpy accepts both signatures and refuses every change"
    opendkim -x "$work/opendkim.conf" -t "$work/$form.eml" -vv >"$work/opendkim.out" 2>&1
    if [ "$(grep -c 'dkim=pass' "$work/opendkim.out")" -ne 2 ]; then
        cat "$work/opendkim.out" >&2
        exit 1
    fi
    echo "dkim: $form: OpenDKIM accepts both signatures"
done
