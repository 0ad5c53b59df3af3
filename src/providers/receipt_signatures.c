#include "providers/receipt_signatures.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/hex.h"

enum { SIGNED_MAX = 1048576, STALE_MS = 300000 };

static int field_order(const void *a, const void *b)
{
    const struct receipt_field *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : strcmp(left->value, right->value);
}

static struct receipt_field *fields_sorted(const struct receipt_field *fields, size_t count)
{
    struct receipt_field *sorted = mem_array(count + 1, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = fields[i];
    qsort(sorted, count, sizeof *sorted, field_order);
    return sorted;
}

/* True when url, followed by the rest, has this signature. */
static bool twilio_url_matches(const char *auth_token, const struct buf *url, const struct buf *rest,
                               const char *signature)
{
    struct buf text, code;
    unsigned char digest[SHA1_SIZE];
    buf_init(&text, SIGNED_MAX);
    buf_init(&code, 64);
    buf_append(&text, buf_string(url), url->size);
    buf_append(&text, buf_string(rest), rest->size);
    digest_hmac_sha1(auth_token, strlen(auth_token), buf_string(&text), text.size, digest);
    base64_append(&code, digest, sizeof digest);
    bool equal = !text.overflowed && digest_equal_text(buf_string(&code), signature);
    buf_free(&text);
    buf_free(&code);
    return equal;
}

/* Twilio signs the URL with or without a port (its own or the scheme's), whichever it was given. */
static void other_port(const char *url, struct buf *out)
{
    const char *start = strstr(url, "://");
    if (start == NULL)
        return;
    const char *host = start + 3, *rest = host + strcspn(host, "/?#");
    const char *digits = rest;
    while (digits > host && isdigit((unsigned char)digits[-1]))
        digits--;
    const char *port = digits > host && digits[-1] == ':' ? digits - 1 : rest;
    buf_append(out, url, (size_t)(port - url));
    if (port == rest)
        buf_text(out, strncmp(url, "https:", 6) == 0 ? ":443" : ":80");
    buf_text(out, rest);
}

static bool body_hash_matches(const char *hash, const void *body, size_t body_size)
{
    unsigned char digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    digest_sha256(body, body_size, digest);
    hex_encode(digest, sizeof digest, hex);
    return strcspn(hash, "&#") == 2 * (size_t)SHA256_SIZE && digest_equal(hash, hex, 2 * (size_t)SHA256_SIZE);
}

static const char *query_value(const char *url, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = strchr(url, '?'); at != NULL; at = strchr(at, '&')) {
        at++;
        if (strncmp(at, name, size) == 0 && at[size] == '=')
            return at + size + 1;
    }
    return NULL;
}

bool receipt_signature_twilio_ok(const char *auth_token, const char *url, const struct receipt_field *fields,
                                 size_t count, const void *body, size_t body_size, const char *signature)
{
    const char *hash = query_value(url, "bodySHA256");
    if (hash != NULL && !body_hash_matches(hash, body, body_size))
        return false;
    struct buf plain, other, rest;
    buf_init(&plain, SIGNED_MAX);
    buf_init(&other, SIGNED_MAX);
    buf_init(&rest, SIGNED_MAX);
    struct receipt_field *sorted = fields_sorted(fields, hash != NULL ? 0 : count);
    for (size_t i = 0; hash == NULL && i < count; i++) {
        if (i > 0 && field_order(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        buf_text(&rest, sorted[i].name);
        buf_text(&rest, sorted[i].value);
    }
    buf_text(&plain, url);
    other_port(url, &other);
    bool valid = !plain.overflowed && !other.overflowed && !rest.overflowed &&
                 (twilio_url_matches(auth_token, &plain, &rest, signature) ||
                  twilio_url_matches(auth_token, &other, &rest, signature));
    mem_free(sorted);
    buf_free(&plain);
    buf_free(&other);
    buf_free(&rest);
    return valid;
}

/* "&name=value" for all but sig, with "&" and "=" inside a value replaced. */
static bool vonage_text(const struct receipt_field *fields, size_t count, struct buf *out)
{
    struct receipt_field *sorted = fields_sorted(fields, count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(sorted[i].name, "sig") == 0)
            continue;
        buf_printf(out, "&%s=", sorted[i].name);
        for (const char *c = sorted[i].value; *c != '\0'; c++)
            buf_char(out, *c == '&' || *c == '=' ? '_' : *c);
    }
    mem_free(sorted);
    return !out->overflowed;
}

/* Lower-case hex of the signature; false for an unknown method. */
static bool vonage_signature(const char *method, const char *secret, struct buf *text,
                             char hex[2 * DIGEST_MAX + 1])
{
    unsigned char digest[DIGEST_MAX];
    size_t size = 0;
    if (strcmp(method, "md5hash") != 0)
        size = digest_hmac_by_name(method, secret, strlen(secret), buf_string(text), text->size, digest);
    else if (buf_text(text, secret))
        size = digest_by_name("md5", text->data, text->size, digest);
    hex_encode(digest, size, hex);
    return size > 0;
}

static const char *field_value(const struct receipt_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].value;
    }
    return NULL;
}

static bool is_fresh(const char *timestamp, int64_t now_ms)
{
    size_t size = timestamp == NULL ? 0 : strspn(timestamp, "0123456789");
    if (size == 0 || size > 12 || timestamp[size] != '\0')
        return false;
    int64_t age_ms = now_ms - strtoll(timestamp, NULL, 10) * 1000;
    return age_ms >= -STALE_MS && age_ms <= STALE_MS;
}

bool receipt_signature_vonage_ok(const char *method, const char *secret, const struct receipt_field *fields,
                                 size_t count, int64_t now_ms)
{
    const char *sig = field_value(fields, count, "sig");
    if (sig == NULL || secret[0] == '\0' || !is_fresh(field_value(fields, count, "timestamp"), now_ms))
        return false;
    struct buf text;
    char hex[2 * DIGEST_MAX + 1], given[2 * DIGEST_MAX + 1] = "";
    buf_init(&text, SIGNED_MAX);
    bool ok = vonage_text(fields, count, &text) && vonage_signature(method, secret, &text, hex) &&
              strlen(sig) < sizeof given;
    for (size_t i = 0; ok && sig[i] != '\0'; i++)
        given[i] = (char)tolower((unsigned char)sig[i]);
    ok = ok && digest_equal_text(hex, given);
    buf_free(&text);
    return ok;
}
