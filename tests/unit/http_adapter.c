#include <stdio.h>
#include <string.h>

#include "providers/http/http.h"
#include "support/http_settings.h"
#include "support/suite.h"
#include "support/test_adapter.h"

#define SECRET "open sesame"
#define PHONE  "+821012345678"
#define EVIL   "a\\\"b\\\\c&d=e<f>'g\\n/../?#%{}[],:\\u0001"

static struct arena *arena;

static void setup(void)
{
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
}

/* ---- settings ---- */

START_TEST(test_settings_refused)
{
    for (size_t i = 0; i < BAD_HTTP_SETTINGS; i++) {
        bool has_secret = strstr(bad_http_settings[i].json, "secret_env") != NULL;
        const char *error =
            test_settings_error(&http_adapter, bad_http_settings[i].json, has_secret ? SECRET : NULL);
        ck_assert_msg(strcmp(error, bad_http_settings[i].error) == 0, "%s: %s", bad_http_settings[i].json,
                      error);
    }
    ck_assert_str_eq(
        test_settings_error(&http_adapter, HTTP_BAD_BODY("\"headers\":{\"X-A\":\"\",\"x-a\":\"\"}"), NULL),
        "settings.headers.x-a: is set twice");
    ck_assert_str_eq(test_settings_error(&http_adapter, HTTP_BAD_AUTH("{\"type\":\"bearer\"}"), "a\r\nb: c"),
                     "secret secret: must be one line of printable ASCII");
    ck_assert_str_eq(test_settings_error(&http_adapter, HTTP_BAD_AUTH("{\"type\":\"bearer\"}"), ""),
                     "settings.auth: needs secret_file or secret_env");
}
END_TEST

START_TEST(test_settings_accepted)
{
    void *settings = test_settings_of(&http_adapter, GOOD_HTTP_SETTINGS, SECRET);
    struct endpoint_options options = {0};
    http_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://api.hanbit.example:8443");
    ck_assert_str_eq(options.ca_file, "/etc/ca.pem");
    ck_assert(!options.http2);
    http_adapter.settings_free(settings);
    http_adapter.settings_free(test_settings_of(&http_adapter, "{" HTTP_URL "}", NULL));
    http_adapter.settings_free(NULL);
}
END_TEST

/* ---- requests ---- */

/* The message with EVIL in payload.evil; the result lives in the arena. */
static struct request build(const char *json, const char *payload)
{
    void *settings = test_settings_of(&http_adapter, json, SECRET);
    struct message message = test_message(PHONE, payload);
    struct request request;
    struct verdict verdict = {.reason = ""};
    bool ok = http_adapter.build(settings, &message, NULL, TEST_NOW_MS + 90999, arena, &request, &verdict);
    ck_assert_msg(ok, "%s: %s", json, verdict.reason);
    /* What the request borrows from the settings. */
    request.method = arena_strdup(arena, request.method);
    for (size_t i = 0; i < request.header_count; i++) {
        request.headers[i].name = arena_strdup(arena, request.headers[i].name);
        request.headers[i].value = arena_strdup(arena, request.headers[i].value);
    }
    http_adapter.settings_free(settings);
    ck_assert_uint_eq(request.body_size, strlen(request.body));
    return request;
}

static void check_rejected(const char *json, const char *payload, const char *reason)
{
    void *settings = test_settings_of(&http_adapter, json, SECRET);
    struct message message = test_message(PHONE, payload);
    struct request request;
    struct verdict verdict = {.kind = VERDICT_SENT};
    bool ok = http_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict);
    ck_assert_msg(!ok, "accepted: %s %s", json, payload);
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    ck_assert_str_eq(verdict.reason, reason);
    http_adapter.settings_free(settings);
}

