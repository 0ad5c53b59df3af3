/* What FCM's answers mean. */
#include <stdio.h>
#include <string.h>

#include "providers/judge.h"
#include "providers/push/fcm.h"

enum { QUOTA_WAIT_MS = 60000 };

/* Error names: the FcmError detail's errorCode decides first, then error.status, then the HTTP status. */
enum meaning { INVALID, QUOTA, PLAIN };

static const struct row {
    const char *name;
    enum meaning meaning;
    enum verdict_kind kind; /* of PLAIN ones */
} codes[] =
    {
        {"UNSPECIFIED_ERROR", PLAIN, VERDICT_RETRY},
        {"INVALID_ARGUMENT", INVALID, VERDICT_REJECTED},
        {"UNREGISTERED", PLAIN, VERDICT_ADDRESS_GONE},
        {"SENDER_ID_MISMATCH", PLAIN, VERDICT_ADDRESS_GONE},
        {"THIRD_PARTY_AUTH_ERROR", PLAIN, VERDICT_STOPPED},
        {"QUOTA_EXCEEDED", QUOTA, VERDICT_THROTTLED},
        {"UNAVAILABLE", PLAIN, VERDICT_RETRY},
        {"INTERNAL", PLAIN, VERDICT_RETRY},
},
  statuses[] =
      {
          {"INVALID_ARGUMENT", INVALID, VERDICT_REJECTED},
          {"UNAUTHENTICATED", PLAIN, VERDICT_REFRESH},
          {"PERMISSION_DENIED", PLAIN, VERDICT_STOPPED},
          {"NOT_FOUND", PLAIN, VERDICT_STOPPED}, /* without UNREGISTERED: the project's path is wrong */
          {"RESOURCE_EXHAUSTED", QUOTA, VERDICT_THROTTLED},
          {"INTERNAL", PLAIN, VERDICT_RETRY},
          {"UNAVAILABLE", PLAIN, VERDICT_RETRY},
},
  http[] = {
      {"401", PLAIN, VERDICT_REFRESH},
      {"404", PLAIN, VERDICT_STOPPED},
      {"429", QUOTA, VERDICT_THROTTLED},
};

static const struct row *row_find(const struct row *rows, size_t count, const char *name)
{
    for (size_t i = 0; name != NULL && i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}
#define ROW_FIND(rows, name) row_find(rows, sizeof rows / sizeof rows[0], name)

/* The detail whose @type ends in ".type" or "/type", or NULL. */
static struct json_object *detail_find(struct json_object *error, const char *type)
{
    struct json_object *details = json_get(error, "details");
    size_t type_size = strlen(type);
    for (size_t i = 0; i < json_list_size(details); i++) {
        struct json_object *detail = json_list_item(details, i);
        const char *name = json_get_text(detail, "@type");
        size_t size = name == NULL ? 0 : strlen(name);
        if (size > type_size && strcmp(name + size - type_size, type) == 0 &&
            strchr("./", name[size - type_size - 1]) != NULL)
            return detail;
    }
    return NULL;
}

static bool contains(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

/* Only the token itself may retire a token: FCM answers INVALID_ARGUMENT to any fault of the content too. */
static bool token_is_invalid(struct json_object *error)
{
    struct json_object *violations = json_get(detail_find(error, "google.rpc.BadRequest"), "fieldViolations");
    for (size_t i = 0; i < json_list_size(violations); i++) {
        const char *field = json_get_text(json_list_item(violations, i), "field");
        if (field != NULL && strcmp(field, "message.token") == 0)
            return true;
    }
    return contains(json_get_text(error, "message"), "registration token is not a valid");
}

/* The limit of one device or topic, not of the project. */
static bool quota_is_of_target(struct json_object *error)
{
    struct json_object *violations = json_get(detail_find(error, "google.rpc.QuotaFailure"), "violations");
    for (size_t i = 0; i < json_list_size(violations); i++) {
        struct json_object *violation = json_list_item(violations, i);
        const char *subject = json_get_text(violation, "subject");
        const char *description = json_get_text(violation, "description");
        if (contains(subject, "device") || contains(subject, "topic") || contains(description, "device") ||
            contains(description, "topic"))
            return true;
    }
    return false;
}

static struct verdict judge_error(struct json_object *body, const struct message *message,
                                  const struct response *response, int64_t now_ms)
{
    struct json_object *error = json_get(body, "error");
    const char *code = json_get_text(detail_find(error, "google.firebase.fcm.v1.FcmError"), "errorCode");
    const char *status = json_get_text(error, "status");
    char number[16], text[JUDGE_TEXT];
    snprintf(number, sizeof number, "%d", response->status);

    const char *name = code;
    const struct row *row = ROW_FIND(codes, code);
    if (row == NULL) {
        name = status;
        row = ROW_FIND(statuses, status);
    }
    if (row == NULL) {
        name = "";
        row = ROW_FIND(http, number);
    }
    judge_text(text, sizeof text, json_get_text(error, "message"), message->recipient);
    if (row == NULL)
        return judge_status(response, text, now_ms);

    enum verdict_kind kind = row->kind;
    if (row->meaning == INVALID && token_is_invalid(error))
        kind = VERDICT_ADDRESS_GONE;
    bool of_target = row->meaning == QUOTA && quota_is_of_target(error);
    if (of_target)
        kind = VERDICT_RETRY;
    struct verdict verdict =
        verdict_make(kind, "HTTP %d%s%s%s%s", response->status, name[0] != '\0' ? " " : "", name,
                     text[0] != '\0' ? ": " : "", text);
    if (kind == VERDICT_RETRY || kind == VERDICT_THROTTLED)
        judge_wait(&verdict, response, now_ms, row->meaning == QUOTA ? QUOTA_WAIT_MS : 0);
    return verdict;
}

static struct verdict judge_ok(struct json_object *body)
{
    const char *name = json_get_text(body, "name");
    if (name == NULL || name[0] == '\0')
        return verdict_make(VERDICT_IN_DOUBT, "HTTP 200 with a body that is not FCM's");
    return verdict_sent(name);
}

struct verdict fcm_judge(const void *settings, const struct message *message, const struct response *response,
                         int64_t now_ms)
{
    (void)settings;
    struct json_object *body = judge_json(response);
    struct verdict verdict =
        response->status == 200 ? judge_ok(body) : judge_error(body, message, response, now_ms);
    json_object_put(body);
    return verdict;
}
