/* Reads settings.response of an http provider: which answer means what. */
#include <string.h>

#include "providers/http/http.h"
#include "providers/http/http_keys.h"

enum { LONGEST_WAIT_S = 86400 };

static bool read_json_path(struct http_settings *settings, struct json_object *object, const char *where,
                           const char *name, const char **path, struct error *err)
{
    *path = arena_strdup(settings->arena, json_get_text(object, name));
    return *path == NULL || http_path_ok(*path) ||
           error_set(err, "%s.%s: must be a path such as $.a.b[0].c", where, name);
}

static bool read_status(struct json_object *item, struct http_status *status)
{
    if (json_object_is_type(item, json_type_int)) {
        int64_t number = json_object_get_int64(item);
        *status = (struct http_status){(int)number, (int)number};
        return number >= 100 && number <= 599;
    }
    const char *text = json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
    int hundreds = (text[0] - '0') * 100;
    *status = (struct http_status){hundreds, hundreds + 99};
    return text[0] >= '1' && text[0] <= '5' && strcmp(text + 1, "xx") == 0;
}

static bool read_statuses(struct http_settings *settings, struct json_object *list, const char *where,
                          struct http_rule *rule, struct error *err)
{
    if (list == NULL)
        return true;
    rule->status_count = json_object_array_length(list);
    if (rule->status_count == 0)
        return error_set(err, "%s.status: must not be empty", where);
    rule->statuses = arena_alloc(settings->arena, rule->status_count * sizeof *rule->statuses);
    for (size_t i = 0; i < rule->status_count; i++) {
        if (!read_status(json_object_array_get_idx(list, i), &rule->statuses[i]))
            return error_set(err, "%s.status[%zu]: must be 100 to 599, or \"1xx\" to \"5xx\"", where, i);
    }
    return true;
}

static bool read_match(struct http_settings *settings, struct json_object *list, const char *where,
                       const char *path, struct http_match *match, struct error *err)
{
    if (!http_path_ok(path))
        return error_set(err, "%s.json: \"%s\" is not a path such as $.a.b[0].c", where, path);
    if (http_type(list) != KEY_LIST || json_object_array_length(list) == 0)
        return error_set(err, "%s.json.%s: must be a list that is not empty", where, path);
    size_t count = json_object_array_length(list);
    *match = (struct http_match){arena_strdup(settings->arena, path),
                                 arena_alloc(settings->arena, count * sizeof *match->values), count};
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if ((http_type(item) & (KEY_TEXT | KEY_FLAG | KEY_NUMBER)) == 0)
            return error_set(err, "%s.json.%s[%zu]: must be a string, a whole number, true or false", where,
                             path, i);
        match->values[i] = arena_strdup(settings->arena, json_object_get_string(item));
    }
    return true;
}

static bool read_condition(struct http_settings *settings, struct json_object *object, const char *where,
                           struct http_rule *rule, struct error *err)
{
    struct json_object *matches = json_get(object, "json");
    if (!read_statuses(settings, json_get(object, "status"), where, rule, err))
        return false;
    if (matches == NULL)
        return true;
    rule->matches =
        arena_alloc(settings->arena, (size_t)json_object_object_length(matches) * sizeof *rule->matches);
    struct json_object_iter each;
    json_object_object_foreachC(matches, each)
    {
        if (!read_match(settings, each.val, where, each.key, &rule->matches[rule->match_count++], err))
            return false;
    }
    return true;
}

static bool read_verdict(struct json_object *object, const char *where, enum verdict_kind *kind,
                         struct error *err)
{
    static const enum verdict_kind kinds[] = {VERDICT_SENT,        VERDICT_RETRY,   VERDICT_THROTTLED,
                                              VERDICT_REJECTED,    VERDICT_STOPPED, VERDICT_IN_DOUBT,
                                              VERDICT_ADDRESS_GONE};
    const char *text = json_get_text(object, "verdict");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(text, verdict_name(kinds[i])) == 0) {
            *kind = kinds[i];
            return true;
        }
    }
    return error_set(err, "%s.verdict: \"%s\" is not a verdict", where, text);
}

