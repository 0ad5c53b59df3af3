/* The limits of payloads in docs/payloads.md: the last size that an adapter takes, and the next one, which it
 * refuses. What SQL limits is in tests/sql/limits.sql; files of a mail, which are read before, in
 * mail_files.c. */
#include <string.h>

#include "core/buf.h"
#include "providers/http/webhook.h"
#include "providers/mail/smtp.h"
#include "providers/push/apns.h"
#include "providers/push/fcm.h"
#include "providers/push/webpush.h"
#include "providers/sms/solapi.h"
#include "providers/sms/twilio.h"
#include "providers/sms/vonage.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

enum { PAYLOAD_MAX = 4 << 20 };

static struct json_object *jose, *push;
static struct arena *arena;

static void setup(void)
{
    jose = vectors_load("jose.json");
    push = vectors_load("webpush_rfc8291.json");
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    json_object_put(jose);
    json_object_put(push);
}

static const char *ec_key(void)
{
    return test_text(jose, "rfc7515/2/private_key_pkcs8_pem");
}

static const char *service_account(void)
{
    struct buf json;
    const char *key = test_text(jose, "rfc7515/1/private_key_pkcs8_pem");
    buf_init(&json, PAYLOAD_MAX);
    buf_text(&json, "{\"project_id\":\"p\",\"client_email\":\"a@b.c\",\"private_key_id\":\"k\","
                    "\"token_uri\":\"https://oauth2.googleapis.com/token\",\"private_key\":");
    json_append_string(&json, key, strlen(key));
    buf_char(&json, '}');
    const char *text = arena_strdup(arena, buf_string(&json));
    buf_free(&json);
    return text;
}

static const char *subscription(void)
{
    return arena_printf(
        arena,
        "{\"endpoint\":\"https://updates.push.services.mozilla.com/x\",\"keys\":{\"p256dh\":\"%s\","
        "\"auth\":\"%s\"}}",
        test_text(push, "inputs/ua_public"), test_text(push, "inputs/auth_secret"));
}

/* Who is asked. A secret and a recipient that are made say so by a function. */
struct asked {
    const struct adapter *adapter;
    const char *settings, *secrets[ADAPTER_MAX_SECRETS], *recipient;
    const char *(*secret_of)(void), *(*recipient_of)(void);
};

static const struct asked ios = {
    .adapter = &apns_adapter,
    .settings = "{\"team_id\":\"DEF123GHIJ\",\"key_id\":\"ABC123DEFG\",\"topic\":\"a.b\"}",
    .secret_of = ec_key,
    .recipient = "00112233445566778899aabbccddeeff"};
static const struct asked ios_voip = {.adapter = &apns_adapter,
                                      .settings = "{\"team_id\":\"DEF123GHIJ\",\"key_id\":\"ABC123DEFG\","
                                                  "\"topic\":\"a.b.voip\",\"push_type\":\"voip\"}",
                                      .secret_of = ec_key,
                                      .recipient = "00112233445566778899aabbccddeeff"};
static const struct asked android = {.adapter = &fcm_adapter,
                                     .settings = "{}",
                                     .secret_of = service_account,
                                     .recipient = "fcm-token:APA91bHPRgkF3JUikC4"};
static const struct asked web = {.adapter = &webpush_adapter,
                                 .settings = "{\"subject\":\"mailto:push@example.com\"}",
                                 .secret_of = ec_key,
                                 .recipient_of = subscription};
static const struct asked mail = {
    .adapter = &smtp_adapter,
    .settings = "{\"url\":\"smtp://mail.example.com:587\",\"from\":\"a@b.c\",\"attachments_dir\":\"/d\"}",
    .recipient = "kim@example.org"};
static const struct asked korea = {.adapter = &solapi_adapter,
                                   .settings = "{\"from\":\"0212345678\"}",
                                   .secrets = {"NCSAYU7YDBXYORXC", "LOCALTESTSECRET0123456789ABCDEF0"},
                                   .recipient = "+821012345678"};
