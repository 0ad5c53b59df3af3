#include "providers/http/webhook.h"

#include <string.h>

#include "core/clock.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "providers/judge.h"
#include "providers/origin.h"
#include "providers/request.h"
#include "providers/settings.h"

/* The specification's sizes of a key. */
enum { KEY_LEAST = 24, KEY_MOST = 64, KEYS = 2, BODY_MAX = 512 * 1024, SIGNED_MAX = BODY_MAX + 128 };

struct webhook_settings {
    char *ca_file;
    struct origin_rules *rules;
    struct key {
        unsigned char octets[KEY_MOST];
        size_t size; /* 0 = absent */
    } keys[KEYS];
};

static void settings_free(void *arg)
{
    struct webhook_settings *settings = arg;
    if (settings == NULL)
        return;
    explicit_bzero(settings->keys, sizeof settings->keys);
    origin_rules_free(settings->rules);
    mem_free(settings->ca_file);
    mem_free(settings);
}

/* "whsec_" and base64, or the octets themselves. */
static bool set_key(struct key *key, const char *name, const char *secret, struct error *err)
{
    static const char prefix[] = "whsec_";
    if (secret == NULL)
        return true;
    struct buf octets;
    buf_init(&octets, KEY_MOST);
    bool encoded = strncmp(secret, prefix, sizeof prefix - 1) == 0;
    const char *text = encoded ? secret + sizeof prefix - 1 : secret;
    bool ok = encoded ? base64_decode(&octets, text, strlen(text)) : buf_text(&octets, text);
    ok = ok && octets.size >= KEY_LEAST;
    if (ok) {
        memcpy(key->octets, octets.data, octets.size);
        key->size = octets.size;
    }
    buf_wipe(&octets);
    return ok ||
           error_set(err, "secret %s: must be whsec_ and %d to %d octets in base64, or the octets themselves",
                     name, KEY_LEAST, KEY_MOST);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct webhook_settings *settings = mem_alloc(sizeof *settings);
    if ((settings->rules = origin_rules_new(json, NULL, err)) != NULL &&
        setting_line(json, "ca_file", &settings->ca_file, err) &&
        set_key(&settings->keys[0], "signing_key", secrets[0], err) &&
        set_key(&settings->keys[1], "former_signing_key", secrets[1], err))
        return settings;
    settings_free(settings);
    return NULL;
}

/* No URL: each recipient brings its own origin. */
static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct webhook_settings *settings = arg;
    options->ca_file = settings->ca_file;
    options->guarded = true;
    options->trusted_origins = origin_trusted(settings->rules);
}

/* The same at each attempt: receivers may compare. */
static bool write_body(struct buf *out, const struct message *message)
{
    char created[32];
    clock_utc(message->created_ms, "%Y-%m-%dT%H:%M:%S", created, sizeof created);
    buf_char(out, '{');
    json_member_text(out, "id", message->uuid);
    json_member_text(out, "type", json_get_text(message->payload, "type"));
    buf_printf(out, ",\"timestamp\":\"%s.%03dZ\",\"data\":", created, (int)(message->created_ms % 1000));
    json_append_value(out, message->payload);
    return buf_char(out, '}');
}

/* "v1,SIGNATURE" for each key, with a space between. */
static const char *sign(const struct webhook_settings *settings, const char *uuid, int64_t now_s,
                        const struct buf *body, struct arena *arena)
{
    struct buf text, signatures;
    buf_init(&text, SIGNED_MAX);
    buf_init(&signatures, 256);
    buf_printf(&text, "%s.%lld.", uuid, (long long)now_s);
    buf_append(&text, body->data, body->size);
    for (size_t i = 0; i < KEYS; i++) {
        unsigned char digest[SHA256_SIZE];
        if (settings->keys[i].size == 0)
            continue;
        digest_hmac_sha256(settings->keys[i].octets, settings->keys[i].size, text.data, text.size, digest);
        buf_text(&signatures, i == 0 ? "v1," : " v1,");
        base64_append(&signatures, digest, sizeof digest);
    }
    const char *result = arena_strdup(arena, buf_string(&signatures));
    buf_free(&text);
    buf_free(&signatures);
    return result;
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct webhook_settings *settings = arg;
    struct origin_target target;
    struct error err;
    if (!origin_read(settings->rules, message->recipient, arena, &target, &err)) {
        *verdict = verdict_make(VERDICT_REJECTED, "recipient: %s", err.text);
        return false;
    }
    struct buf body;
    buf_init(&body, BODY_MAX);
    bool ok = write_body(&body, message);
    if (ok) {
        int64_t now_s = now_ms / 1000;
        request_post(request, target.path, "application/json", &body, arena);
        request->origin = target.origin;
        request_add_header(request, "user-agent", "pgoutbox/" PGOUTBOX_VERSION);
        request_add_header(request, "webhook-id", message->uuid);
        request_add_header(request, "webhook-timestamp", arena_printf(arena, "%lld", (long long)now_s));
        request_add_header(request, "webhook-signature", sign(settings, message->uuid, now_s, &body, arena));
    } else {
        *verdict = verdict_make(VERDICT_REJECTED, "payload: makes a body of more than %d octets", BODY_MAX);
    }
    buf_free(&body);
    return ok;
}

/* The peer is the recipient's, not ours: whatever it does must neither stop nor slow down the others. The
 * specification wants every failure tried again: receivers answer 404 or 401 while they are being deployed.
 * Sending again is harmless, so doubt is a retry as well. */
static struct verdict judge_failure(const void *settings, const struct message *message,
                                    const struct response *response)
{
    (void)settings;
    (void)message;
    struct verdict verdict = verdict_of_failure(response);
    verdict.kind = VERDICT_RETRY;
    verdict.blame = BLAME_RECIPIENT;
    return verdict;
}

static struct verdict judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms)
{
    (void)settings;
    (void)message;
    /* The first row that holds the status decides. */
    static const struct {
        int low, high;
        enum verdict_kind kind;
        const char *text;
    } rows[] = {
        {200, 299, VERDICT_SENT, ""},
        {300, 399, VERDICT_REJECTED, " redirects are not followed"},
        {410, 410, VERDICT_ADDRESS_GONE, " the receiver wants no more"},
        {413, 413, VERDICT_REJECTED, " too large for the receiver"},
        {0, 999, VERDICT_RETRY, ""},
    };
    size_t row = 0;
    while (response->status < rows[row].low || response->status > rows[row].high)
        row++;
    if (rows[row].kind == VERDICT_SENT)
        return verdict_sent(NULL);
    struct verdict verdict = verdict_make(rows[row].kind, "HTTP %d%s", response->status, rows[row].text);
    verdict.blame = BLAME_RECIPIENT;
    if (verdict.kind == VERDICT_RETRY)
        judge_wait(&verdict, response, now_ms, 0);
    return verdict;
}

const struct adapter webhook_adapter = {
    .name = "webhook",
    .channel = "webhook",
    .repeat = REPEAT_IDEMPOTENT,
    .secrets = {"signing_key", "?former_signing_key"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = endpoint,
    .build = build,
    .judge = judge,
    .judge_failure = judge_failure,
};
