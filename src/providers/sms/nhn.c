#include "providers/sms/nhn.h"

#include <string.h>

#include "core/secret.h"
#include "providers/judge.h"
#include "providers/request.h"
#include "providers/settings.h"
#include "providers/sms/kr_sms.h"

struct nhn_settings {
    struct kr_sms sms;
    char *app_key, *secret_key;
};

static void settings_free(void *arg)
{
    struct nhn_settings *settings = arg;
    if (settings == NULL)
        return;
    kr_sms_free(&settings->sms);
    mem_free(settings->app_key);
    secret_free(settings->secret_key);
    mem_free(settings);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    /* The app key is one segment of the path. */
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    static const char rule[] = "must have letters, digits, - and _ only";
    struct nhn_settings *settings = mem_alloc(sizeof *settings);
    bool ok = kr_sms_read_settings(&settings->sms, json, "https://sms.api.nhncloudservice.com", err) &&
              (settings->app_key = setting_word_of(json, "app_key", letters, SIZE_MAX, rule, err)) != NULL &&
              (settings->secret_key = kr_sms_secret("secret_key", secrets[0], err)) != NULL;
    if (ok)
        return settings;
    settings_free(settings);
    return NULL;
}

/* An LMS must have a title; without one in the payload it is what the phone would show first. */
static const char *title_of(const struct kr_sms_message *sms, struct arena *arena)
{
    if (!sms->lms || sms->subject != NULL)
        return sms->subject;
    const char *text = sms->text + strspn(sms->text, " \t\r\n");
    return arena_strndup(arena, text, kr_text_head(text, strlen(text), KR_SUBJECT_MAX));
}

static void write_recipient(struct buf *out, const struct kr_number *to, const char *uuid,
                            struct arena *arena)
{
    json_member(out, "recipientList");
    buf_text(out, "[{");
    if (strcmp(to->country, "82") == 0)
        json_member_text(out, "recipientNo", to->national);
    else
        json_member_text(out, "internationalRecipientNo",
                         arena_printf(arena, "%s%s", to->country, to->national));
    json_member_text(out, "recipientGroupingKey", uuid);
    buf_text(out, "}]");
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    (void)now_ms;
    const struct nhn_settings *settings = arg;
    struct kr_sms_message sms;
    if (!kr_sms_read(&settings->sms, message, arena, &sms, verdict))
        return false;
    struct buf body;
    buf_init(&body, KR_BODY_MAX);
    buf_char(&body, '{');
    json_member_text(&body, "title", title_of(&sms, arena));
    json_member_text(&body, "body", sms.text);
    json_member_text(&body, "sendNo", sms.from);
    json_member_text(&body, "senderGroupingKey", "pgoutbox");
    write_recipient(&body, &sms.to, message->uuid, arena);
    buf_char(&body, '}');
    const char *path = arena_printf(arena, "/sms/v3.0/appKeys/%s/sender/%s%s", settings->app_key,
                                    sms.advertising ? "ad-" : "", sms.lms ? "mms" : "sms");
    request_post(request, path, KR_BODY_TYPE, &body, arena);
    request_add_header(request, "x-secret-key", settings->secret_key);
    buf_free(&body);
    return true;
}

static const struct kr_codes codes[] = {
    /* of the request */
    {KR_TAKEN, "0"},
    {KR_REJECT,
     "4 -2000 -2001 -2012 -2014 -2015 -2016 -2018 -2022 -2023 -2024 -2048 -8000 -6003 -9996 -9997"},
    {KR_GONE, "-2019 -6001"},
    {KR_STOP, "-1000 -1001 -1002 -1003 -1004 -1007 -1008 -9995 -9998"},
    {KR_SENDER, "-2312 -2313"},
    {KR_STOP, "-6000 -6004 -2110"}, /* 080 service, template */
    {KR_COUNTRY, "-2044 -2045 -2046 -2050"},
    {KR_STOP, "-2047 -2051 -2052 -2053"}, /* quota */
    {KR_RETRY, "-2021 -9999"},
    /* of the delivery */
    {KR_TAKEN, "1000 E915"}, /* E915: NHN has this message already */
    {KR_RETRY, "1001 3011 4009"},
    {KR_GONE, "1002 3001 3003 4003 4005"},
    {KR_SENDER, "1003 3017 3018 3019 4001 4002"},
    {KR_REJECT, "1019 2000 2001 2002 2003 2004 2005 2006 2007 3004 3005 3008 4004"}, /* handset or radio */
    {KR_REJECT, "3000 3006 3007 3010 3013 3014 3015 3016 4006 4007 E900 E999"},
    {KR_REJECT, "3002 3009 E911 E913"},
    {KR_REJECT, "3012 4008 4010"}, /* spam pattern */
    {KR_DAYLIGHT, "E919"},
};

static struct verdict judge_code(const char *code, const char *text, const struct message *message,
                                 int64_t now_ms)
{
    enum kr_meaning meaning = kr_codes_find(codes, sizeof codes / sizeof codes[0], code);
    if (meaning != KR_UNKNOWN)
        return kr_sms_verdict(meaning, message, code, text, now_ms);
    return verdict_make(VERDICT_IN_DOUBT, "HTTP 200 with a resultCode that is not known%s%s",
                        code[0] != '\0' ? ": " : "", code);
}

