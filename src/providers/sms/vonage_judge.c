/* What Vonage's answers mean: HTTP 200 even for failures, with a status for each part of the message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/judge.h"
#include "providers/sms/sms.h"
#include "providers/sms/vonage.h"

enum { THROTTLED_WAIT_MS = 1000, ACCEPTED = 0, INVALID_SENDER = 15 };

static const struct row {
    int status;
    enum verdict_kind kind;
} rows[] = {
    {1, VERDICT_THROTTLED}, {2, VERDICT_REJECTED},   {3, VERDICT_REJECTED},      {4, VERDICT_STOPPED},
    {5, VERDICT_RETRY},     {6, VERDICT_REJECTED},   {7, VERDICT_ADDRESS_GONE},  {8, VERDICT_STOPPED},
    {9, VERDICT_STOPPED},   {10, VERDICT_THROTTLED}, {11, VERDICT_STOPPED},      {12, VERDICT_REJECTED},
    {14, VERDICT_STOPPED},  {15, VERDICT_STOPPED},   {22, VERDICT_REJECTED},     {23, VERDICT_STOPPED},
    {29, VERDICT_STOPPED},  {32, VERDICT_STOPPED},   {33, VERDICT_ADDRESS_GONE},
};

/* -1 when there is none. */
static int part_status(struct json_object *part)
{
    struct json_object *value = json_get(part, "status");
    if (json_object_is_type(value, json_type_int)) {
        int64_t number = json_object_get_int64(value);
        return number >= 0 && number < 1000 ? (int)number : -1;
    }
    const char *text = json_get_text(part, "status");
    size_t size = text == NULL ? 0 : strspn(text, "0123456789");
    return size > 0 && size < 4 && text[size] == '\0' ? (int)strtol(text, NULL, 10) : -1;
}

/* The price is per part, in euro, and has at most 8 decimal places. */
static void add_cost(struct verdict *verdict, struct json_object *parts)
{
    double total = 0;
    size_t count = json_object_array_length(parts);
    for (size_t i = 0; i < count; i++) {
        const char *price = json_get_text(json_list_item(parts, i), "message-price");
        char *end;
        if (price == NULL || price[0] == '\0' || price[strspn(price, "0123456789.")] != '\0')
            return;
        total += strtod(price, &end);
        if (*end != '\0')
            return;
    }
    char text[32];
    snprintf(text, sizeof text, "%.8f", total);
    sms_cost(verdict, text, "EUR");
}

static struct verdict judge_refusal(int status, struct json_object *part, const struct message *message,
                                    const struct response *response, int64_t now_ms)
{
    char text[JUDGE_TEXT], reason[JUDGE_TEXT + 32];
    sms_reason(text, sizeof text, json_get_text(part, "error-text"), message);
    snprintf(reason, sizeof reason, "status %d%s%s", status, text[0] != '\0' ? ": " : "", text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status != status)
            continue;
        bool of_message = status == INVALID_SENDER && sms_has_own_sender(message);
        struct verdict verdict = verdict_make(of_message ? VERDICT_REJECTED : rows[i].kind, "%s", reason);
        if (verdict.kind == VERDICT_THROTTLED)
            judge_wait(&verdict, response, now_ms, THROTTLED_WAIT_MS);
        return verdict;
    }
    return judge_status(response, reason, now_ms);
}

static struct verdict judge_parts(struct json_object *parts, const struct message *message,
                                  const struct response *response, int64_t now_ms)
{
    size_t count = json_list_size(parts);
    size_t accepted = 0;
    struct json_object *refused = NULL;
    for (size_t i = 0; i < count; i++) {
        struct json_object *part = json_list_item(parts, i);
        int status = part_status(part);
        if (status < 0)
            count = 0;
        else if (status == ACCEPTED)
            accepted++;
        else if (refused == NULL)
            refused = part;
    }
    if (count == 0)
        return verdict_make(VERDICT_IN_DOUBT, "HTTP 200 with a body that is not Vonage's");
    if (accepted == 0)
        return judge_refusal(part_status(refused), refused, message, response, now_ms);
    if (refused != NULL)
        return verdict_make(VERDICT_IN_DOUBT, "%zu of %zu parts accepted, another has status %d", accepted,
                            count, part_status(refused));
    struct verdict verdict = verdict_sent(json_get_text(json_list_item(parts, 0), "message-id"));
    add_cost(&verdict, parts);
    return verdict;
}

/* Without a status of the message. It may have been taken before a 5xx. */
static struct verdict judge_http(const struct response *response, int64_t now_ms)
{
    if (response->status >= 500)
        return verdict_make(VERDICT_IN_DOUBT, "HTTP %d", response->status);
    if (response->status != 429)
        return judge_status(response, NULL, now_ms);
    struct verdict verdict = verdict_make(VERDICT_THROTTLED, "HTTP 429");
    judge_wait(&verdict, response, now_ms, THROTTLED_WAIT_MS);
    return verdict;
}

struct verdict vonage_judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms)
{
    (void)settings;
    if (response->status != 200)
        return judge_http(response, now_ms);
    struct json_object *body = judge_json(response);
    struct verdict verdict = judge_parts(json_get(body, "messages"), message, response, now_ms);
    json_object_put(body);
    return verdict;
}