START_TEST(test_values)
{
    static const struct {
        const char *text, *value;
    } rows[] = {
        {"{{recipient}}", PHONE},
        {"{{recipient_digits}}", "821012345678"},
        {"{{uuid}}", TEST_UUID},
        {"{{id}}", "1"},
        {"{{attempt}}", "1"},
        {"{{payload.text}}", "안녕 \"x\""},
        {"{{&payload.text}}|{{{payload.text}}}", "안녕 \"x\"|안녕 \"x\""},
        {"{{payload.list.0}}{{#payload.list}}<{{.}}>{{/payload.list}}", NULL},
        {"{{#payload.list}}<{{.}}>{{/payload.list}}", "<1><b>"},
        {"{{#payload}}{{text}} {{recipient}}{{/payload}}", "안녕 \"x\" " PHONE},
        {"{{^payload.none}}no{{/payload.none}}", "no"},
        {"{{created}}", "2023-11-14T22:13:20Z"},
        {"{{now}}", "2023-11-14T22:14:50Z"},
        {"{{timestamp}}", "1700000090"},
        {"{{timestamp_ms}}", "1700000090999"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[512];
        snprintf(json, sizeof json, "{" HTTP_URL ",\"body\":{\"v\":\"%s\"}}", rows[i].text);
        const char *payload = "{\"text\":\"안녕 \\\"x\\\"\",\"list\":[1,\"b\"]}";
        if (rows[i].value == NULL) {
            check_rejected(json, payload, "settings.body: variable \"payload.list.0\" is missing");
            continue;
        }
        struct request request = build(json, payload);
        struct json_object *body = test_json(request.body);
        ck_assert_str_eq(test_text(body, "v"), rows[i].value);
        json_object_put(body);
    }
}
END_TEST

START_TEST(test_request)
{
    struct request request = build("{" HTTP_URL "}", "{}");
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/");
    ck_assert_uint_eq(request.header_count, 0);
    ck_assert_uint_eq(request.body_size, 0);
    ck_assert_ptr_null(request.origin);

    request = build(GOOD_HTTP_SETTINGS, "{\"account\":\"a/b\",\"text\":\"안녕\",\"note\":\"x\"}");
    ck_assert_str_eq(request.method, "PUT");
    ck_assert_str_eq(request.path, "/v2/a%2Fb/messages?id=" TEST_UUID "&n=1");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/vnd.hanbit+json; charset=UTF-8");
    ck_assert_str_eq(test_header(&request, "x-time"), "1700000090");
    ck_assert_str_eq(test_header(&request, "x-note"), "n=x");
    ck_assert_str_eq(request.body, "{\"to\":\"821012345678\",\"list\":[\"안녕\",1,true,null,{}],\"n\":[]}");
    ck_assert_uint_eq(request.header_count, 4);
}
END_TEST

/* Each place writes a hostile value so that it stays in its place. */
START_TEST(test_escaping)
{
    static const char payload[] = "{\"evil\":\"" EVIL "\",\"n\":1e+5,\"t\":true}";
    static const char percent[] = "a%22b%5Cc%26d%3De%3Cf%3E%27g%0A%2F..%2F%3F%23%25%7B%7D%5B%5D%2C%3A%01";
    char expected[512];
    struct request request =
        build("{" HTTP_URL ",\"path\":\"/{{{payload.evil}}}?x={{&payload.evil}}\"}", payload);
    snprintf(expected, sizeof expected, "/%s?x=%s", percent, percent);
    ck_assert_str_eq(request.path, expected);

    request = build("{" HTTP_URL ",\"content_type\":\"application/x-www-form-urlencoded\","
                    "\"body\":\"a={{payload.evil}}&n={{payload.n}}&t={{payload.t}}&to={{recipient}}\"}",
                    payload);
    snprintf(expected, sizeof expected, "a=%s&n=1e%%2B5&t=true&to=%%2B821012345678", percent);
    ck_assert_str_eq(request.body, expected);

    request = build("{" HTTP_URL ",\"content_type\":\"text/xml\",\"body\":\"<a b='{{{payload.evil}}}'/>\"}",
                    payload);
    ck_assert_str_eq(request.body, "<a b='a&#34;b\\c&#38;d=e&#60;f&#62;&#39;g\n/../?#%{}[],:\x01'/>");

    request =
        build("{" HTTP_URL ",\"content_type\":\"text/plain\",\"body\":\"<{{payload.evil}}>\"}", payload);
    ck_assert_str_eq(request.body, "<a\"b\\c&d=e<f>'g\n/../?#%{}[],:\x01>");

    static const char *const bodies[] = {
        "\"body\":{\"a\":\"{{{payload.evil}}}\"}",
        "\"content_type\":\"application/json\",\"body\":\"{\\\"a\\\":\\\"{{{payload.evil}}}\\\"}\"",
    };
    for (size_t i = 0; i < 2; i++) {
        char json[256];
        snprintf(json, sizeof json, "{" HTTP_URL ",%s}", bodies[i]);
        request = build(json, payload);
        struct json_object *body = test_json(request.body);
        ck_assert_int_eq(json_object_object_length(body), 1);
        ck_assert_str_eq(test_text(body, "a"), "a\"b\\c&d=e<f>'g\n/../?#%{}[],:\x01");
        json_object_put(body);
    }
}
END_TEST

#define JSON_TEXT(text) "{" HTTP_URL ",\"content_type\":\"application/json\",\"body\":\"" text "\"}"

/* Without quotes only numbers and booleans may stand. */
START_TEST(test_json_text)
{
    struct request request =
        build(JSON_TEXT("{\\\"n\\\":{{payload.n}},\\\"t\\\":{{payload.t}},\\\"s\\\":[{{#payload.l}}"
                        "\\\"{{.}}\\\",{{/payload.l}}0]}"),
              "{\"n\":12,\"t\":false,\"l\":[\"x\",\"한\"]}");
    struct json_object *body = test_json(request.body);
    ck_assert_str_eq(json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN),
                     "{\"n\":12,\"t\":false,\"s\":[\"x\",\"한\",0]}");
    json_object_put(body);
    static const char *const values[] = {"12", "true",      "null", "[1]", "{}", "1,\\\"a\\\":2",
                                         "1}", "\\\"x\\\"", "한",   "-1",  "",   "1,\\\"admin\\\":true",
                                         " 1", "//"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char payload[128];
        snprintf(payload, sizeof payload, "{\"n\":\"%s\"}", values[i]);
        check_rejected(JSON_TEXT("{\\\"n\\\":{{{payload.n}}}}"), payload,
                       "settings.body: does not become JSON with these values");
    }
}
END_TEST

