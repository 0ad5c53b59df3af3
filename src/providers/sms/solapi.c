#include "providers/sms/solapi.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/secret.h"
#include "crypto/digest.h"
#include "crypto/hex.h"
#include "providers/judge.h"
#include "providers/request.h"
#include "providers/sms/kr_sms.h"

struct solapi_settings {
    struct kr_sms sms;
    char *api_key, *api_secret;
};

static void settings_free(void *arg)
{
    struct solapi_settings *settings = arg;
    if (settings == NULL)
        return;
    kr_sms_free(&settings->sms);
    mem_free(settings->api_key);
    secret_free(settings->api_secret);
    mem_free(settings);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct solapi_settings *settings = mem_alloc(sizeof *settings);
    bool ok = kr_sms_read_settings(&settings->sms, json, "https://api.solapi.com", err) &&
              (settings->api_key = kr_sms_secret("api_key", secrets[0], err)) != NULL &&
              (settings->api_secret = kr_sms_secret("api_secret", secrets[1], err)) != NULL;
    if (ok)
        return settings;
    settings_free(settings);
    return NULL;
}

const char *solapi_authorization(const char *api_key, const char *api_secret, const char *date,
                                 const char *salt, struct arena *arena)
{
    unsigned char digest[SHA256_SIZE];
    char signature[2 * SHA256_SIZE + 1];
    const char *data = arena_printf(arena, "%s%s", date, salt);
    digest_hmac_sha256(api_secret, strlen(api_secret), data, strlen(data), digest);
    hex_encode(digest, sizeof digest, signature);
    return arena_printf(arena, "HMAC-SHA256 apiKey=%s, date=%s, salt=%s, signature=%s", api_key, date, salt,
                        signature);
}

static void write_time(int64_t ms, char out[24])
{
    clock_utc(ms, "%Y-%m-%dT%H:%M:%SZ", out, 24);
}

/* The salt differs for each attempt, each moment and each purpose, so no signature comes twice. */
static const char *authorize(const struct solapi_settings *settings, const struct message *message,
                             const char *purpose, int64_t now_ms, struct arena *arena)
{
    unsigned char digest[SHA256_SIZE];
    char date[24], salt[2 * SHA256_SIZE + 1];
    const char *seed =
        arena_printf(arena, "%s %s %d %lld", purpose, message->uuid, message->attempt, (long long)now_ms);
    digest_sha256(seed, strlen(seed), digest);
    hex_encode(digest, sizeof digest / 2, salt);
    write_time(now_ms, date);
    return solapi_authorization(settings->api_key, settings->api_secret, date, salt, arena);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct solapi_settings *settings = arg;
    struct kr_sms_message sms;
    if (!kr_sms_read(&settings->sms, message, arena, &sms, verdict))
        return false;
    struct buf body;
    buf_init(&body, KR_BODY_MAX);
    buf_text(&body, "{\"message\":{");
    json_member_text(&body, "to", sms.to.national);
    json_member_text(&body, "from", sms.from);
    json_member_text(&body, "text", sms.text);
    json_member_text(&body, "type", sms.lms ? "LMS" : "SMS");
    json_member_text(&body, "subject", sms.subject);
    json_member_text(&body, "country", sms.to.country);
    json_member(&body, "customFields");
    buf_char(&body, '{');
    json_member_text(&body, "outbox_id", message->uuid);
    buf_text(&body, "},\"autoTypeDetect\":false}}");
    request_post(request, "/messages/v4/send", KR_BODY_TYPE, &body, arena);
    request_add_header(request, "authorization", authorize(settings, message, "send", now_ms, arena));
    buf_free(&body);
    return true;
}

static const struct kr_codes status_codes[] = {
    {KR_TAKEN, "2000 3000 4000"},
    {KR_REJECT, "1010 1011 1013 1014 1025 1027 1028 1029 1031 1032 1033 1034 2011 3011"},
    {KR_STOP, "1020 2063 1030 2230"},
    {KR_RETRY, "1024 2024 3012 3024 3053"},
    {KR_REJECT, "1026"}, /* a repeated number in one group; there is one message in ours */
    {KR_FEW, "1058 3058"},
    {KR_GONE, "1060 2060 1061 2061 3055 3010 3032"},
    {KR_SENDER, "1062 2062 3013 3059"},
    {KR_REJECT, "1064 2064 2254 3054"},                                    /* spam block */
    {KR_REJECT, "3040 3041 3042 3043 3044 3045 3046 3051 3052 3056 3057"}, /* handset or radio */
    {KR_REJECT, "3047 3050 3014 3031 3048 3060"},
    {KR_REJECT, "1041 1042 1043 1044 1045 1046 1047 1048 1049 1050 1051 1052"}, /* KakaoTalk */
    {KR_REJECT, "3101 3102 3103 3104 3105 3106 3107 3108"},
};

/* errorCode of an answer that is not 200. */
static const struct kr_codes error_codes[] = {
    {KR_REJECT, "ValidationError"},
    {KR_STOP, "BalanceInsufficient NotEnoughBalance"},
    {KR_STOP, "InvalidAPIKey SignatureDoesNotMatch Forbidden RequestTimeTooSkewed ResourceNotFound"},
    {KR_RETRY, "DuplicatedSignature"}, /* the next attempt has another salt */
};

