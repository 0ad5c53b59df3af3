#include "sandbox/vendors/aws.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/digest.h"
#include "crypto/hex.h"
#include "sandbox/vendors/vendor.h"

enum { CANONICAL_MAX = 16384, NAMES_MAX = 512, SKEW_S = 300, HEX_SIZE = 2 * SHA256_SIZE, DAY_SIZE = 8 };

static const struct aws_fault no_token = {"MissingAuthenticationToken", "Missing Authentication Token"};
static const struct aws_fault incomplete = {"IncompleteSignature",
                                            "The Authorization header does not have what it must have."};
static const struct aws_fault unknown_key = {"UnrecognizedClientException",
                                             "The security token included in the request is invalid."};
static const struct aws_fault wrong_scope = {"SignatureDoesNotMatch",
                                             "Credential should be scoped to a valid region and service."};
static const struct aws_fault expired = {
    "SignatureDoesNotMatch", "Signature expired: the time of the request is not within five minutes."};
static const struct aws_fault mismatch = {
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method."};

/* The parts of the header. */
struct given {
    char key[64], day[16], region[32], service[32], names[NAMES_MAX], signature[HEX_SIZE + 1];
};

static bool parse(const char *text, struct given *given)
{
    int end = 0;
    return sscanf(text,
                  "AWS4-HMAC-SHA256 Credential=%63[^/]/%15[0-9]/%31[^/]/%31[^/]/aws4_request, "
                  "SignedHeaders=%511[a-z0-9;-], Signature=%64[0-9a-f]%n",
                  given->key, given->day, given->region, given->service, given->names, given->signature,
                  &end) == 6 &&
           text[end] == '\0';
}

static bool time_is_near(const char *moment, int64_t now_ms)
{
    struct tm tm = {0};
    const char *end = strptime(moment, "%Y%m%dT%H%M%SZ", &tm);
    if (!end || *end != '\0')
        return false;
    int64_t age = now_ms / 1000 - (int64_t)timegm(&tm);
    return age >= -SKEW_S && age <= SKEW_S;
}

static bool is_signed(const char *names, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = names; at; at = strchr(at, ';')) {
        at += *at == ';';
        if (strncmp(at, name, size) == 0 && (at[size] == ';' || at[size] == '\0'))
            return true;
    }
    return false;
}

/* Over HTTP/2 the host stands in a pseudo-header. */
static const char *header_of(const struct exchange *x, const char *name)
{
    const char *value = http_header(x, name);
    return value || strcmp(name, "host") != 0 ? value : http_header(x, ":authority");
}

/* What must be signed is, and the names are in order. */
static bool names_are_good(const struct exchange *x, const char *names)
{
    char last[NAMES_MAX] = "";
    for (const char *at = names; *at;) {
        char name[NAMES_MAX];
        size_t size = strcspn(at, ";");
        snprintf(name, sizeof(name), "%.*s", (int)size, at);
        if (strcmp(last, name) >= 0 || !header_of(x, name))
            return false;
        memcpy(last, name, sizeof(last));
        at += size + (at[size] == ';');
    }
    for (size_t i = 0; i < x->header_count; i++) {
        const char *name = x->headers[i].name;
        bool wanted = strncmp(name, "x-amz-", 6) == 0 || strcmp(name, "content-type") == 0;
        if (wanted && !is_signed(names, name))
            return false;
    }
    return is_signed(names, "host");
}

static void hash_hex(const void *data, size_t size, char hex[HEX_SIZE + 1])
{
    unsigned char digest[SHA256_SIZE];
    digest_sha256(data, size, digest);
    hex_encode(digest, sizeof(digest), hex);
}

static void canonical_request(const struct exchange *x, const char *names, struct buf *out)
{
    char hash[HEX_SIZE + 1];
    hash_hex(buf_string(&x->body), x->body.size, hash);
    buf_printf(out, "%s\n%s\n\n", x->method, x->path);
    for (const char *at = names; *at;) {
        char name[NAMES_MAX];
        size_t size = strcspn(at, ";");
        snprintf(name, sizeof(name), "%.*s", (int)size, at);
        buf_printf(out, "%s:%s\n", name, header_of(x, name));
        at += size + (at[size] == ';');
    }
    buf_printf(out, "\n%s\n%s", names, hash);
}

static void signing_key(const struct given *given, const char *secret, unsigned char key[SHA256_SIZE])
{
    const char *const steps[] = {given->day, given->region, given->service, "aws4_request"};
    unsigned char next[SHA256_SIZE];
    char first[256];
    snprintf(first, sizeof(first), "AWS4%s", secret);
    digest_hmac_sha256(first, strlen(first), steps[0], strlen(steps[0]), key);
    for (size_t i = 1; i < sizeof(steps) / sizeof(*steps); i++) {
        digest_hmac_sha256(key, SHA256_SIZE, steps[i], strlen(steps[i]), next);
        memcpy(key, next, SHA256_SIZE);
    }
}

static bool signature_is_good(const struct exchange *x, const struct given *given, const char *moment,
                              const char *secret)
{
    unsigned char key[SHA256_SIZE], digest[SHA256_SIZE];
    char hash[HEX_SIZE + 1], wanted[HEX_SIZE + 1], text[512];
    struct buf canonical;
    buf_init(&canonical, CANONICAL_MAX);
    canonical_request(x, given->names, &canonical);
    hash_hex(buf_string(&canonical), canonical.size, hash);
    buf_free(&canonical);
    int size = snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", moment,
                        given->day, given->region, given->service, hash);
    if (size < 0 || (size_t)size >= sizeof(text))
        return false;
    signing_key(given, secret, key);
    digest_hmac_sha256(key, sizeof(key), text, strlen(text), digest);
    hex_encode(digest, sizeof(digest), wanted);
    return strcmp(wanted, given->signature) == 0;
}

const struct aws_fault *aws_signature_fault(const struct exchange *x, const char *service, const char *secret,
                                            int64_t now_ms)
{
    const char *authorization = http_header(x, "authorization");
    const char *moment = http_header(x, "x-amz-date");
    struct given given;
    if (!authorization)
        return &no_token;
    if (!moment || !parse(authorization, &given) || !names_are_good(x, given.names))
        return &incomplete;
    if (strcmp(given.key, AWS_KEY) != 0)
        return &unknown_key;
    if (strcmp(given.region, AWS_REGION) != 0 || strcmp(given.service, service) != 0 ||
        strlen(given.day) != DAY_SIZE || strncmp(given.day, moment, DAY_SIZE) != 0)
        return &wrong_scope;
    if (!time_is_near(moment, now_ms))
        return &expired;
    return signature_is_good(x, &given, moment, secret) ? NULL : &mismatch;
}
