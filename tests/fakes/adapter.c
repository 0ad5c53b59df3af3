#include "fakes/adapter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct settings {
    char *url;
};

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    (void)secrets;
    const char *url = json_get_text(json, "url");
    if (!url) {
        error_set(err, "url: is missing");
        return NULL;
    }
    struct settings *settings = mem_alloc(sizeof *settings);
    settings->url = mem_strdup(url);
    return settings;
}

static void settings_free(void *arg)
{
    struct settings *settings = arg;
    mem_free(settings->url);
    mem_free(settings);
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct settings *settings = arg;
    options->url = settings->url;
    options->http2 = true;
}

static void own_endpoint(const void *arg, struct endpoint_options *options)
{
    (void)arg;
    options->http2 = true;
}

static void files(const void *settings, const struct message *message, struct file_list *list)
{
    (void)settings;
    if (strcmp(message->recipient, "kim") != 0)
        *list = (struct file_list){
            .directory = "/proc", .names = {message->recipient}, .count = 1, .octets_max = 1000};
}

static const char *read_file(const struct message *message)
{
    if (!message->files)
        return "";
    return message->files->list[0].data ? "+file" : "+nothing";
}

static bool build(const void *settings, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)settings;
    (void)now_ms;
    if (strcmp(message->recipient, "nowhere") == 0) {
        *verdict = verdict_make(VERDICT_REJECTED, "the recipient is nowhere");
        return false;
    }
    *request = (struct request){
        .method = "POST",
        .path = arena_printf(arena, "%" PRId64 "%s", message->id, read_file(message)),
        .origin = arena_printf(arena, "https://%s", message->recipient),
        .body =
            arena_printf(arena, "%s %s %s %" PRId64 " %" PRId64 " %s %d", message->uuid, message->recipient,
                         json_object_to_json_string(message->payload), message->created_ms,
                         message->expires_ms, message->bulk ? "bulk" : "transactional", message->attempt)};
    if (token)
        request->headers[request->header_count++] =
            (struct header){"authorization", arena_strdup(arena, token)};
    return true;
}

static enum verdict_kind meaning(int status)
{
    static const struct {
        int status;
        enum verdict_kind kind;
    } meanings[] = {{200, VERDICT_SENT},    {400, VERDICT_REJECTED}, {401, VERDICT_REFRESH},
                    {403, VERDICT_STOPPED}, {409, VERDICT_RETRY},    {410, VERDICT_ADDRESS_GONE},
                    {421, VERDICT_UNSENT},  {429, VERDICT_THROTTLED}};
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].status == status)
            return meanings[i].kind;
    return VERDICT_RETRY;
}

static struct verdict judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms)
{
    (void)settings;
    (void)message;
    if (response->state != SEND_ANSWERED)
        return verdict_of_failure(response);
    struct verdict verdict =
        verdict_make(meaning(response->status), "%d %s", response->status, response->body);
    if (verdict.kind == VERDICT_SENT) {
        verdict.reason[0] = '\0';
        snprintf(verdict.provider_id, sizeof verdict.provider_id, "%s", response->body);
    }
    if (verdict.kind == VERDICT_THROTTLED)
        verdict.not_before_ms = now_ms + FAKE_THROTTLED_MS;
    verdict.renew = response->status == 421;
    return verdict;
}

static bool inquiry_build(const void *settings, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request)
{
    (void)settings;
    if (now_ms < sent->upto_ms + FAKE_TOO_EARLY_MS)
        return false;
    *request = (struct request){.method = "GET", .path = arena_printf(arena, "?%" PRId64, message->id)};
    return true;
}

static struct verdict inquiry_judge(const void *settings, const struct message *message,
                                    struct json_object *body, const struct sent_span *sent)
{
    (void)settings;
    (void)message;
    (void)sent;
    if (!json_get(body, "took"))
        return verdict_make(VERDICT_IN_DOUBT, "it cannot tell");
    return verdict_make(json_get_bool(body, "took", false) ? VERDICT_SENT : VERDICT_UNSENT, "%s", "");
}

static bool credential_build(const void *settings, int64_t now_ms, struct arena *arena,
                             struct endpoint_options *options, struct request *request, struct error *err)
{
    (void)settings;
    (void)now_ms;
    (void)arena;
    (void)err;
    options->url = "https://login";
    *request = (struct request){.method = "POST", .path = "token"};
    return true;
}

static struct verdict credential_judge(const void *settings, const struct response *response, int64_t now_ms,
                                       struct credential *credential)
{
    (void)settings;
    if (response->state != SEND_ANSWERED || response->status != 200)
        return verdict_make(response->status == 403 ? VERDICT_STOPPED : VERDICT_RETRY, "no token: %d",
                            response->status);
    *credential =
        (struct credential){.token = mem_strdup(response->body), .expires_ms = now_ms + FAKE_TOKEN_MS};
    return verdict_make(VERDICT_SENT, "%s", "");
}

static const struct adapter adapters[] = {
    {.name = "plain",
     .settings_new = settings_new,
     .settings_free = settings_free,
     .endpoint = endpoint,
     .build = build,
     .judge = judge},
    {.name = "token",
     .settings_new = settings_new,
     .settings_free = settings_free,
     .endpoint = endpoint,
     .build = build,
     .judge = judge,
     .credential_build = credential_build,
     .credential_judge = credential_judge},
    {.name = "asked",
     .settings_new = settings_new,
     .settings_free = settings_free,
     .endpoint = endpoint,
     .build = build,
     .judge = judge,
     .inquiry_build = inquiry_build,
     .inquiry_judge = inquiry_judge},
    {.name = "own",
     .settings_new = settings_new,
     .settings_free = settings_free,
     .endpoint = own_endpoint,
     .build = build,
     .judge = judge},
    {.name = "files",
     .settings_new = settings_new,
     .settings_free = settings_free,
     .endpoint = endpoint,
     .files = files,
     .build = build,
     .judge = judge},
};

const struct adapter *adapter_find(const char *name)
{
    for (size_t i = 0; i < sizeof adapters / sizeof *adapters; i++)
        if (strcmp(adapters[i].name, name) == 0)
            return &adapters[i];
    return NULL;
}