static enum kr_meaning find_status(const char *code)
{
    return kr_codes_find(status_codes, sizeof status_codes / sizeof status_codes[0], code);
}

static struct verdict judge_error(struct json_object *body, const struct message *message,
                                  const struct response *response, int64_t now_ms)
{
    char code[64];
    const char *text = json_get_text(body, "errorMessage");
    kr_sms_code(body, "errorCode", code, sizeof code);
    enum kr_meaning meaning = kr_codes_find(error_codes, sizeof error_codes / sizeof error_codes[0], code);
    if (meaning == KR_UNKNOWN)
        meaning = find_status(code);
    if (meaning == KR_UNKNOWN || meaning == KR_TAKEN)
        return kr_sms_judge_status(response, message, text, now_ms);
    return kr_sms_verdict(meaning, message, code, text, now_ms);
}

static struct verdict judge_taken(struct json_object *body, const struct message *message, int64_t now_ms)
{
    char code[16];
    kr_sms_code(body, "statusCode", code, sizeof code);
    enum kr_meaning meaning = find_status(code);
    if (meaning == KR_UNKNOWN)
        return verdict_make(VERDICT_IN_DOUBT, "HTTP 200 with a statusCode that is not known%s%s",
                            code[0] != '\0' ? ": " : "", code);
    if (meaning != KR_TAKEN)
        return kr_sms_verdict(meaning, message, code, json_get_text(body, "statusMessage"), now_ms);
    return kr_sms_taken(body, "messageId");
}

static struct verdict judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms)
{
    (void)settings;
    struct json_object *body = judge_json(response);
    struct verdict verdict = response->status == 200 ? judge_taken(body, message, now_ms)
                                                     : judge_error(body, message, response, now_ms);
    json_object_put(body);
    return verdict;
}

enum { LIST_MAX = 20 };

/* Solapi cannot search by customFields: it lists what went to that number at that time. */
static bool inquiry_build(const void *arg, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request)
{
    const struct solapi_settings *settings = arg;
    struct kr_number to;
    struct sent_span search;
    char start[24], end[24];
    if (!kr_sms_search_span(&settings->sms, sent, now_ms, &search) ||
        !kr_number_read(message->recipient, &to))
        return false;
    write_time(search.from_ms, start);
    write_time(search.upto_ms, end);
    *request = (struct request){
        .method = "GET",
        .path = arena_printf(arena,
                             "/messages/v4/list?criteria=to&cond=eq&value=%s&dateType=CREATED"
                             "&startDate=%s&endDate=%s&limit=%d",
                             to.national, start, end, LIST_MAX),
        .headers = {{"authorization", authorize(settings, message, "inquire", now_ms, arena)}},
        .header_count = 1,
    };
    return true;
}

static bool is_ours(struct json_object *item, const char *uuid)
{
    const char *id = json_get_text(json_get(item, "customFields"), "outbox_id");
    return id != NULL && strcmp(id, uuid) == 0;
}

/* The list is an object by message id. Each attempt has an entry of its own; one that was taken is enough.
 * Codes of 1xxx mean that the vendor did not accept what it lists; what failed later may be an earlier
 * attempt. */
static struct verdict inquiry_judge(const void *settings, const struct message *message,
                                    struct json_object *body, const struct sent_span *sent)
{
    (void)settings;
    (void)sent;
    struct json_object *list = json_get(body, "messageList");
    if (!json_object_is_type(list, json_type_object))
        return verdict_make(VERDICT_IN_DOUBT, "the vendor's list cannot be read: no messageList");
    char code[16], refusal[16] = "";
    bool untold = false;
    struct json_object_iter item;
    json_object_object_foreachC(list, item)
    {
        if (!is_ours(item.val, message->uuid))
            continue;
        kr_sms_code(item.val, "statusCode", code, sizeof code);
        if (find_status(code) == KR_TAKEN)
            return kr_sms_taken(item.val, "messageId");
        if (code[0] == '1')
            snprintf(refusal, sizeof refusal, "%s", code);
        else
            untold = true;
    }
    if (untold)
        return verdict_make(VERDICT_IN_DOUBT, "the vendor lists it as failed, or without a known statusCode");
    if (json_object_object_length(list) >= LIST_MAX || json_get(body, "nextKey") != NULL)
        return verdict_make(VERDICT_IN_DOUBT, "the vendor's list is longer than one page");
    return refusal[0] != '\0' ? verdict_make(VERDICT_UNSENT, "the vendor lists it as refused: %s", refusal)
                              : verdict_make(VERDICT_UNSENT, "the vendor's list does not have it");
}

const struct adapter solapi_adapter = {
    .name = "solapi",
    .channel = "sms",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"api_key", "api_secret"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint,
    .build = build,
    .judge = judge,
    .inquiry_build = inquiry_build,
    .inquiry_judge = inquiry_judge,
};
