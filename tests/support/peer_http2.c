#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "support/peer_internal.h"

enum { BIG_BODY = 200000, MAX_STREAM = 1 << 16, WIDE_WINDOW = 64 << 20 };

struct h2_request {
    char path[128];
    struct buf body; /* of the request, then of the answer */
    size_t body_sent;
    bool endless; /* the answer has no end */
};

struct h2_link {
    struct peer_link *link;
    nghttp2_session *session;
    size_t open;
    bool end;     /* close when what waits is written */
    bool discard; /* close at once */
    bool frozen;
    bool raised;
    int32_t last_stream; /* of a GOAWAY: later ones are ignored; 0 = none */
};

static ssize_t read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *data, size_t room,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)stream_id;
    (void)arg;
    struct h2_request *request = source->ptr;
    size_t left = request->body.size - request->body_sent;
    size_t size = left < room ? left : room;
    if (size == 0 && request->endless)
        return NGHTTP2_ERR_DEFERRED;
    if (size > 0)
        memcpy(data, request->body.data + request->body_sent, size);
    request->body_sent += size;
    if (size == left && !request->endless)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static void answer(struct h2_link *h2, int32_t stream_id, struct h2_request *request, const char *status)
{
    nghttp2_nv fields[] = {
        {(uint8_t *)":status", (uint8_t *)status, 7, strlen(status), NGHTTP2_NV_FLAG_NONE},
        {(uint8_t *)"x-peer", (uint8_t *)"yes", 6, 3, NGHTTP2_NV_FLAG_NONE},
    };
    nghttp2_data_provider body = {.source.ptr = request, .read_callback = read_answer};
    bool has_body = request->body.size > 0 || request->endless;
    nghttp2_submit_response(h2->session, stream_id, fields, 2, has_body ? &body : NULL);
    const struct peer_options *options = &h2->link->peer->options;
    if (options->raise_to > 0 && !h2->raised) {
        nghttp2_settings_entry more = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options->raise_to};
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, &more, 1);
        h2->raised = true;
    }
}

static void set_body(struct h2_request *request, size_t size)
{
    buf_reset(&request->body);
    for (size_t i = 0; i < size; i++)
        buf_char(&request->body, 'x');
}

static bool starts(const char *path, const char *start)
{
    return strncmp(path, start, strlen(start)) == 0;
}

static void act(struct h2_link *h2, int32_t id, struct h2_request *request)
{
    const char *path = request->path;
    if (h2->last_stream != 0 && id > h2->last_stream)
        return;
    if (starts(path, "/refuse") || starts(path, "/goaway-not")) {
        if (starts(path, "/refuse"))
            nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        else {
            h2->last_stream = id - 2;
            nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, id - 2, NGHTTP2_NO_ERROR, NULL, 0);
        }
        return;
    }
    peer_record(h2->link->peer, path, strlen(path));
    if (starts(path, "/goaway")) {
        nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR, NULL, 0);
        h2->end = starts(path, "/goaway-end");
        if (h2->end)
            return;
    }
    if (starts(path, "/rst/")) {
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, (uint32_t)atoi(path + 5));
    } else if (starts(path, "/close") || starts(path, "/reset")) {
        h2->discard = true;
        if (starts(path, "/reset"))
            peer_abort(h2->link);
    } else if (starts(path, "/freeze")) {
        h2->frozen = true;
    } else if (starts(path, "/status/")) {
        char status[4];
        snprintf(status, sizeof status, "%.3s", path + 8);
        buf_reset(&request->body);
        answer(h2, id, request, status);
    } else if (!starts(path, "/silent")) {
        request->endless = starts(path, "/half");
        if (starts(path, "/big"))
            set_body(request, BIG_BODY);
        else if (!starts(path, "/echo")) {
            buf_reset(&request->body);
            buf_text(&request->body, "ok");
        }
        answer(h2, id, request, "200");
    }
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_link *h2 = arg;
    struct h2_request *request = mem_alloc(sizeof *request);
    buf_init(&request->body, 1024 * 1024);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, request);
    h2->open++;
    pthread_mutex_lock(&h2->link->peer->lock);
    if (h2->open > h2->link->peer->most_streams)
        h2->link->peer->most_streams = h2->open;
    pthread_mutex_unlock(&h2->link->peer->lock);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
    const struct h2_link *h2 = arg;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (flags & NGHTTP2_NV_FLAG_NO_INDEX)
        peer_record(h2->link->peer, (const char *)name, name_size);
    if (request != NULL && name_size == 5 && memcmp(name, ":path", 5) == 0)
        snprintf(request->path, sizeof request->path, "%.*s", (int)value_size, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *arg)
{
    (void)flags;
    (void)arg;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, stream_id);
    if (request != NULL)
        buf_append(&request->body, data, size);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    bool request_frame = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    struct h2_request *request =
        request_frame ? nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) : NULL;
    if (request != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        act(arg, frame->hd.stream_id, request);
    return 0;
}

static void request_free(struct h2_request *request)
{
    buf_free(&request->body);
    mem_free(request);
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *arg)
{
    (void)error_code;
    struct h2_link *h2 = arg;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, stream_id);
    if (request == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    request_free(request);
    h2->open--;
    return 0;
}

static bool write_all(struct h2_link *h2)
{
    struct buf out;
    bool good = true;
    const uint8_t *data;
    ssize_t size;
    buf_init(&out, 16 * 1024 * 1024);
    while ((size = nghttp2_session_mem_send(h2->session, &data)) > 0)
        buf_append(&out, data, (size_t)size);
    if (size < 0 || !peer_write(h2->link, out.data, out.size))
        good = false;
    buf_free(&out);
    return good;
}

static void free_open_requests(struct h2_link *h2)
{
    for (int32_t id = 1; id < MAX_STREAM && h2->open > 0; id += 2) {
        struct h2_request *request = nghttp2_session_get_stream_user_data(h2->session, id);
        if (request != NULL) {
            request_free(request);
            h2->open--;
        }
    }
}

void peer_serve_http2(struct peer_link *link)
{
    struct h2_link h2 = {.link = link};
    unsigned limit = link->peer->options.max_streams;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limit > 0 ? limit : 100},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WIDE_WINDOW},
    };
    bool wide = link->peer->options.wide;
    nghttp2_session_callbacks *callbacks;
    unsigned char data[16384];
    int size;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_server_new(&h2.session, callbacks, &h2);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(h2.session, NGHTTP2_FLAG_NONE, settings, wide ? 2 : 1);
    if (wide)
        nghttp2_session_set_local_window_size(h2.session, NGHTTP2_FLAG_NONE, 0, WIDE_WINDOW);
    bool good = write_all(&h2);
    while (good && !h2.end && !h2.frozen && (size = peer_read(link, data, sizeof data)) > 0) {
        good = nghttp2_session_mem_recv(h2.session, data, (size_t)size) >= 0 && !h2.discard;
        if (good && !h2.frozen)
            good = write_all(&h2);
    }
    /* Until the client or peer_free gives up. */
    if (h2.frozen) {
        struct pollfd wait = {.fd = link->fd, .events = POLLRDHUP};
        poll(&wait, 1, -1);
    }
    free_open_requests(&h2);
    nghttp2_session_del(h2.session);
}
