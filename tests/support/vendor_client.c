#include "support/vendor_client.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

enum { ANSWER_TIMEOUT_MS = 5000, CONNECT_TIMEOUT_MS = 5000, STREAMS = 10 };

struct vendor_client {
    struct loop *loop;
    struct transport *transport;
    struct endpoint *endpoint;
    struct arena *arena; /* of the response */
    struct response response;
    bool answered;
};

struct vendor_client *vendor_client_new(const struct sandbox *sandbox, bool http2)
{
    struct error err = {.text = ""};
    struct vendor_client *client = mem_alloc(sizeof *client);
    client->loop = loop_new();
    client->arena = arena_new();
    client->transport =
        transport_new(client->loop, &(struct transport_options){.ca_file = sandbox_ca(sandbox)}, &err);
    ck_assert_msg(client->transport != NULL, "%s", err.text);
    client->endpoint = endpoint_new(client->transport,
                                    &(struct endpoint_options){.url = sandbox_url(sandbox, "VENDORS"),
                                                               .http2 = http2,
                                                               .connections = 1,
                                                               .streams = STREAMS,
                                                               .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                               .timeout_ms = ANSWER_TIMEOUT_MS},
                                    &err);
    ck_assert_msg(client->endpoint != NULL, "%s", err.text);
    return client;
}

void vendor_client_free(struct vendor_client *client)
{
    if (client == NULL)
        return;
    endpoint_free(client->endpoint);
    transport_free(client->transport);
    arena_free(client->arena);
    loop_free(client->loop);
    mem_free(client);
}

static void on_response(void *arg, const struct response *response)
{
    struct vendor_client *client = arg;
    client->response = *response;
    for (size_t i = 0; i < response->header_count; i++) {
        const struct header *header = &response->headers[i];
        client->response.headers[i] = (struct header){arena_strdup(client->arena, header->name),
                                                      arena_strdup(client->arena, header->value)};
    }
    client->response.body =
        arena_strndup(client->arena, response->body_size > 0 ? response->body : "", response->body_size);
    client->answered = true;
    loop_stop(client->loop);
}

const struct response *vendor_client_send(struct vendor_client *client, const struct request *request)
{
    struct request sent = *request;
    sent.origin = NULL;
    arena_reset(client->arena);
    client->answered = false;
    endpoint_send(client->endpoint, &sent, on_response, client);
    while (!client->answered)
        loop_run(client->loop);
    return &client->response;
}

struct json_object *vendor_arrival(const struct sandbox *sandbox, const char *channel)
{
    char path[64];
    snprintf(path, sizeof path, "/arrivals?channel=%s&limit=1", channel);
    struct json_object *list = sandbox_get_json(sandbox, path);
    struct json_object *arrival = json_object_get(json_object_array_get_idx(list, 0));
    json_object_put(list);
    return arrival;
}

int64_t vendor_rejected(const struct sandbox *sandbox, const char *channel, const char *reason)
{
    struct json_object *stats = sandbox_get_json(sandbox, "/stats");
    int64_t count = json_get_int(json_get(json_get(stats, channel), "rejected"), reason, 0);
    json_object_put(stats);
    return count;
}
