#include "providers/sms/sens.h"

#include <stdio.h>
#include <string.h>

#include "core/secret.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "providers/judge.h"
#include "providers/request.h"
#include "providers/settings.h"
#include "providers/sms/kr_sms.h"

struct sens_settings {
    struct kr_sms sms;
    char *path; /* "/sms/v2/services/…/messages" */
    char *access_key, *secret_key;
};

static void settings_free(void *arg)
{
    struct sens_settings *settings = arg;
    if (settings == NULL)
        return;
    kr_sms_free(&settings->sms);
    mem_free(settings->path);
    mem_free(settings->access_key);
    secret_free(settings->secret_key);
    mem_free(settings);
}

/* The signature covers the path as it is sent, so it must not need escapes. */
static bool read_path(struct sens_settings *settings, struct json_object *json, struct error *err)
{
    enum { SERVICE_MAX = 128 };
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:";
    char path[SERVICE_MAX + 64];
    char *service = setting_word_of(json, "service_id", allowed, SERVICE_MAX,
                                    "must be a service id like ncp:sms:kr:123456789012:name", err);
    if (service == NULL)
        return false;
    snprintf(path, sizeof path, "/sms/v2/services/%s/messages", service);
    settings->path = mem_strdup(path);
    mem_free(service);
    return true;
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct sens_settings *settings = mem_alloc(sizeof *settings);
    bool ok = kr_sms_read_settings(&settings->sms, json, "https://sens.apigw.ntruss.com", err) &&
              read_path(settings, json, err) &&
              (settings->access_key = setting_word(json, "access_key", NULL, err)) != NULL &&
              (settings->secret_key = kr_sms_secret("secret_key", secrets[0], err)) != NULL;
    if (ok)
        return settings;
    settings_free(settings);
    return NULL;
}

/* Adds the three headers of API Gateway signature v2 for the request's method and path. */
static void sign(const struct sens_settings *settings, int64_t now_ms, struct arena *arena,
                 struct request *request)
{
    unsigned char digest[SHA256_SIZE];
    const char *timestamp = arena_printf(arena, "%lld", (long long)now_ms);
    const char *text =
        arena_printf(arena, "%s %s\n%s\n%s", request->method, request->path, timestamp, settings->access_key);
    digest_hmac_sha256(settings->secret_key, strlen(settings->secret_key), text, strlen(text), digest);
    struct buf signature;
    buf_init(&signature, 64);
    base64_append(&signature, digest, sizeof digest);
    request_add_header(request, "x-ncp-apigw-timestamp", timestamp);
    request_add_header(request, "x-ncp-iam-access-key", settings->access_key);
    request_add_header(request, "x-ncp-apigw-signature-v2", arena_strdup(arena, buf_string(&signature)));
    buf_free(&signature);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct sens_settings *settings = arg;
    struct kr_sms_message sms;
    if (!kr_sms_read(&settings->sms, message, arena, &sms, verdict))
        return false;
    struct buf body;
    buf_init(&body, KR_BODY_MAX);
    buf_char(&body, '{');
    json_member_text(&body, "type", sms.lms ? "LMS" : "SMS");
    json_member_text(&body, "contentType", sms.advertising ? "AD" : "COMM");
    json_member_text(&body, "countryCode", sms.to.country);
    json_member_text(&body, "from", sms.from);
    json_member_text(&body, "subject", sms.subject);
    json_member_text(&body, "content", sms.text);
    json_member(&body, "messages");
    buf_text(&body, "[{");
    json_member_text(&body, "to", sms.to.national);
    buf_text(&body, "}]}");
    request_post(request, settings->path, KR_BODY_TYPE, &body, arena);
    sign(settings, now_ms, arena, request);
    buf_free(&body);
    return true;
}

static struct verdict judge_taken(struct json_object *body, const struct message *message, int64_t now_ms)
{
    const char *name = json_get_text(body, "statusName");
    char code[16];
    struct verdict verdict = kr_sms_taken(body, "requestId");
    kr_sms_code(body, "statusCode", code, sizeof code);
    if (name != NULL && strcmp(name, "fail") == 0)
        return kr_sms_verdict(KR_REJECT, message, code[0] != '\0' ? code : "fail",
                              json_get_text(body, "statusMessage"), now_ms);
    if (strcmp(code, "202") != 0 || verdict.provider_id[0] == '\0')
        return verdict_make(VERDICT_IN_DOUBT, "HTTP 202 with a body that is not SENS's");
    return verdict;
}

/* The service and the gateway before it have different bodies for errors. */
static const char *error_text(struct json_object *body)
{
    const char *text = json_get_text(json_get(body, "error"), "message");
    if (text == NULL)
        text = json_get_text(body, "errorMessage");
    return text != NULL ? text : json_get_text(body, "statusMessage");
}

static struct verdict judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms)
{
    (void)settings;
    struct json_object *body = judge_json(response);
    struct verdict verdict = response->status == 202
                                 ? judge_taken(body, message, now_ms)
                                 : kr_sms_judge_status(response, message, error_text(body), now_ms);
    json_object_put(body);
    return verdict;
}

/* SENS keeps no reference of ours: it lists what went to that number at that time. */
static bool inquiry_build(const void *arg, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request)
{
    const struct sens_settings *settings = arg;
    struct kr_number to;
    struct sent_span search;
    char start[32], end[32];
    if (!kr_sms_search_span(&settings->sms, sent, now_ms, &search) ||
        !kr_number_read(message->recipient, &to))
        return false;
    kr_sms_query_time(search.from_ms, start);
    kr_sms_query_time(search.upto_ms, end);
    *request = (struct request){
        .method = "GET",
        .path = arena_printf(arena, "%s?requestStartTime=%s&requestEndTime=%s&to=%s", settings->path, start,
                             end, to.national),
    };
    sign(settings, now_ms, arena, request);
    return true;
}

/* Only an empty list is an answer: a listed message may be another one to the same number. */
static struct verdict inquiry_judge(const void *settings, const struct message *message,
                                    struct json_object *body, const struct sent_span *sent)
{
    (void)settings;
    (void)message;
    (void)sent;
    struct json_object *list = json_get(body, "messages");
    if (!json_object_is_type(list, json_type_array))
        return verdict_make(VERDICT_IN_DOUBT, "the vendor's list cannot be read: no messages");
    if (json_object_array_length(list) > 0)
        return verdict_make(VERDICT_IN_DOUBT, "the vendor took a message to this number at that time");
    return verdict_make(VERDICT_UNSENT, "the vendor took nothing to this number at that time");
}

const struct adapter sens_adapter = {
    .name = "sens",
    .channel = "sms",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"secret_key"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint,
    .build = build,
    .judge = judge,
    .inquiry_build = inquiry_build,
    .inquiry_judge = inquiry_judge,
};