START_TEST(test_rejected)
{
    static const struct {
        const char *json, *payload, *reason;
    } rows[] = {
        {HTTP_BAD_BODY("\"path\":\"/{{payload.x}}\""), "{}",
         "settings.path: variable \"payload.x\" is missing"},
        {HTTP_BAD_BODY("\"path\":\"/{{payload.x}}\""), "{\"x\":{}}",
         "settings.path: variable \"payload.x\" is not a text, number or boolean"},
        {HTTP_BAD_BODY("\"path\":\"/a/{{payload.x}}/b\""), "{\"x\":\"..\"}",
         "settings.path: a value makes a segment of dots"},
        {HTTP_BAD_BODY("\"path\":\"/a/{{payload.x}}\""), "{\"x\":\".\"}",
         "settings.path: a value makes a segment of dots"},
        {HTTP_BAD_BODY("\"headers\":{\"X-A\":\"{{payload.x}}\"}"), "{\"x\":\"a\\r\\nx-b: c\"}",
         "settings.headers.x-a: must be printable ASCII"},
        {HTTP_BAD_BODY("\"headers\":{\"X-A\":\"{{payload.x}}\"}"), "{\"x\":\"한\"}",
         "settings.headers.x-a: must be printable ASCII"},
        {HTTP_BAD_BODY("\"headers\":{\"X-A\":\"{{payload.x}}\"}"), "{}",
         "settings.headers.x-a: variable \"payload.x\" is missing"},
        {HTTP_BAD_BODY("\"body\":{\"a\":\"{{payload.x}}\"}"), "{}",
         "settings.body: variable \"payload.x\" is missing"},
        {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"x-s\",\"sign\":\"{{payload.x}}\"}"), "{}",
         "settings.auth.sign: variable \"payload.x\" is missing"},
        {HTTP_BAD_AUTH("{\"type\":\"hmac\",\"header\":\"x-s\",\"sign\":\"\",\"prefix\":\"{{payload.x}}\"}"),
         "{\"x\":\"\\n\"}", "settings.auth.prefix of x-s: must be printable ASCII"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_rejected(rows[i].json, rows[i].payload, rows[i].reason);

    static char payload[HTTP_BODY_MAX + 32];
    snprintf(payload, sizeof payload, "{\"x\":\"%0*d\"}", HTTP_PATH_MAX, 0);
    check_rejected(HTTP_BAD_BODY("\"path\":\"/{{payload.x}}\""), payload,
                   "settings.path: template: too much output");
    snprintf(payload, sizeof payload, "{\"x\":\"%0*d\"}", HTTP_BODY_MAX, 0);
    check_rejected(HTTP_BAD_BODY("\"body\":{\"a\":\"{{payload.x}}\"}"), payload,
                   "settings.body: becomes longer than 524288 octets");
    check_rejected(HTTP_BAD_BODY("\"content_type\":\"text/plain\",\"body\":\"x{{payload.x}}\""), payload,
                   "settings.body: template: too much output");
}
END_TEST

START_TEST(test_auth)
{
    static const struct {
        const char *auth, *header, *value;
    } rows[] = {
        {"{\"type\":\"none\"}", "authorization", NULL},
        /* RFC 7617, 2. */
        {"{\"type\":\"basic\",\"username\":\"Aladdin\"}", "authorization",
         "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"{\"type\":\"bearer\"}", "authorization", "Bearer open sesame"},
        {"{\"type\":\"bearer\",\"header\":\"X-Api-Key\",\"prefix\":\"\"}", "x-api-key", "open sesame"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[256];
        snprintf(json, sizeof json, "{" HTTP_URL ",\"secret_env\":\"K\",\"auth\":%s}", rows[i].auth);
        struct request request = build(json, "{}");
        const char *value = test_header(&request, rows[i].header);
        ck_assert_msg(rows[i].value == NULL ? value == NULL
                                            : value != NULL && strcmp(value, rows[i].value) == 0,
                      "%s: %s", rows[i].auth, value);
    }
}
END_TEST

/* RFC 4231, 4.3, and RFC 2202, 3 (test case 2): key "Jefe". */
START_TEST(test_hmac)
{
    static const struct {
        const char *options, *value;
    } rows[] = {
        {"", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {",\"prefix\":\"sha256=\",\"algorithm\":\"sha256\",\"encoding\":\"hex\"",
         "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {",\"encoding\":\"base64\"", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="},
        {",\"algorithm\":\"sha1\",\"prefix\":\"d={{timestamp}} s=\"",
         "d=1700000000 s=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[512];
        snprintf(json, sizeof json,
                 "{" HTTP_URL ",\"path\":\"/nothing\",\"secret_env\":\"K\",\"content_type\":\"text/plain\","
                 "\"body\":\"{{payload.w}} do\",\"auth\":{\"type\":\"hmac\",\"header\":\"X-S\","
                 "\"sign\":\"{{body}} ya want for nothing?\"%s}}",
                 rows[i].options);
        void *settings = test_settings_of(&http_adapter, json, "Jefe");
        struct message message = test_message(PHONE, "{\"w\":\"what\"}");
        struct request request;
        struct verdict verdict;
        ck_assert(http_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
        ck_assert_str_eq(test_header(&request, "x-s"), rows[i].value);
        http_adapter.settings_free(settings);
    }
}
END_TEST

/* What is signed is exactly what is sent. */
START_TEST(test_hmac_of_request)
{
    static const char json[] =
        "{" HTTP_URL ",\"method\":\"PUT\",\"path\":\"/{{payload.x}}?a=1\",\"secret_env\":\"K\","
        "\"body\":{\"x\":\"{{payload.x}}\"},\"auth\":{\"type\":\"hmac\",\"header\":\"x-s\","
        "\"sign\":\"{{method}} {{path}} {{timestamp}} {{{body}}}\"}}";
    static const char same[] =
        "{" HTTP_URL ",\"secret_env\":\"K\",\"auth\":{\"type\":\"hmac\",\"header\":\"x-s\","
        "\"sign\":\"{{payload.text}}\"}}";
    struct request request = build(json, "{\"x\":\"a\\\"/\"}");
    ck_assert_str_eq(request.path, "/a%22%2F?a=1");
    const char *signature = test_header(&request, "x-s");
    request = build(same, "{\"text\":\"PUT /a%22%2F?a=1 1700000090 {\\\"x\\\":\\\"a\\\\\\\"/\\\"}\"}");
    ck_assert_str_eq(signature, test_header(&request, "x-s"));
}
END_TEST

/* ---- answers ---- */

static const char vendor[] =
    "{" HTTP_URL ",\"response\":{\"reason\":\"$.error.text\","
    "\"sent\":{\"status\":[200,202],\"json\":{\"$.result.code\":[\"0000\",1]},\"id\":\"$.messages[0].id\","
    "\"cost\":\"$.price\",\"currency\":\"KRW\"},"
    "\"rules\":["
    "{\"status\":[200],\"json\":{\"$.result.code\":[\"E101\",\"E102\"]},\"verdict\":\"address_gone\"},"
    "{\"json\":{\"$.result.code\":[\"E200\"],\"$.fatal\":[true]},\"verdict\":\"stopped\"},"
    "{\"json\":{\"$.result.code\":[\"E200\"]},\"verdict\":\"rejected\",\"reason\":\"$.result.why\"},"
    "{\"status\":[409],\"verdict\":\"sent\"},"
    "{\"status\":[429],\"verdict\":\"throttled\",\"wait\":30},"
    "{\"status\":[418],\"verdict\":\"throttled\"},"
    "{\"status\":[420],\"verdict\":\"retry\",\"wait\":7,\"retry_after\":false},"
    "{\"status\":[419],\"verdict\":\"retry\",\"retry_after\":false},"
    "{\"status\":[\"5xx\"],\"json\":{\"$[0].state\":[\"busy\"]},\"verdict\":\"retry\",\"wait\":5},"
    "{\"status\":[422],\"verdict\":\"in_doubt\"}]}}";

START_TEST(test_judge)
{
    static const struct {
        int status;
        const char *body, *retry_after, *verdict, *reason;
        int64_t wait_ms;
    } rows[] = {
        {200, "{\"result\":{\"code\":\"0000\"}}", NULL, "sent", "", 0},
        {202, "{\"result\":{\"code\":1}}", NULL, "sent", "", 0},
        {200, "{\"result\":{\"code\":\"1\"}}", NULL, "sent", "", 0},
        {409, "", NULL, "sent", "", 0},
        {200, "{\"result\":{\"code\":\"E101\"}}", NULL, "address_gone", "HTTP 200", 0},
        {200, "{\"result\":{\"code\":\"E102\"},\"error\":{\"text\":\"no " PHONE " here\"}}", NULL,
         "address_gone", "HTTP 200 no [hidden] here", 0},
        {400, "{\"result\":{\"code\":\"E200\"},\"fatal\":true}", NULL, "stopped", "HTTP 400", 0},
        {400, "{\"result\":{\"code\":\"E200\",\"why\":\"bad\\ntext\"},\"fatal\":false}", NULL, "rejected",
         "HTTP 400 bad text", 0},
        {429, "", NULL, "throttled", "HTTP 429", 30000},
        {429, "", "2", "throttled", "HTTP 429", 2000},
        {418, "", NULL, "throttled", "HTTP 418", 0},
        {418, "", "9", "throttled", "HTTP 418", 9000},
        {420, "", "2", "retry", "HTTP 420", 7000},
        {419, "", "2", "retry", "HTTP 419", 0},
        {500, "[{\"state\":\"busy\"}]", NULL, "retry", "HTTP 500", 5000},
        {422, "", NULL, "in_doubt", "HTTP 422", 0},
        /* by the status alone */
        {202, "{\"result\":{\"code\":\"E101\"}}", NULL, "in_doubt",
         "HTTP 202, which settings.response does not know", 0},
        {200, "", NULL, "in_doubt", "HTTP 200, which settings.response does not know", 0},
        {200, "{\"result\":{\"code\":\"0000\"}", NULL, "in_doubt",
         "HTTP 200, which settings.response does not know", 0},
        {200, "{\"result\":{\"code\":[\"0000\"]}}", NULL, "in_doubt",
         "HTTP 200, which settings.response does not know", 0},
        {200, "{\"result\":\"0000\",\"error\":{\"text\":\"why\"}}", NULL, "in_doubt",
         "HTTP 200, which settings.response does not know: why", 0},
        {200, "<html>", NULL, "in_doubt", "HTTP 200, which settings.response does not know", 0},
        {204, "", NULL, "in_doubt", "HTTP 204, which settings.response does not know", 0},
        {302, "", NULL, "stopped", "HTTP 302", 0},
        {400, "", NULL, "rejected", "HTTP 400", 0},
        {400, "{\"error\":{\"text\":\"no\"}}", NULL, "rejected", "HTTP 400 no", 0},
        {400, "{\"error\":{\"text\":{}}}", NULL, "rejected", "HTTP 400", 0},
        {401, "", NULL, "stopped", "HTTP 401", 0},
        {403, "", NULL, "stopped", "HTTP 403", 0},
        {404, "", NULL, "rejected", "HTTP 404", 0},
        {408, "", NULL, "retry", "HTTP 408", 0},
        {500, "", NULL, "in_doubt", "HTTP 500", 0},
        {500, "[{\"state\":\"idle\"}]", NULL, "in_doubt", "HTTP 500", 0},
        {502, "", "5", "in_doubt", "HTTP 502", 0},
        {503, "", NULL, "retry", "HTTP 503", 0},
        {503, "", "5", "retry", "HTTP 503", 5000},
        {504, "", NULL, "in_doubt", "HTTP 504", 0},
    };
    void *settings = test_settings_of(&http_adapter, vendor, NULL);
    struct message message = test_message(PHONE, "{}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        if (rows[i].retry_after != NULL)
            response.headers[response.header_count++] = (struct header){"retry-after", rows[i].retry_after};
        struct verdict verdict = adapter_judge(&http_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s, not %s",
                      rows[i].status, rows[i].body, verdict_name(verdict.kind), rows[i].verdict);
        ck_assert_str_eq(verdict.reason, rows[i].reason);
        ck_assert_msg(verdict.not_before_ms == (rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0),
                      "%d %s: %lld", rows[i].status, rows[i].body, (long long)verdict.not_before_ms);
    }
    struct response lost = {.state = SEND_IN_DOUBT, .fault = FAULT_TIMEOUT, .body = ""};
    ck_assert_int_eq(adapter_judge(&http_adapter, settings, &message, &lost, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
    lost = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = ""};
    ck_assert_int_eq(adapter_judge(&http_adapter, settings, &message, &lost, TEST_NOW_MS).kind,
                     VERDICT_UNSENT);
    struct response cut = test_answer(200, "{\"result\":{\"code\":\"0000\"}}");
    cut.body_truncated = true;
    ck_assert_int_eq(adapter_judge(&http_adapter, settings, &message, &cut, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
    http_adapter.settings_free(settings);
}
END_TEST

START_TEST(test_judge_sent)
{
    static const struct {
        const char *members, *id, *cost, *currency;
    } rows[] = {
        {",\"messages\":[{\"id\":\"M-1\"}],\"price\":\"9.9\"", "M-1", "9.9", "KRW"},
        {",\"messages\":[{\"id\":17}],\"price\":20", "17", "20", "KRW"},
        {",\"messages\":[],\"price\":\"-1\"", "", "", ""},
        {",\"messages\":{},\"price\":\"1.\"", "", "", ""},
        {",\"messages\":[{\"id\":{}}],\"price\":\"1e5\"", "", "", ""},
        {",\"price\":\"0123456789012345678901234\"", "", "", ""},
        {",\"price\":0.05", "", "0.05", "KRW"},
        {"", "", "", ""},
    };
    void *settings = test_settings_of(&http_adapter, vendor, NULL);
    struct message message = test_message(PHONE, "{}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"result\":{\"code\":\"0000\"}%s}", rows[i].members);
        struct response response = test_answer(200, body);
        struct verdict verdict = adapter_judge(&http_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_int_eq(verdict.kind, VERDICT_SENT);
        ck_assert_str_eq(verdict.provider_id, rows[i].id);
        ck_assert_str_eq(verdict.cost, rows[i].cost);
        ck_assert_str_eq(verdict.currency, rows[i].currency);
    }
    http_adapter.settings_free(settings);

    /* Without a word about answers, 2xx is sent. */
    settings = test_settings_of(&http_adapter, "{" HTTP_URL "}", NULL);
    struct response response = test_answer(204, "");
    ck_assert_int_eq(adapter_judge(&http_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_SENT);
    response.status = 300;
    ck_assert_int_eq(adapter_judge(&http_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_STOPPED);
    http_adapter.settings_free(settings);

    /* The currency may come from the answer. */
    settings = test_settings_of(&http_adapter, HTTP_BAD_SENT("\"cost\":\"$.p\",\"currency\":\"$.c\""), NULL);
    response = test_answer(200, "{\"p\":1,\"c\":\"USD\"}");
    ck_assert_str_eq(adapter_judge(&http_adapter, settings, &message, &response, TEST_NOW_MS).currency,
                     "USD");
    response = test_answer(200, "{\"p\":1,\"c\":\"dollars\"}");
    ck_assert_str_eq(adapter_judge(&http_adapter, settings, &message, &response, TEST_NOW_MS).currency, "");
    http_adapter.settings_free(settings);
}
END_TEST

/* ---- the example of docs/http-adapter.md ---- */

static char page[32768];

static void *example_settings(void)
{
    FILE *file = fopen("docs/http-adapter.md", "r");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(page, 1, sizeof page - 1, file);
    fclose(file);
    page[size] = '\0';
    const char *start = strstr(page, "$json$"), *end = start == NULL ? NULL : strstr(start + 6, "$json$");
    ck_assert_ptr_nonnull(end);
    return test_settings_of(&http_adapter, arena_strndup(arena, start + 6, (size_t)(end - start - 6)),
                            "saetbyeol-secret");
}

START_TEST(test_example_request)
{
    void *settings = example_settings();
    struct message message = test_message(PHONE, "{\"text\": \"안녕 \\\"you\\\"\"}");
    struct request request;
    struct verdict verdict;
    ck_assert(http_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "```\n%s %s\n", request.method, request.path);
    for (size_t i = 0; i < request.header_count; i++)
        buf_printf(&text, "%s: %s\n", request.headers[i].name, request.headers[i].value);
    buf_printf(&text, "\n%s\n```", request.body);
    ck_assert_msg(strstr(page, buf_string(&text)) != NULL, "%s", buf_string(&text));
    buf_free(&text);
    http_adapter.settings_free(settings);
}
END_TEST

START_TEST(test_example_answers)
{
    static const struct {
        int status;
        const char *body, *verdict, *reason;
        int64_t wait_ms;
    } rows[] = {
        {200, "{\"code\":\"0000\",\"message\":{\"id\":\"SB-1\",\"price\":9.5}}", "sent", "", 0},
        {200, "{\"code\":\"2001\",\"text\":\"no such number\"}", "address_gone", "HTTP 200 no such number",
         0},
        {200, "{\"code\":\"2101\",\"text\":\"forbidden word\"}", "rejected", "HTTP 200 forbidden word", 0},
        {200, "{\"code\":\"3000\"}", "stopped", "HTTP 200", 0},
        {200, "{\"code\":\"9001\"}", "retry", "HTTP 200", 10000},
        {429, "", "throttled", "HTTP 429", 60000},
        {200, "{\"code\":\"0001\"}", "in_doubt", "HTTP 200, which settings.response does not know", 0},
        {500, "", "in_doubt", "HTTP 500", 0},
    };
    void *settings = example_settings();
    struct message message = test_message(PHONE, "{}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char cell[256];
        snprintf(cell, sizeof cell, rows[i].body[0] != '\0' ? "| %d `%s` | %s" : "| %d%s | %s",
                 rows[i].status, rows[i].body, rows[i].verdict);
        ck_assert_msg(strstr(page, cell) != NULL, "the page lacks: %s", cell);
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict = adapter_judge(&http_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_str_eq(verdict_name(verdict.kind), rows[i].verdict);
        ck_assert_str_eq(verdict.reason, rows[i].reason);
        ck_assert_int_eq(verdict.not_before_ms, rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0);
        ck_assert_str_eq(verdict.provider_id, i == 0 ? "SB-1" : "");
        ck_assert_str_eq(verdict.cost, i == 0 ? "9.5" : "");
        ck_assert_str_eq(verdict.currency, i == 0 ? "KRW" : "");
    }
    http_adapter.settings_free(settings);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_adapter");
    TCase *tests = tcase_create("http_adapter");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings_refused);
    tcase_add_test(tests, test_settings_accepted);
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_request);
    tcase_add_test(tests, test_escaping);
    tcase_add_test(tests, test_json_text);
    tcase_add_test(tests, test_rejected);
    tcase_add_test(tests, test_auth);
    tcase_add_test(tests, test_hmac);
    tcase_add_test(tests, test_hmac_of_request);
    tcase_add_test(tests, test_judge);
    tcase_add_test(tests, test_judge_sent);
    tcase_add_test(tests, test_example_request);
    tcase_add_test(tests, test_example_answers);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
