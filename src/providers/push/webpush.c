/* Web Push: settings and requests. */
#include "providers/push/webpush.h"

#include <string.h>

#include "crypto/digest.h"
#include "providers/push/push_payload.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { TEXT_MAX = 65536 /* more than the limit, so that a refusal can say how much was given */ };

static void settings_free(void *arg)
{
    struct webpush_settings *settings = arg;
    if (settings == NULL)
        return;
    mem_free(settings->ca_file);
    vapid_free(settings->vapid);
    origin_rules_free(settings->rules);
    mem_free(settings);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct webpush_settings *settings = mem_alloc(sizeof *settings);
    char *subject = setting_word(json, "subject", NULL, err);
    bool ok = subject != NULL && setting_line(json, "ca_file", &settings->ca_file, err) &&
              (settings->rules = origin_rules_new(json, webpush_services, err)) != NULL &&
              (settings->vapid = vapid_new(secrets[0], subject, err)) != NULL;
    mem_free(subject);
    if (ok)
        return settings;
    settings_free(settings);
    return NULL;
}

/* No URL: each subscription brings its own origin. */
static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct webpush_settings *settings = arg;
    options->http2 = true;
    options->ca_file = settings->ca_file;
    options->guarded = true;
    options->trusted_origins = origin_trusted(settings->rules);
}

/* All that makes one body another; the text has the message's uuid in it. */
struct seed {
    unsigned char label[16];
    unsigned char attempt[4];
    struct ece_receiver receiver;
    unsigned char text_digest[SHA256_SIZE];
};

/*
 * Salt and ephemeral key (RFC 8291, 3.1 and 3.4) without randomness, as RFC 6979 does for signatures: both
 * come from a keyed digest of everything that is encrypted and of whom it is for. AES-GCM fails when one key
 * and nonce serve two texts. The text's digest is part of the seed, so another text, another receiver or
 * another attempt has another salt and key, and equal seeds mean equal bodies, octet for octet. Without the
 * settings' private key the results look random. Who learns that key can still not compute an ephemeral key
 * without knowing the text.
 */
static void derive(const struct vapid *vapid, const struct message *message,
                   const struct ece_receiver *receiver, const struct buf *text, unsigned char salt[ECE_SALT],
                   unsigned char secret[P256_SECRET])
{
    unsigned char key[SHA256_SIZE], digest[SHA256_SIZE];
    uint32_t attempt = (uint32_t)message->attempt;
    struct seed seed = {.label = "outbox web push",
                        .attempt = {(unsigned char)(attempt >> 24), (unsigned char)(attempt >> 16),
                                    (unsigned char)(attempt >> 8), (unsigned char)attempt},
                        .receiver = *receiver};
    digest_sha256(text->data, text->size, seed.text_digest);
    vapid_derive(vapid, &seed, sizeof seed, key);
    digest_hmac_sha256(key, sizeof key, "salt", 4, digest);
    memcpy(salt, digest, ECE_SALT);
    digest_hmac_sha256(key, sizeof key, "ephemeral key", 13, secret);
    secret[0] &= 0x7F; /* surely below the order of the curve; 255 bits are enough */
    explicit_bzero(key, sizeof key);
}

static bool write_body(const struct webpush_settings *settings, const struct message *message,
                       const struct ece_receiver *receiver, const struct buf *text, struct arena *arena,
                       struct request *request, struct verdict *verdict)
{
    unsigned char salt[ECE_SALT], secret[P256_SECRET];
    struct buf body;
    buf_init(&body, ECE_WEB_BODY);
    derive(settings->vapid, message, receiver, text, salt, secret);
    bool ok = ece_web_push(salt, secret, receiver, text->data, text->size, &body);
    explicit_bzero(secret, sizeof secret);
    if (ok) {
        char *copy = arena_alloc(arena, body.size);
        memcpy(copy, body.data, body.size);
        request->body = copy;
        request->body_size = body.size;
    } else {
        *verdict = verdict_make(VERDICT_REJECTED, "recipient.keys.p256dh: is not a point of the curve P-256");
    }
    buf_free(&body);
    return ok;
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token; /* the credential is signed here, none is fetched */
    const struct webpush_settings *settings = arg;
    struct webpush_subscription subscription;
    struct webpush_options options;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    *request = (struct request){.method = "POST"};
    bool ok = webpush_subscription_read(settings, message->recipient, arena, &subscription, verdict) &&
              webpush_payload_write(message, &text, &options, verdict) &&
              write_body(settings, message, &subscription.receiver, &text, arena, request, verdict);
    buf_free(&text);
    if (!ok)
        return false;
    const char *authorization = vapid_authorization(settings->vapid, subscription.target.origin, now_ms);
    if (authorization == NULL) {
        *verdict = verdict_make(VERDICT_STOPPED, "the VAPID token could not be signed");
        return false;
    }

    struct push_payload push;
    push_payload_init(&push);
    push.ttl_s = options.ttl_s;
    request->origin = subscription.target.origin;
    request->path = subscription.target.path;
    request_add_header(request, "authorization", arena_strdup(arena, authorization));
    request_add_header(request, "ttl",
                       arena_printf(arena, "%lld", (long long)push_ttl(&push, message, now_ms)));
    request_add_header(request, "urgency", options.urgency);
    request_add_header(request, "content-type", "application/octet-stream");
    request_add_header(request, "content-encoding", "aes128gcm");
    if (options.topic != NULL)
        request_add_header(request, "topic", arena_strdup(arena, options.topic));
    return true;
}

const struct adapter webpush_adapter = {
    .name = "webpush",
    .channel = "web",
    .repeat = REPEAT_COLLAPSES,
    .secrets = {"vapid_key"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = endpoint,
    .build = build,
    .judge = webpush_judge,
    .judge_failure = webpush_judge_failure,
};
