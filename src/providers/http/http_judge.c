/* What the answers of a vendor mean, by the rules of its provider row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text.h"
#include "providers/http/http.h"
#include "providers/judge.h"

enum { INDEX_DIGITS = 4, NAME_MAX_SIZE = 100 };

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/* ---- Paths ---- */

/* The size of the step ".name" or "[index]" at the start of text; 0 = none. */
static size_t step_size(const char *text)
{
    if (text[0] == '.') {
        size_t size = strspn(text + 1, name_characters);
        return size > 0 && size <= NAME_MAX_SIZE ? size + 1 : 0;
    }
    size_t digits = text[0] == '[' ? strspn(text + 1, "0123456789") : 0;
    return digits > 0 && digits <= INDEX_DIGITS && text[1 + digits] == ']' ? digits + 2 : 0;
}

bool http_path_ok(const char *text)
{
    const char *at = text + 1;
    if (text[0] != '$' || text[1] == '\0')
        return false;
    for (size_t size; (size = step_size(at)) > 0;)
        at += size;
    return *at == '\0';
}

static struct json_object *path_step(struct json_object *value, const char *step, size_t size)
{
    if (step[0] == '[') {
        bool is_list = json_object_is_type(value, json_type_array);
        return is_list ? json_object_array_get_idx(value, strtoul(step + 1, NULL, 10)) : NULL;
    }
    char name[NAME_MAX_SIZE + 1];
    snprintf(name, sizeof name, "%.*s", (int)size - 1, step + 1);
    return json_get(value, name);
}

/* The text, number or boolean there as text; NULL = there is none. */
static const char *path_text(struct json_object *body, const char *path)
{
    if (path == NULL)
        return NULL;
    struct json_object *value = body;
    for (const char *at = path + 1; *at != '\0';) {
        size_t size = step_size(at);
        value = path_step(value, at, size);
        at += size;
    }
    enum json_type type = json_object_get_type(value);
    if (type == json_type_null || type == json_type_object || type == json_type_array)
        return NULL;
    return json_object_get_string(value);
}

/* ---- Rules ---- */

static bool match_holds(const struct http_match *match, struct json_object *body)
{
    const char *text = path_text(body, match->path);
    for (size_t i = 0; text != NULL && i < match->value_count; i++) {
        if (strcmp(text, match->values[i]) == 0)
            return true;
    }
    return false;
}

static bool rule_holds(const struct http_rule *rule, int status, struct json_object *body)
{
    bool holds = rule->status_count == 0;
    for (size_t i = 0; i < rule->status_count; i++)
        holds = holds || (status >= rule->statuses[i].low && status <= rule->statuses[i].high);
    for (size_t i = 0; i < rule->match_count && holds; i++)
        holds = match_holds(&rule->matches[i], body);
    return holds;
}

static struct verdict sent(const struct http_settings *settings, struct json_object *body)
{
    struct verdict verdict = verdict_sent(NULL);
    const char *id = path_text(body, settings->id), *cost = path_text(body, settings->cost);
    const char *currency = settings->currency;
    if (currency != NULL && currency[0] == '$')
        currency = path_text(body, currency);
    if (id != NULL && strlen(id) < sizeof verdict.provider_id)
        snprintf(verdict.provider_id, sizeof verdict.provider_id, "%s", id);
    if (cost != NULL && strlen(cost) < sizeof verdict.cost && text_is_decimal(cost))
        snprintf(verdict.cost, sizeof verdict.cost, "%s", cost);
    if (verdict.cost[0] != '\0' && currency != NULL && strlen(currency) < sizeof verdict.currency)
        snprintf(verdict.currency, sizeof verdict.currency, "%s", currency);
    return verdict;
}

/* No rule knows the answer. A vendor that says 2xx, or fails in the middle, may have taken the message; 503
 * is for those that refuse work. */
static struct verdict unknown(const struct response *response, const char *text, int64_t now_ms)
{
    struct verdict verdict = judge_status(response, text, now_ms);
    if (response->status / 100 == 2)
        return verdict_make(VERDICT_IN_DOUBT, "HTTP %d, which settings.response does not know%s%s",
                            response->status, text[0] != '\0' ? ": " : "", text);
    if (response->status >= 500 && response->status != 503) {
        verdict.kind = VERDICT_IN_DOUBT;
        verdict.not_before_ms = 0;
    }
    return verdict;
}

static struct verdict apply(const struct http_settings *settings, const struct http_rule *rule,
                            const struct message *message, const struct response *response,
                            struct json_object *body, int64_t now_ms)
{
    if (rule != NULL && rule->kind == VERDICT_SENT)
        return sent(settings, body);
    char text[JUDGE_TEXT];
    const char *reason = rule != NULL && rule->reason != NULL ? rule->reason : settings->reason;
    judge_text(text, sizeof text, path_text(body, reason), message->recipient);
    if (rule == NULL)
        return unknown(response, text, now_ms);
    struct verdict verdict =
        verdict_make(rule->kind, "HTTP %d%s%s", response->status, text[0] != '\0' ? " " : "", text);
    if (rule->kind == VERDICT_RETRY || rule->kind == VERDICT_THROTTLED) {
        if (rule->ignore_retry_after)
            verdict.not_before_ms = rule->wait_ms > 0 ? now_ms + rule->wait_ms : 0;
        else
            judge_wait(&verdict, response, now_ms, rule->wait_ms);
    }
    return verdict;
}

struct verdict http_judge(const void *arg, const struct message *message, const struct response *response,
                          int64_t now_ms)
{
    const struct http_settings *settings = arg;
    struct json_object *body = judge_json(response);
    const struct http_rule *rule = settings->rules, *end = settings->rules + settings->rule_count;
    while (rule < end && !rule_holds(rule, response->status, body))
        rule++;
    struct verdict verdict = apply(settings, rule < end ? rule : NULL, message, response, body, now_ms);
    json_object_put(body);
    return verdict;
}
