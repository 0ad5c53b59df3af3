#include "sandbox/wire/h2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

enum { CONNECTION_WINDOW = 16 * 1024 * 1024 };

struct h2 {
    struct http_server *server;
    struct wire *wire;
    nghttp2_session *session;
    struct exchange *open; /* those of all streams that live */
    bool trusted;
    bool stopped;        /* nothing more is taken in; the wire closes when the output has left */
    bool leaving;        /* streams above goaway_last are not processed */
    bool goaway_is_owed; /* and the GOAWAY that says so is still to be sent */
    int32_t goaway_last;
};

static void submit_settings(struct h2 *h2, int streams)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)streams},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* spares nghttp2 its tree of priorities */
    };
    nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, 2);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value,
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                                 (strcmp(name, "apns-id") == 0 ? NGHTTP2_NV_FLAG_NO_INDEX : 0)};
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session, (void)stream, (void)arg;
    struct exchange *x = source->ptr;
    size_t left = x->answer.size - x->answer_sent;
    size_t size = left < room ? left : room;
    memcpy(out, x->answer.data + x->answer_sent, size);
    x->answer_sent += size;
    if (size == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static void answer(struct exchange *x)
{
    struct h2 *h2 = x->connection;
    char *status = http_keep(x, "000", 3);
    if (!status) { /* the head is full to its last octets: nothing can be said */
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, x->stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    snprintf(status, 4, "%03u", (unsigned)x->status % 1000u);
    nghttp2_nv fields[HTTP_MAX_ANSWER_HEADERS + 1] = {header(":status", status)};
    for (size_t i = 0; i < x->answer_header_count; i++)
        fields[i + 1] = header(x->answer_headers[i].name, x->answer_headers[i].value);
    nghttp2_data_provider body = {.source = {.ptr = x}, .read_callback = read_answer};
    nghttp2_submit_response(h2->session, x->stream, fields, x->answer_header_count + 1,
                            x->answer.size > 0 ? &body : NULL);
}

static void stop(struct h2 *h2)
{
    h2->stopped = true;
    wire_close(h2->wire);
}

static void abort_stream(struct exchange *x, enum http_abort how)
{
    struct h2 *h2 = x->connection;
    switch (how) {
    case ABORT_REFUSED:
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, x->stream, NGHTTP2_REFUSED_STREAM);
        break;
    case ABORT_INTERNAL:
        nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, x->stream, NGHTTP2_INTERNAL_ERROR);
        break;
    case ABORT_GOAWAY_BELOW:
        h2->leaving = h2->goaway_is_owed = true;
        h2->goaway_last = x->stream > 2 ? x->stream - 2 : 0;
        x->complete = false; /* this one was not processed */
        break;
    case ABORT_GOAWAY_CLOSE:
        nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR, NULL,
                              0);
        stop(h2);
        break;
    case ABORT_CLOSE:
        stop(h2);
        break;
    }
}

static void trust(struct exchange *x)
{
    struct h2 *h2 = x->connection;
    if (!h2->trusted && h2->server->streams != h2->server->first_streams)
        submit_settings(h2, h2->server->streams);
    h2->trusted = true;
}

static void turn(struct exchange *x)
{
    struct h2 *h2 = x->connection;
    wire_turn(h2->wire);
}

static const struct http_carrier carrier = {answer, abort_stream, trust, turn};

/* The stream's exchange while it is still to be fed. */
static struct exchange *fed(struct h2 *h2, int32_t stream)
{
    struct exchange *x = nghttp2_session_get_stream_user_data(h2->session, stream);
    bool ignored = h2->stopped || !x || x->complete || (h2->leaving && stream > h2->goaway_last);
    return ignored ? NULL : x;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    int32_t stream = frame->hd.stream_id;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || h2->stopped ||
        (h2->leaving && stream > h2->goaway_last))
        return 0;
    struct exchange *x = http_exchange_new(h2->server, &carrier, h2);
    x->stream = stream;
    x->next = h2->open;
    if (x->next)
        x->next->previous = x;
    h2->open = x;
    nghttp2_session_set_stream_user_data(session, stream, x);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
    (void)session, (void)flags;
    struct exchange *x = fed(arg, frame->hd.stream_id);
    if (x && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        http_add_header(x, (const char *)name, name_size, (const char *)value, value_size);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
                   void *arg)
{
    (void)session, (void)flags;
    struct exchange *x = fed(arg, stream);
    if (x)
        (void)buf_append(&x->body, data, size); /* too much shows as body.overflowed */
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct h2 *h2 = arg;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    const struct http_service *service = h2->server->service;
    struct exchange *x = fed(h2, frame->hd.stream_id);
    if (x && frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST &&
        service->head) {
        service->head(h2->server->arg, x);
        x = fed(h2, frame->hd.stream_id);
    }
    if (x && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        x->complete = true;
        service->request(h2->server->arg, x);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    (void)code;
    struct h2 *h2 = arg;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, stream);
    if (!x)
        return 0;
    if (x->previous)
        x->previous->next = x->next;
    else
        h2->open = x->next;
    if (x->next)
        x->next->previous = x->previous;
    http_exchange_free(x);
    return 0;
}

/* nghttp2 drops the streams above a GOAWAY's last one as it leaves, and a client may take them for not
 * processed: those the service has seen already are answered first. */
static void pay_goaway(struct h2 *h2)
{
    for (const struct exchange *x = h2->open; x; x = x->next)
        if (x->stream > h2->goaway_last && x->complete)
            return;
    h2->goaway_is_owed = false;
    nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, h2->goaway_last, NGHTTP2_NO_ERROR, NULL, 0);
}

static bool ready(void *user, struct wire *wire)
{
    (void)user, (void)wire;
    return true;
}

static bool input(void *user, const char *data, size_t size)
{
    struct h2 *h2 = user;
    return h2->stopped || nghttp2_session_mem_recv(h2->session, (const uint8_t *)data, size) >= 0;
}

static void room(void *user, struct buf *out)
{
    struct h2 *h2 = user;
    if (h2->goaway_is_owed)
        pay_goaway(h2);
    while (out->size < WIRE_BATCH) {
        const uint8_t *data = NULL;
        ssize_t size = nghttp2_session_mem_send(h2->session, &data);
        if (size <= 0 || !buf_append(out, data, (size_t)size)) {
            if (size < 0)
                stop(h2);
            break;
        }
    }
    if (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session))
        stop(h2);
}

static void gone(void *user)
{
    struct h2 *h2 = user;
    nghttp2_session_del(h2->session);
    while (h2->open) {
        struct exchange *x = h2->open;
        h2->open = x->next;
        http_exchange_free(x);
    }
    mem_free(h2);
}

static nghttp2_session *session_new(struct h2 *h2)
{
    nghttp2_session *session = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
        goto done;
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_session_server_new2(&session, callbacks, h2, option) != 0)
        session = NULL;
done:
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return session;
}

bool h2_open(struct http_server *server, struct wire *wire)
{
    static const struct wire_user calls = {ready, input, room, gone};
    struct h2 *h2 = mem_alloc(sizeof(*h2));
    h2->server = server;
    h2->wire = wire;
    h2->session = session_new(h2);
    if (!h2->session) {
        mem_free(h2);
        return false;
    }
    submit_settings(h2, server->first_streams);
    nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    wire_use(wire, &calls, h2);
    return true;
}