static const struct asked abroad = {.adapter = &vonage_adapter,
                                    .settings = "{\"api_key\":\"abcd1234\",\"from\":\"+15005550006\"}",
                                    .secrets = {"s3cret"},
                                    .recipient = "+15005550001"};
static const struct asked three_segments = {
    .adapter = &twilio_adapter,
    .settings = "{\"account_sid\":\"AC00000000000000000000000000000001\",\"from\":\"+15005550006\","
                "\"max_segments\":3}",
    .secrets = {"s3cret"},
    .recipient = "+15005550001"};
static const struct asked hook = {.adapter = &webhook_adapter,
                                  .settings = "{}",
                                  .secrets = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
                                  .recipient = "https://hooks.example.com/in"};

#define X90          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define FILE         "{\"name\":\"a\",\"file\":\"f\",\"data\":\"x\"}"
#define OCTETS(text) (int)(sizeof(text) - 1)

/* The payload is head, then part again and again, then tail. In part '#' stands for the number of the part.
 */
static const struct {
    const struct asked *asked;
    const char *head, *part, *tail;
    int around; /* what counts besides */
    int limit;
    const char *refusal; /* of one more */
    size_t body;         /* octets of the largest request's body; 0 = whatever */
} limits[] = {
    {&ios, "{\"body\":\"", "x", "\"}", OCTETS("{'aps':{'alert':{'body':''}},'outbox_id':'" TEST_UUID "'}"),
     4096, "payload: is 4097 octets, push_type alert allows 4096", 4096},
    {&ios_voip, "{\"body\":\"", "x", "\"}",
     OCTETS("{'aps':{'alert':{'body':''}},'outbox_id':'" TEST_UUID "'}"), 5120,
     "payload: is 5121 octets, push_type voip allows 5120", 5120},
    {&ios, "{\"body\":\"x\",\"collapse_id\":\"", "x", "\"}", 0, 64, "payload.collapse_id: must be 1 to 64",
     0},
    {&android, "{\"data\":{\"k\":\"", "x", "\"}}", OCTETS("k"), 4096,
     "payload: has at least 4097 octets, FCM allows 4096", 0},
    {&android, "{\"body\":\"x\",\"collapse_id\":\"", "x", "\"}", 0, 64,
     "payload.collapse_id: must be 1 to 64", 0},
    {&web, "{\"body\":\"", "x", "\"}",
     OCTETS("{'body':'','tag':'" TEST_UUID "','outbox_id':'" TEST_UUID "'}"), 3993,
     "payload: is 3994 octets, a web push holds 3993", 4096},
    {&web, "{\"body\":\"x\",\"topic\":\"", "x", "\"}", 0, 32, "payload.topic: must be 1 to 32", 0},
    {&mail, "{\"text\":\"t\",\"subject\":\"", "x", "\"}", 0, 2000,
     "payload.subject: is longer than 2000 octets", 0},
    {&mail, "{\"subject\":\"s\",\"text\":\"t\",\"headers\":{", "\"X-#\":\"\",", "\"X-0\":\"\"}}", 1, 20,
     "payload.headers: has more than 20 fields", 0},
    {&mail, "{\"subject\":\"s\",\"text\":\"t\",\"attachments\":[", FILE ",", FILE "]}", 1, 20,
     "payload.attachments: has more than 20 files", 0},
    {&mail, "{\"subject\":\"s\",\"text\":\"t\",\"attachments\":[{\"file\":\"f\",\"data\":\"x\",\"name\":\"",
     "x", "\"}]}", 0, 200, "payload.attachments.0.name: must be a file name of at most 200 octets", 0},
    {&korea, "{\"type\":\"sms\",\"text\":\"", "x", "\"}", 0, 90,
     "payload.text: has 91 octets in EUC-KR, an SMS has at most 90", 0},
    {&korea, "{\"type\":\"sms\",\"text\":\"", "가", "\"}", 0, 45,
     "payload.text: has 92 octets in EUC-KR, an SMS has at most 90", 0},
    {&korea, "{\"text\":\"", "x", "\"}", 0, 2000,
     "payload.text: has 2001 octets in EUC-KR, an LMS has at most 2000", 0},
    {&korea, "{\"text\":\"", "가", "\"}", 0, 1000,
     "payload.text: has 2002 octets in EUC-KR, an LMS has at most 2000", 0},
    {&korea, "{\"text\":\"x" X90 "\",\"subject\":\"", "x", "\"}", 0, 40,
     "payload.subject: has 41 octets in EUC-KR, an LMS has at most 40", 0},
    {&abroad, "{\"text\":\"", "x", "\"}", 0, 1530,
     "payload.text: takes 11 segments of GSM-7, at most 10 are allowed", 0},
    {&abroad, "{\"text\":\"", "가", "\"}", 0, 670,
     "payload.text: takes 11 segments of UCS-2, at most 10 are allowed", 0},
    {&three_segments, "{\"text\":\"", "x", "\"}", 0, 459,
     "payload.text: takes 4 segments of GSM-7, at most 3 are allowed", 0},
    {&abroad, "{\"text\":\"x\",\"from\":\"", "x", "\"}", 0, 11, "payload.from: must be a number", 0},
    {&hook, "{\"x\":\"", "x", "\"}",
     OCTETS("{'id':'" TEST_UUID "','timestamp':'2023-11-14T22:13:20.000Z','data':{'x':''}}"), 524288,
     "payload: makes a body of more than 524288 octets", 524288},
};