static bool read_rule(struct http_settings *settings, struct json_object *object, const char *where,
                      struct http_rule *rule, struct error *err)
{
    static const struct http_key keys[] = {
        {"verdict", KEY_TEXT, true},
        {"status", KEY_LIST, false},
        {"json", KEY_OBJECT, false},
        {"wait", KEY_NUMBER, false},
        {"retry_after", KEY_FLAG, false},
        {"reason", KEY_TEXT, false},
        {NULL, 0, false},
    };
    if (http_type(object) != KEY_OBJECT)
        return error_set(err, "%s: %s", where, http_type_rule(KEY_OBJECT));
    if (!http_keys_check(object, where, keys, err) || !read_verdict(object, where, &rule->kind, err) ||
        !read_condition(settings, object, where, rule, err) ||
        !read_json_path(settings, object, where, "reason", &rule->reason, err))
        return false;
    if (rule->status_count == 0 && rule->match_count == 0)
        return error_set(err, "%s: %s", where, "must have status or json");
    static const char *const waits[] = {"wait", "retry_after"};
    bool later = rule->kind == VERDICT_RETRY || rule->kind == VERDICT_THROTTLED;
    for (size_t i = 0; i < 2 && !later; i++) {
        if (json_get(object, waits[i]) != NULL)
            return error_set(err, "%s.%s: goes with the verdicts retry and throttled", where, waits[i]);
    }
    int64_t wait_s = json_get_int(object, "wait", 0);
    if (json_get(object, "wait") != NULL && (wait_s < 1 || wait_s > LONGEST_WAIT_S))
        return error_set(err, "%s.wait: must be 1 to %d seconds", where, LONGEST_WAIT_S);
    rule->wait_ms = wait_s * 1000;
    rule->ignore_retry_after = !json_get_bool(object, "retry_after", true);
    return true;
}

static bool is_currency(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3 && text[3] == '\0';
}

static bool read_sent(struct http_settings *settings, struct json_object *sent, struct error *err)
{
    static const char where[] = "settings.response.sent";
    static const struct http_key keys[] = {
        {"status", KEY_LIST, false}, {"json", KEY_OBJECT, false},   {"id", KEY_TEXT, false},
        {"cost", KEY_TEXT, false},   {"currency", KEY_TEXT, false}, {NULL, 0, false},
    };
    struct http_rule *rule = &settings->rules[0];
    rule->kind = VERDICT_SENT;
    if (sent != NULL &&
        (!http_keys_check(sent, where, keys, err) || !read_condition(settings, sent, where, rule, err) ||
         !read_json_path(settings, sent, where, "id", &settings->id, err) ||
         !read_json_path(settings, sent, where, "cost", &settings->cost, err)))
        return false;
    settings->currency = arena_strdup(settings->arena, json_get_text(sent, "currency"));
    if (settings->currency != NULL && !is_currency(settings->currency) && !http_path_ok(settings->currency))
        return error_set(err, "%s.currency: must be a code such as KRW or a path such as $.a.b[0].c", where);
    if (rule->status_count == 0) {
        rule->status_count = 1;
        rule->statuses = arena_alloc(settings->arena, sizeof *rule->statuses);
        *rule->statuses = (struct http_status){200, 299};
    }
    return true;
}

bool http_rules_read(struct http_settings *settings, struct json_object *response, struct error *err)
{
    static const struct http_key keys[] = {{"sent", KEY_OBJECT, false},
                                           {"rules", KEY_LIST, false},
                                           {"reason", KEY_TEXT, false},
                                           {NULL, 0, false}};
    if (response != NULL && !http_keys_check(response, "settings.response", keys, err))
        return false;
    struct json_object *rules = json_get(response, "rules");
    settings->rule_count = 1 + (rules == NULL ? 0 : json_object_array_length(rules));
    settings->rules = arena_alloc(settings->arena, settings->rule_count * sizeof *settings->rules);
    if (!read_sent(settings, json_get(response, "sent"), err))
        return false;
    for (size_t i = 1; i < settings->rule_count; i++) {
        const char *where = arena_printf(settings->arena, "settings.response.rules[%zu]", i - 1);
        if (!read_rule(settings, json_object_array_get_idx(rules, i - 1), where, &settings->rules[i], err))
            return false;
    }
    return read_json_path(settings, response, "settings.response", "reason", &settings->reason, err);
}
