#include "providers/receipt_signatures.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

enum { FIELDS = 16 };

static struct json_object *vectors;

static void setup(void)
{
    vectors = vectors_load("webhook_signatures.json");
}

static void teardown(void)
{
    json_object_put(vectors);
}

static size_t read_fields(struct json_object *params, struct receipt_field *fields)
{
    size_t count = 0;
    struct json_object_iter member;
    json_object_object_foreachC(params, member)
    {
        ck_assert_uint_lt(count, FIELDS - 1);
        fields[count++] = (struct receipt_field){member.key, json_object_get_string(member.val)};
    }
    return count;
}

START_TEST(test_twilio_vectors)
{
    struct json_object *cases = test_at(vectors, "twilio/cases");
    const char *token = test_text(vectors, "twilio/auth_token");
    ck_assert_uint_eq(json_object_array_length(cases), 5);
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        struct json_object *entry = json_object_array_get_idx(cases, i);
        struct receipt_field fields[FIELDS];
        size_t count = read_fields(json_get(entry, "params"), fields);
        const char *url = test_text(entry, "url"), *signature = test_text(entry, "signature");
        const char *body = json_get_text(entry, "body") != NULL ? json_get_text(entry, "body") : "";
        size_t size = strlen(body);
        ck_assert_msg(receipt_signature_twilio_ok(token, url, fields, count, body, size, signature),
                      "case %zu", i);
        ck_assert(!receipt_signature_twilio_ok("12346", url, fields, count, body, size, signature));
        ck_assert(
            !receipt_signature_twilio_ok(token, "https://h.example/", fields, count, body, size, signature));
        ck_assert(!receipt_signature_twilio_ok(token, url, fields, count, body, size, ""));
        char longer[64];
        snprintf(longer, sizeof longer, "%sx", signature);
        ck_assert(!receipt_signature_twilio_ok(token, url, fields, count, body, size, longer));
        ck_assert(!receipt_signature_twilio_ok(token, url, fields, count, body, size,
                                               "0/KCTR6DLpKmkAf8muzZqo1nDgR="));
        if (count > 0) {
            ck_assert(!receipt_signature_twilio_ok(token, url, fields, count - 1, body, size, signature));
            fields[0].value = "x";
            ck_assert(!receipt_signature_twilio_ok(token, url, fields, count, body, size, signature));
        } else {
            ck_assert(!receipt_signature_twilio_ok(token, url, fields, 0, "{\"a\":2}", 7, signature));
        }
    }
}
END_TEST

/* The first vector's signature is for a URL without a port. */
START_TEST(test_twilio_ports)
{
    static const struct {
        const char *url;
        bool valid;
    } rows[] = {
        {"https://mycompany.com/myapp.php?foo=1&bar=2", true},
        {"https://mycompany.com:443/myapp.php?foo=1&bar=2", true},
        {"https://mycompany.com:8443/myapp.php?foo=1&bar=2", true},
        {"https://mycompany.com:x/myapp.php?foo=1&bar=2", false},
        {"https://mycompany.com443/myapp.php?foo=1&bar=2", false},
        {"http://mycompany.com/myapp.php?foo=1&bar=2", false},
        {"mycompany.com/myapp.php?foo=1&bar=2", false},
    };
    struct receipt_field fields[FIELDS];
    size_t count = read_fields(test_at(vectors, "twilio/cases/0/params"), fields);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(receipt_signature_twilio_ok("12345", rows[i].url, fields, count, "", 0,
                                                  "0/KCTR6DLpKmkAf8muzZqo1nDgQ=") == rows[i].valid,
                      "%s", rows[i].url);
}
END_TEST