static const char *payload_of(size_t row, int count)
{
    static struct buf payload;
    buf_free(&payload);
    buf_init(&payload, PAYLOAD_MAX);
    buf_text(&payload, limits[row].head);
    const char *part = limits[row].part, *number = strchr(part, '#');
    for (int i = 1; i <= count; i++) {
        if (number != NULL)
            buf_printf(&payload, "%.*s%d%s", (int)(number - part), part, i, number + 1);
        else
            buf_text(&payload, part);
    }
    ck_assert(buf_text(&payload, limits[row].tail));
    return buf_string(&payload);
}

static bool build(const struct asked *asked, const void *settings, const char *payload,
                  struct request *request, struct verdict *verdict)
{
    const char *recipient = asked->recipient_of != NULL ? asked->recipient_of() : asked->recipient;
    struct message message = test_message(recipient, payload);
    return asked->adapter->build(settings, &message, "token", TEST_NOW_MS, arena, request, verdict);
}

START_TEST(test_limit)
{
    size_t row = (size_t)_i;
    const struct asked *asked = limits[row].asked;
    const char *secrets[ADAPTER_MAX_SECRETS], *refusal = limits[row].refusal;
    memcpy(secrets, asked->secrets, sizeof secrets);
    if (asked->secret_of != NULL)
        secrets[0] = asked->secret_of();
    struct error err = {""};
    void *settings = test_settings_new(asked->adapter, asked->settings, secrets, &err);
    ck_assert_msg(settings != NULL, "%s: %s", refusal, err.text);

    struct request request;
    struct verdict verdict = {.reason = ""};
    int last = limits[row].limit - limits[row].around;
    bool accepted = build(asked, settings, payload_of(row, last), &request, &verdict);
    ck_assert_msg(accepted, "%s: already %s", refusal, verdict.reason);
    ck_assert(limits[row].body == 0 || request.body_size == limits[row].body);
    accepted = build(asked, settings, payload_of(row, last + 1), &request, &verdict);
    ck_assert_msg(!accepted, "accepted: %s", refusal);
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    ck_assert_msg(strncmp(verdict.reason, refusal, strlen(refusal)) == 0, "%s: not %s", refusal,
                  verdict.reason);
    asked->adapter->settings_free(settings);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *payloads = tcase_create("payloads");
    tcase_add_checked_fixture(payloads, setup, teardown);
    tcase_add_loop_test(payloads, test_limit, 0, sizeof limits / sizeof *limits);
    suite_add_tcase(suite, payloads);
    return suite_run(suite);
}