/* The request and its only recipient have a code each; both must be good. */
static struct verdict judge_body(struct json_object *body, const struct message *message, int64_t now_ms)
{
    char code[16];
    struct json_object *header = json_get(body, "header");
    struct json_object *data = json_get(json_get(body, "body"), "data");
    struct json_object *results = json_get(data, "sendResultList");
    kr_sms_code(header, "resultCode", code, sizeof code);
    struct verdict verdict = judge_code(code, json_get_text(header, "resultMessage"), message, now_ms);
    if (verdict.kind != VERDICT_SENT)
        return verdict;
    if (json_list_size(results) > 0) {
        struct json_object *result = json_list_item(results, 0);
        kr_sms_code(result, "resultCode", code, sizeof code);
        verdict = judge_code(code, json_get_text(result, "resultMessage"), message, now_ms);
        if (verdict.kind != VERDICT_SENT)
            return verdict;
    }
    verdict = kr_sms_taken(data, "requestId");
    kr_sms_code(data, "statusCode", code, sizeof code);
    if (strcmp(code, "3") == 0)
        return verdict_make(VERDICT_REJECTED, "statusCode 3: the vendor failed to send it");
    if (!json_get_bool(header, "isSuccessful", false) || verdict.provider_id[0] == '\0')
        return verdict_make(VERDICT_IN_DOUBT, "HTTP 200 with a body that is not NHN's");
    return verdict;
}

static struct verdict judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms)
{
    (void)settings;
    struct json_object *body = judge_json(response);
    const char *text = json_get_text(json_get(body, "header"), "resultMessage");
    struct verdict verdict = response->status == 200 ? judge_body(body, message, now_ms)
                                                     : kr_sms_judge_status(response, message, text, now_ms);
    json_object_put(body);
    return verdict;
}

/* SMS and LMS have lists of their own, which hold advertising too. */
static bool inquiry_build(const void *arg, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request)
{
    const struct nhn_settings *settings = arg;
    struct kr_sms_message sms;
    struct verdict verdict;
    struct sent_span search;
    char start[32], end[32];
    if (!kr_sms_search_span(&settings->sms, sent, now_ms, &search) ||
        !kr_sms_read(&settings->sms, message, arena, &sms, &verdict))
        return false;
    kr_sms_query_time(search.from_ms, start);
    kr_sms_query_time(search.upto_ms, end);
    *request = (struct request){
        .method = "GET",
        .path = arena_printf(arena,
                             "/sms/v3.0/appKeys/%s/sender/%s?startCreateDate=%s&endCreateDate=%s"
                             "&recipientGroupingKey=%s",
                             settings->app_key, sms.lms ? "mms" : "sms", start, end, message->uuid),
        .headers = {{"x-secret-key", settings->secret_key}},
        .header_count = 1,
    };
    return true;
}

/* msgStatus of a listed message. */
static const struct state {
    const char *code, *name;
    bool taken;
} states[] = {
    {"0", "failed", false},
    {"1", "requested", true},
    {"2", "processing", true},
    {"3", "success", true},
    {"4", "cancelled", false},
    {"5", "duplicate", false},
    {"6", "failed by the advertising limit", false},
    {"7", "waiting for the advertising limit", true},
};

static const struct state *find_state(struct json_object *item)
{
    char code[16];
    kr_sms_code(item, "msgStatus", code, sizeof code);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(states[i].code, code) == 0)
            return &states[i];
    }
    return NULL;
}

/* Each attempt has an entry of its own. One that failed may be an earlier one: it does not tell what became
 * of the last. */
static struct verdict inquiry_judge(const void *settings, const struct message *message,
                                    struct json_object *answer, const struct sent_span *sent)
{
    (void)settings;
    (void)sent;
    struct json_object *body = json_get(answer, "body"), *list = json_get(body, "data");
    if (!json_get_bool(json_get(answer, "header"), "isSuccessful", false) ||
        !json_object_is_type(list, json_type_array))
        return verdict_make(VERDICT_IN_DOUBT, "the vendor's list cannot be read: no data");
    size_t count = json_object_array_length(list);
    const char *failure = NULL;
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *key = json_get_text(item, "recipientGroupingKey");
        if (key == NULL || strcmp(key, message->uuid) != 0)
            continue;
        const struct state *state = find_state(item);
        if (state != NULL && state->taken)
            return kr_sms_taken(item, "requestId");
        failure = state != NULL ? state->name : "in no known state";
    }
    if (failure != NULL)
        return verdict_make(VERDICT_IN_DOUBT, "the vendor lists it as not taken: %s", failure);
    /* Other messages in a list that was asked for one key: the list is not what it should be. */
    return count == 0 && json_get_int(body, "totalCount", -1) == 0
               ? verdict_make(VERDICT_UNSENT, "the vendor's list does not have it")
               : verdict_make(VERDICT_IN_DOUBT, "the vendor's list has other messages only");
}

const struct adapter nhn_adapter = {
    .name = "nhn",
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
