#include "sandbox/vendors/vendor.h"

#include <string.h>
#include <strings.h>

#include "crypto/digest.h"
#include "crypto/hex.h"
#include "sandbox/vendors/magic.h"
#include "sandbox/wire/rfc4648.h"

enum { CREDENTIAL_MAX = 1024, FIRST_STATUS = 400, LAST_STATUS = 599 };

/* Without a uuid of ours, equal texts for one recipient count as the same message. */
static void digest_id(const struct vendor_arrival *arrival, char id[2 * SHA256_SIZE + 1])
{
    unsigned char key[SHA256_SIZE], digest[SHA256_SIZE];
    digest_sha256(arrival->recipient, strlen(arrival->recipient), key);
    const char *text = arrival->text ? arrival->text : arrival->body;
    digest_hmac_sha256(key, sizeof(key), text, arrival->text ? strlen(text) : arrival->body_size, digest);
    hex_encode(digest, sizeof(digest), id);
}

static void record(struct vendors *vendors, const struct vendor_arrival *arrival, int status)
{
    char id[2 * SHA256_SIZE + 1];
    struct arrival stored = {.channel = arrival->channel,
                             .id = arrival->id,
                             .recipient = arrival->recipient,
                             .status = status,
                             .notes = {{"vendor", arrival->vendor}},
                             .body = arrival->body,
                             .body_size = arrival->body_size};
    memcpy(stored.notes + 1, arrival->notes, sizeof(arrival->notes));
    if (!stored.id) {
        digest_id(arrival, id);
        stored.id = id;
    }
    store_record(vendors->store, &stored);
}

int vendor_take(struct vendors *vendors, struct exchange *x, const struct vendor_arrival *arrival, int status,
                const char *type)
{
    int magic = magic_take(vendors->store, arrival->channel, arrival->recipient);
    if (magic >= FIRST_STATUS && magic <= LAST_STATUS) {
        buf_reset(&x->answer);
        x->answer_header_count = 0;
        return magic;
    }
    if (magic_is_unprocessed(magic)) {
        magic_abort(x, magic);
        return 0;
    }
    bool unanswered = magic_is_unanswered(magic);
    record(vendors, arrival, unanswered ? 0 : status);
    if (unanswered) {
        magic_abort(x, magic);
        return 0;
    }
    if (magic == MAGIC_GARBAGE) {
        buf_reset(&x->answer);
        buf_text(&x->answer, "<html>no JSON at all");
    }
    http_answer(x, status, type, magic == MAGIC_SLOW ? MAGIC_DELAY_MS : 0);
    return 0;
}

void vendor_refuse(struct vendors *vendors, struct exchange *x, enum channel channel, const char *reason,
                   int status, const char *type)
{
    store_reject(vendors->store, channel, reason);
    http_answer(x, status, type, 0);
}

bool vendor_segment(const struct exchange *x, int index, char segment[VENDOR_NAME_MAX + 1])
{
    const char *at = x->path;
    for (int i = 0; *at == '/'; i++) {
        size_t size = strcspn(++at, "/?");
        if (i < index) {
            at += size;
            continue;
        }
        if (size == 0 || size > VENDOR_NAME_MAX)
            return false;
        memcpy(segment, at, size);
        segment[size] = '\0';
        return true;
    }
    return false;
}

bool vendor_has_basic(const struct exchange *x, const char *user, const char *password)
{
    const char *given = http_header(x, "authorization");
    if (!given || strncasecmp(given, "Basic ", 6) != 0)
        return false;
    struct buf decoded, wanted;
    buf_init(&decoded, CREDENTIAL_MAX);
    buf_init(&wanted, CREDENTIAL_MAX);
    buf_printf(&wanted, "%s:%s", user, password);
    bool equal = rfc4648_base64(&decoded, given + 6, strlen(given + 6)) && !wanted.overflowed &&
                 decoded.size == wanted.size && memcmp(decoded.data, wanted.data, wanted.size) == 0;
    buf_free(&decoded);
    buf_free(&wanted);
    return equal;
}

bool vendor_has_type(const struct exchange *x, const char *type)
{
    const char *given = http_header(x, "content-type");
    size_t size = strlen(type);
    return given && strncasecmp(given, type, size) == 0 &&
           (given[size] == '\0' || given[size] == ';' || given[size] == ' ');
}
