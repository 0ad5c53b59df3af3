#include <string.h>

#include "formats/text.h"
#include "providers/judge.h"
#include "providers/push/fcm.h"
#include "providers/request.h"

enum {
    ASSERTION_LIFE_S = 3600, /* the longest Google takes */
    ASSERTION_MAX = 8192,
    TOKEN_LIFE_S = 3600, /* when the answer does not say */
    REFRESH_EARLY_S = 300,
    ACCESS_TOKEN_MAX = 8192
};

static const char form[] = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
static const char scope[] = "https://www.googleapis.com/auth/firebase.messaging";

static void write_header(struct buf *out, const struct fcm_settings *settings)
{
    buf_text(out, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    json_member_text(out, "kid", settings->key_id);
    buf_char(out, '}');
}

static void write_claims(struct buf *out, const struct fcm_settings *settings, int64_t now_s)
{
    buf_char(out, '{');
    json_member_text(out, "iss", settings->client_email);
    json_member_text(out, "scope", scope);
    json_member_text(out, "aud", settings->token_uri);
    buf_printf(out, ",\"iat\":%lld,\"exp\":%lld}", (long long)now_s, (long long)(now_s + ASSERTION_LIFE_S));
}

bool fcm_grant_build(const void *arg, int64_t now_ms, struct arena *arena, struct endpoint_options *options,
                     struct request *request, struct error *err)
{
    const struct fcm_settings *settings = arg;
    struct buf header, claims, body;
    buf_init(&header, ASSERTION_MAX);
    buf_init(&claims, ASSERTION_MAX);
    buf_init(&body, 4 * ASSERTION_MAX);
    write_header(&header, settings);
    write_claims(&claims, settings, now_ms / 1000);
    bool ok =
        buf_text(&body, form) && jose_sign(settings->key, buf_string(&header), buf_string(&claims), &body);
    if (ok) {
        options->url = settings->token_origin;
        options->http2 = false;
        options->ca_file = settings->server.ca_file;
        request_post(request, settings->token_path, "application/x-www-form-urlencoded", &body, arena);
    } else {
        error_set(err, "the assertion for an access token could not be signed");
    }
    buf_free(&header);
    buf_free(&claims);
    buf_free(&body);
    return ok;
}

/* It goes into a header field. */
static bool access_token_ok(const char *token)
{
    return token != NULL && strlen(token) <= ACCESS_TOKEN_MAX && text_is_visible(token, strlen(token));
}

static struct verdict accept(struct json_object *body, int64_t now_ms, struct credential *credential)
{
    const char *token = json_get_text(body, "access_token");
    if (!access_token_ok(token))
        return verdict_make(VERDICT_RETRY, "token endpoint: HTTP 200 without an access token");
    int64_t life = json_get_int(body, "expires_in", TOKEN_LIFE_S);
    if (life < 1 || life > 86400)
        life = TOKEN_LIFE_S;
    /* A token that lives shorter than twice the margin is used for half its life. */
    int64_t use = life > 2 * REFRESH_EARLY_S ? life - REFRESH_EARLY_S : life / 2;
    credential->token = mem_strdup(token);
    credential->expires_ms = now_ms + use * 1000;
    return verdict_sent(NULL);
}

static struct verdict refuse(struct json_object *body, const struct response *response, int64_t now_ms)
{
    char text[JUDGE_TEXT], more[JUDGE_TEXT];
    judge_text(text, sizeof text, json_get_text(body, "error"), "");
    judge_text(more, sizeof more, json_get_text(body, "error_description"), "");
    bool later = response->status == 408 || response->status == 429 || response->status >= 500;
    struct verdict verdict =
        verdict_make(later ? VERDICT_RETRY : VERDICT_STOPPED, "token endpoint: HTTP %d%s%s%s%s",
                     response->status, text[0] != '\0' ? " " : "", text, more[0] != '\0' ? ": " : "", more);
    if (later)
        judge_wait(&verdict, response, now_ms, 0);
    return verdict;
}

struct verdict fcm_grant_judge(const void *arg, const struct response *response, int64_t now_ms,
                               struct credential *credential)
{
    (void)arg;
    if (response->state != SEND_ANSWERED) {
        struct verdict verdict = verdict_of_failure(response);
        /* Asking twice for a token does no harm. */
        if (verdict.kind != VERDICT_STOPPED)
            verdict.kind = VERDICT_RETRY;
        return verdict;
    }
    struct json_object *body = judge_json(response);
    struct verdict verdict =
        response->status == 200 ? accept(body, now_ms, credential) : refuse(body, response, now_ms);
    json_object_put(body);
    return verdict;
}