/* A name that comes twice counts with its different values, sorted; the order of arrival does not count. */
START_TEST(test_twilio_order)
{
    struct receipt_field fields[FIELDS];
    size_t count = read_fields(test_at(vectors, "twilio/cases/0/params"), fields);
    struct receipt_field first = fields[0];
    fields[0] = fields[count - 1];
    fields[count - 1] = first;
    fields[count] = fields[2];
    ck_assert(receipt_signature_twilio_ok("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", fields,
                                          count + 1, "", 0, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="));
    fields[count].value = "other";
    ck_assert(!receipt_signature_twilio_ok("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", fields,
                                           count + 1, "", 0, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="));
}
END_TEST

static const char *twilio_accepts(struct json_object *entry, struct arena *arena)
{
    struct json_object *params = json_get(entry, "params");
    size_t count = json_object_array_length(params);
    struct receipt_field *fields = arena_alloc(arena, (count + 1) * sizeof *fields);
    for (size_t i = 0; i < count; i++) {
        struct json_object *pair = json_object_array_get_idx(params, i);
        fields[i] = (struct receipt_field){test_text(pair, "0"), test_text(pair, "1")};
    }
    const char *body = test_text(entry, "body");
    bool valid = receipt_signature_twilio_ok(test_text(entry, "token"), test_text(entry, "url"), fields,
                                             count, body, strlen(body), test_text(entry, "signature"));
    return valid ? "true" : "false";
}

START_TEST(test_cases)
{
    test_answer_cases(twilio_accepts);
}
END_TEST

static const struct {
    const char *method, *vector;
} methods[] = {
    {"md5hash", "vonage_sms/md5hash"},    {"md5", "vonage_sms/hmac_md5"},
    {"sha1", "vonage_sms/hmac_sha1"},     {"sha256", "vonage_sms/hmac_sha256"},
    {"sha512", "vonage_sms/hmac_sha512"},
};

START_TEST(test_vonage_vectors)
{
    const int64_t now_ms = INT64_C(1461605396000);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct receipt_field fields[FIELDS];
        size_t count = read_fields(test_at(vectors, "vonage_sms/params"), fields);
        const char *method = methods[i].method, *sig = test_text(vectors, methods[i].vector);
        char upper[256] = "";
        for (size_t n = 0; sig[n] != '\0'; n++)
            upper[n] = (char)toupper((unsigned char)sig[n]);
        ck_assert(!receipt_signature_vonage_ok(method, "secret", fields, count, now_ms));
        fields[count++] = (struct receipt_field){"sig", sig};
        ck_assert_msg(receipt_signature_vonage_ok(method, "secret", fields, count, now_ms), "%s", method);
        ck_assert(!receipt_signature_vonage_ok(method, "Secret", fields, count, now_ms));
        ck_assert(!receipt_signature_vonage_ok(method, "", fields, count, now_ms));
        ck_assert(!receipt_signature_vonage_ok("sha384", "secret", fields, count, now_ms));
        ck_assert(receipt_signature_vonage_ok(method, "secret", fields, count, now_ms + 300000));
        ck_assert(!receipt_signature_vonage_ok(method, "secret", fields, count, now_ms + 300001));
        ck_assert(receipt_signature_vonage_ok(method, "secret", fields, count, now_ms - 300000));
        ck_assert(!receipt_signature_vonage_ok(method, "secret", fields, count, now_ms - 300001));
        fields[count - 1].value = upper;
        ck_assert(receipt_signature_vonage_ok(method, "secret", fields, count, now_ms));
        fields[count - 1].value = "";
        ck_assert(!receipt_signature_vonage_ok(method, "secret", fields, count, now_ms));
        fields[count - 1].value = sig;
        fields[0].value = "2";
        ck_assert(!receipt_signature_vonage_ok(method, "secret", fields, count, now_ms));
    }
}
END_TEST

/* The digest is MD5 of "&a=1_2_3&b=&timestamp=1461605396secret". */
START_TEST(test_vonage_separators)
{
    const struct receipt_field fields[] = {
        {"timestamp", "1461605396"},
        {"b", ""},
        {"sig", "4e30ee80a215bf30a7d0334015846fec"},
        {"a", "1&2=3"},
    };
    ck_assert(receipt_signature_vonage_ok("md5hash", "secret", fields, 4, INT64_C(1461605396000)));
}
END_TEST

START_TEST(test_vonage_timestamp)
{
    static const char *const rows[] = {"", "x", "1461605396x", "-1", "9999999999999"};
    struct receipt_field fields[FIELDS];
    size_t count = read_fields(test_at(vectors, "vonage_sms/params"), fields);
    fields[count++] = (struct receipt_field){"sig", test_text(vectors, "vonage_sms/md5hash")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_str_eq(fields[2].name, "timestamp");
        fields[2].value = rows[i];
        ck_assert(!receipt_signature_vonage_ok("md5hash", "secret", fields, count, INT64_C(1461605396000)));
    }
    fields[2].name = "time";
    ck_assert(!receipt_signature_vonage_ok("md5hash", "secret", fields, count, INT64_C(1461605396000)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("receipt_signatures");
    TCase *cases = tcase_create("receipt_signatures");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_twilio_vectors);
    tcase_add_test(cases, test_twilio_ports);
    tcase_add_test(cases, test_twilio_order);
    tcase_add_test(cases, test_vonage_vectors);
    tcase_add_test(cases, test_vonage_separators);
    tcase_add_test(cases, test_vonage_timestamp);
    suite_add_tcase(suite, cases);
    suite_add(suite, test_cases);
    return suite_run(suite);
}
