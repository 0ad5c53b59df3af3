/* What Twilio's answers mean. */
#include <stdio.h>
#include <string.h>

#include "providers/judge.h"
#include "providers/sms/twilio.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, DAY_MS = 24 * 60 * MINUTE_MS };

/* SENDER: a fault of the sender's number. The others say how long to wait when Twilio does not. */
enum trait { PLAIN, SENDER, SOON, QUEUE_FULL, NEXT_DAY };

static const struct row {
    int code;
    enum verdict_kind kind;
    enum trait trait;
} rows[] = {
    {14107, VERDICT_THROTTLED, SOON},       {20003, VERDICT_STOPPED, PLAIN},
    {20005, VERDICT_STOPPED, PLAIN},        {20404, VERDICT_STOPPED, PLAIN},
    {20429, VERDICT_THROTTLED, SOON},       {21211, VERDICT_ADDRESS_GONE, PLAIN},
    {21212, VERDICT_STOPPED, SENDER},       {21217, VERDICT_ADDRESS_GONE, PLAIN},
    {21408, VERDICT_REJECTED, PLAIN}, /* the account may not send to this country; others go on */
    {21602, VERDICT_REJECTED, PLAIN},       {21603, VERDICT_STOPPED, SENDER},
    {21606, VERDICT_STOPPED, SENDER},       {21607, VERDICT_STOPPED, SENDER},
    {21608, VERDICT_STOPPED, PLAIN}, /* a trial account */
    {21610, VERDICT_ADDRESS_GONE, PLAIN},   {21611, VERDICT_THROTTLED, QUEUE_FULL},
    {21612, VERDICT_REJECTED, PLAIN},       {21614, VERDICT_ADDRESS_GONE, PLAIN},
    {21617, VERDICT_REJECTED, PLAIN},       {21619, VERDICT_REJECTED, PLAIN},
    {21659, VERDICT_STOPPED, SENDER},       {21660, VERDICT_STOPPED, SENDER},
    {21701, VERDICT_STOPPED, PLAIN},        {21703, VERDICT_STOPPED, PLAIN},
    {30001, VERDICT_THROTTLED, QUEUE_FULL}, {30002, VERDICT_STOPPED, PLAIN},
    {30003, VERDICT_REJECTED, PLAIN},       {30004, VERDICT_REJECTED, PLAIN},
    {30005, VERDICT_ADDRESS_GONE, PLAIN},   {30006, VERDICT_ADDRESS_GONE, PLAIN},
    {30007, VERDICT_REJECTED, PLAIN},       {30008, VERDICT_REJECTED, PLAIN},
    {30009, VERDICT_REJECTED, PLAIN},       {30010, VERDICT_REJECTED, PLAIN},
    {30022, VERDICT_THROTTLED, SOON},       {30023, VERDICT_THROTTLED, NEXT_DAY},
    {30027, VERDICT_THROTTLED, NEXT_DAY},   {30032, VERDICT_STOPPED, PLAIN},
    {30033, VERDICT_STOPPED, PLAIN},        {30034, VERDICT_STOPPED, PLAIN},
    {30036, VERDICT_REJECTED, PLAIN},       {30410, VERDICT_IN_DOUBT, PLAIN},
    {30450, VERDICT_REJECTED, PLAIN},
};

/* For answers without a code in the table. A message may have been taken before a 5xx. */
static const struct {
    int low, high;
    enum verdict_kind kind;
    enum trait trait;
} statuses[] = {
    {404, 404, VERDICT_STOPPED, PLAIN},
    {429, 429, VERDICT_THROTTLED, SOON},
    {500, 599, VERDICT_IN_DOUBT, PLAIN},
};

static bool row_of_status(int status, struct row *row)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (status >= statuses[i].low && status <= statuses[i].high) {
            *row = (struct row){0, statuses[i].kind, statuses[i].trait};
            return true;
        }
    }
    return false;
}

static bool row_find(int64_t code, int status, struct row *row)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code) {
            *row = rows[i];
            return true;
        }
    }
    return row_of_status(status, row);
}

static int64_t pause_ms(enum trait trait, int64_t now_ms)
{
    static const int64_t fixed[] = {[SOON] = SECOND_MS, [QUEUE_FULL] = MINUTE_MS};
    return trait == NEXT_DAY ? DAY_MS - now_ms % DAY_MS : fixed[trait];
}

static struct verdict judge_error(int64_t code, const char *said, const struct message *message,
                                  const struct response *response, int64_t now_ms)
{
    char text[JUDGE_TEXT];
    struct row row;
    sms_reason(text, sizeof text, said, message);
    if (!row_find(code, response->status, &row))
        return judge_status(response, text, now_ms);
    if (row.trait == SENDER && sms_has_own_sender(message))
        row.kind = VERDICT_REJECTED;
    char number[24] = "";
    if (code != 0)
        snprintf(number, sizeof number, " %lld", (long long)code);
    struct verdict verdict =
        verdict_make(row.kind, "HTTP %d%s%s%s", response->status, number, text[0] != '\0' ? ": " : "", text);
    if (row.kind == VERDICT_THROTTLED)
        judge_wait(&verdict, response, now_ms, pause_ms(row.trait, now_ms));
    return verdict;
}

struct verdict twilio_taken(struct json_object *body)
{
    struct verdict verdict = verdict_sent(json_get_text(body, "sid"));
    sms_cost(&verdict, json_get_text(body, "price"), json_get_text(body, "price_unit"));
    return verdict;
}

static struct verdict judge_ok(struct json_object *body, const struct message *message,
                               const struct response *response, int64_t now_ms)
{
    const char *sid = json_get_text(body, "sid"), *status = json_get_text(body, "status");
    if (sid == NULL || sid[0] == '\0' || status == NULL)
        return verdict_make(VERDICT_IN_DOUBT, "HTTP %d with a body that is not Twilio's", response->status);
    /* Twilio may find out before it answers that it cannot deliver. */
    int64_t code = json_get_int(body, "error_code", 0);
    if (code != 0 && (strcmp(status, "failed") == 0 || strcmp(status, "undelivered") == 0))
        return judge_error(code, json_get_text(body, "error_message"), message, response, now_ms);
    return twilio_taken(body);
}

struct verdict twilio_judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms)
{
    (void)settings;
    struct json_object *body = judge_json(response);
    struct verdict verdict;
    if (response->status >= 200 && response->status < 300)
        verdict = judge_ok(body, message, response, now_ms);
    else
        verdict = judge_error(json_get_int(body, "code", 0), json_get_text(body, "message"), message,
                              response, now_ms);
    json_object_put(body);
    return verdict;
}
