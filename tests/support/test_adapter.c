#include "support/test_adapter.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_object *test_json(const char *text)
{
    struct error err;
    struct json_object *value = json_parse(text, strlen(text), &err);
    ck_assert_msg(value != NULL, "%s: %s", err.text, text);
    return value;
}

struct json_object *test_at(struct json_object *value, const char *path)
{
    char name[128];
    while (value != NULL && *path != '\0') {
        size_t size = strcspn(path, "/");
        snprintf(name, sizeof name, "%.*s", (int)size, path);
        if (json_object_is_type(value, json_type_array))
            value = json_object_array_get_idx(value, strtoul(name, NULL, 10));
        else
            value = json_get(value, name);
        path += size + (path[size] == '/' ? 1 : 0);
    }
    return value;
}

const char *test_text(struct json_object *value, const char *path)
{
    struct json_object *found = test_at(value, path);
    return json_object_is_type(found, json_type_string) ? json_object_get_string(found) : "(none)";
}

void test_answer_cases(const char *(*answer)(struct json_object *entry, struct arena *arena))
{
    const char *path = getenv("PGOUTBOX_CASES");
    if (path == NULL)
        return;
    struct json_object *cases = json_object_from_file(path);
    ck_assert_msg(json_object_is_type(cases, json_type_array), "cannot read %s", path);
    struct arena *arena = arena_new();
    FILE *file = fopen(arena_printf(arena, "%s.answers", path), "w");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < json_object_array_length(cases); i++)
        fprintf(file, "%s\n", answer(json_object_array_get_idx(cases, i), arena));
    ck_assert_int_eq(fclose(file), 0);
    arena_free(arena);
    json_object_put(cases);
}

void *test_settings_new(const struct adapter *adapter, const char *json,
                        const char *const secrets[ADAPTER_MAX_SECRETS], struct error *err)
{
    struct json_object *object = test_json(json);
    void *settings = adapter->settings_new(object, secrets, err);
    json_object_put(object);
    return settings;
}

void *test_settings_of(const struct adapter *adapter, const char *json, const char *secret)
{
    struct error err = {""};
    const char *secrets[ADAPTER_MAX_SECRETS] = {secret};
    void *settings = test_settings_new(adapter, json, secrets, &err);
    ck_assert_msg(settings != NULL, "%s: %s", json, err.text);
    return settings;
}

const char *test_settings_error(const struct adapter *adapter, const char *json, const char *secret)
{
    static struct error err;
    err.text[0] = '\0';
    const char *secrets[ADAPTER_MAX_SECRETS] = {secret};
    ck_assert_msg(test_settings_new(adapter, json, secrets, &err) == NULL, "accepted: %s", json);
    return err.text;
}

struct request test_built(const struct adapter *adapter, const void *settings, const struct message *message,
                          struct arena *arena)
{
    struct request request;
    struct verdict verdict = {.reason = ""};
    bool ok = adapter->build(settings, message, NULL, TEST_NOW_MS, arena, &request, &verdict);
    ck_assert_msg(ok, "%s", verdict.reason);
    return request;
}

struct response test_answer(int status, const char *body)
{
    return (struct response){
        .state = SEND_ANSWERED, .status = status, .body = body, .body_size = strlen(body)};
}

const char *test_header(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    }
    return NULL;
}

/* As if files had been read that hold what stands beside their names. */
static void read_files(struct json_object *payload, struct files *files)
{
    struct json_object *items = json_get(payload, "attachments");
    *files = (struct files){0};
    for (size_t i = 0; i < json_list_size(items) && i < FILES_MAX; i++) {
        const char *data = json_get_text(json_list_item(items, i), "data");
        if (data != NULL)
            files->list[i] = (struct file){.data = data, .size = strlen(data)};
    }
}

struct message test_message(const char *recipient, const char *payload)
{
    static struct json_object *parsed;
    static struct files files;
    json_object_put(parsed);
    parsed = test_json(payload);
    read_files(parsed, &files);
    return (struct message){.id = 1,
                            .uuid = TEST_UUID,
                            .recipient = recipient,
                            .payload = parsed,
                            .created_ms = TEST_NOW_MS,
                            .attempt = 1,
                            .files = &files};
}
