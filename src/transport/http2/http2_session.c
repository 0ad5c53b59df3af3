#include "transport/http2/http2_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

enum {
    STREAM_WINDOW = 2 * RESPONSE_MAX_BODY, /* a response that is kept never waits for the window */
    CONNECTION_WINDOW = 16 * 1024 * 1024,
    HEADER_LIST_MAX = 16384
};

#define NOT_MADE UINT64_MAX /* offset of an exchange whose HEADERS frame does not exist yet */

static struct exchange *stream_exchange(nghttp2_session *nghttp2, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(nghttp2, stream_id);
}

/* Takes the exchange off its stream. */
static void detach(struct http2_session *session, struct exchange *exchange)
{
    TAILQ_REMOVE(&session->exchanges, exchange, place);
    session->open--;
    /* Fails only if the stream is gone already. */
    (void)nghttp2_session_set_stream_user_data(session->nghttp2, exchange->stream_id, NULL);
}

/* ---- what the peer sends ---- */

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    struct exchange *exchange = stream_exchange(nghttp2, frame->hd.stream_id);
    if (exchange != NULL && !exchange->final)
        exchange_restart_response(exchange);
    return 0;
}

static int on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
    (void)flags;
    (void)arg;
    struct exchange *exchange = stream_exchange(nghttp2, frame->hd.stream_id);
    if (exchange == NULL || exchange->final)
        return 0;
    /* libnghttp2 lets only a three-digit :status through. */
    if (name_size == 7 && memcmp(name, ":status", 7) == 0)
        exchange->response.status = (int)strtol((const char *)value, NULL, 10);
    else
        exchange_keep_header(exchange, (const char *)name, name_size, (const char *)value, value_size);
    return 0;
}

static int on_data(nghttp2_session *nghttp2, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *arg)
{
    (void)flags;
    (void)arg;
    struct exchange *exchange = stream_exchange(nghttp2, stream_id);
    if (exchange != NULL)
        exchange_keep_body(exchange, (const char *)data, size);
    return 0;
}

static void on_response_end(struct http2_session *session, struct exchange *exchange)
{
    int32_t stream_id = exchange->stream_id;
    detach(session, exchange);
    session->answered = true;
    session->timeouts = 0;
    exchange_answered(exchange);
    /* An answer before the whole request was read: the rest of the body is of no use (RFC 9113, 8.1). */
    if (nghttp2_session_get_stream_local_close(session->nghttp2, stream_id) == 0)
        (void)nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
}

static void on_goaway(struct http2_session *session, const nghttp2_goaway *goaway)
{
    log_event(LOG_INFO, "http2_goaway", log_text("host", session->target->host),
              log_text("error", nghttp2_http2_strerror(goaway->error_code)),
              log_int("in_air", (int64_t)session->open));
    /* libnghttp2 closes the streams above last-stream-id, which were not processed, as refused ones. */
    session->going_away = true;
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
    struct http2_session *session = arg;
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
        session->settings_seen = true;
        session->stream_limit =
            nghttp2_session_get_remote_settings(nghttp2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        on_goaway(session, &frame->goaway);
    } else if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        struct exchange *exchange = stream_exchange(nghttp2, frame->hd.stream_id);
        if (exchange == NULL)
            return 0;
        if (frame->hd.type == NGHTTP2_HEADERS && exchange->response.status >= 200)
            exchange->final = true;
        if (exchange->final && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            on_response_end(session, exchange);
    }
    return 0;
}

/* Only streams without a complete answer get here with an exchange. */
static int on_stream_close(nghttp2_session *nghttp2, int32_t stream_id, uint32_t error_code, void *arg)
{
    struct http2_session *session = arg;
    struct exchange *exchange = stream_exchange(nghttp2, stream_id);
    if (exchange == NULL)
        return 0;
    detach(session, exchange);
    /* A refused stream was not processed, unless its answer had begun (RFC 9113, 8.7). */
    bool refused = error_code == NGHTTP2_REFUSED_STREAM && !exchange->final;
    if (refused || exchange->offset == NOT_MADE)
        exchange_failed(exchange, SEND_UNSENT, FAULT_REFUSED, "stream refused");
    else
        exchange_failed(exchange, SEND_IN_DOUBT, FAULT_PROTOCOL, "stream closed: %s",
                        nghttp2_http2_strerror(error_code));
    return 0;
}

/* ---- what is sent ---- */

static int before_frame_send(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
    struct http2_session *session = arg;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct exchange *exchange = stream_exchange(nghttp2, frame->hd.stream_id);
        if (exchange != NULL)
            exchange->offset = session->made;
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *nghttp2, int32_t stream_id, uint8_t *data, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)source;
    (void)arg;
    struct exchange *exchange = stream_exchange(nghttp2, stream_id);
    if (exchange == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t left = exchange->request.body_size - exchange->body_sent;
    size_t size = left < room ? left : room;
    memcpy(data, exchange->request.body + exchange->body_sent, size);
    exchange->body_sent += size;
    if (size == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

/* Such headers are kept out of the compression table, where they would push out those that repeat, a
 * credential above all. */
static bool changes_always(const struct request *request, const char *name)
{
    const char *const *changing = request->changing;
    while (changing != NULL && *changing != NULL && strcmp(name, *changing) != 0)
        changing++;
    return changing != NULL && *changing != NULL;
}

/* The strings live until the callback, and no frame of an exchange is made after that. */
static nghttp2_nv make_field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)name,
                        .value = (uint8_t *)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

bool http2_session_submit(struct http2_session *session, struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    nghttp2_nv fields[REQUEST_MAX_HEADERS + 5];
    size_t count = 0;
    fields[count++] = make_field(":method", request->method);
    fields[count++] = make_field(":scheme", "https");
    fields[count++] = make_field(":authority", session->target->authority);
    fields[count++] = make_field(":path", request->path);
    for (size_t i = 0; i < request->header_count; i++) {
        fields[count] = make_field(request->headers[i].name, request->headers[i].value);
        if (changes_always(request, request->headers[i].name))
            fields[count].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        count++;
    }
    bool has_body = request->body_size > 0;
    if (has_body) {
        snprintf(exchange->length_text, sizeof exchange->length_text, "%zu", request->body_size);
        fields[count++] = make_field("content-length", exchange->length_text);
    }
    nghttp2_data_provider body = {.read_callback = read_body};
    exchange->offset = NOT_MADE;
    int32_t stream_id =
        nghttp2_submit_request(session->nghttp2, NULL, fields, count, has_body ? &body : NULL, exchange);
    if (stream_id < 0)
        return false;
    exchange->stream_id = stream_id;
    TAILQ_INSERT_TAIL(&session->exchanges, exchange, place);
    session->open++;
    return true;
}

void http2_session_cancel(struct http2_session *session, struct exchange *exchange)
{
    /* Once in the output it leaves with it: HPACK's state allows no taking back. */
    bool made = exchange->offset != NOT_MADE;
    detach(session, exchange);
    /* Fails only for lack of memory or a stream that is gone: then there is nothing to reset. */
    (void)nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, exchange->stream_id, NGHTTP2_CANCEL);
    exchange_failed(exchange, made ? SEND_IN_DOUBT : SEND_UNSENT, FAULT_TIMEOUT, "no answer in time");
    session->timeouts++;
}

void http2_session_end(struct http2_session *session, uint64_t handed, enum send_fault fault,
                       const char *error)
{
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&session->exchanges)) != NULL) {
        bool sent = exchange->offset < handed;
        detach(session, exchange);
        exchange_failed(exchange, sent ? SEND_IN_DOUBT : SEND_UNSENT, fault, "%s", error);
    }
}

bool http2_session_ping(struct http2_session *session, struct error *err)
{
    return nghttp2_submit_ping(session->nghttp2, NGHTTP2_FLAG_NONE, NULL) == 0 ||
           error_set(err, "HTTP/2: cannot send PING");
}

bool http2_session_terminate(struct http2_session *session)
{
    return nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_NO_ERROR) == 0;
}

bool http2_session_collect(struct http2_session *session, struct buf *out, size_t limit, struct error *err)
{
    while (out->size < limit) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(session->nghttp2, &data);
        if (size < 0)
            return error_set(err, "HTTP/2: %s", nghttp2_strerror((int)size));
        if (size == 0)
            return true;
        if (!buf_append(out, data, (size_t)size))
            return error_set(err, "HTTP/2: frame too large");
        session->made += (uint64_t)size;
    }
    return true;
}

bool http2_session_receive(struct http2_session *session, const unsigned char *data, size_t size,
                           struct error *err)
{
    ssize_t taken = nghttp2_session_mem_recv(session->nghttp2, data, size);
    return taken >= 0 || error_set(err, "HTTP/2: %s", nghttp2_strerror((int)taken));
}

/* ---- life ---- */

void http2_session_init(struct http2_session *session, const struct target *target)
{
    *session = (struct http2_session){.target = target};
    TAILQ_INIT(&session->exchanges);
}

void http2_session_free(struct http2_session *session)
{
    nghttp2_session_del(session->nghttp2);
}

static bool make_session(struct http2_session *session)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    bool made = false;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_frame_send);
        nghttp2_option_set_no_closed_streams(option, 1);
        made = nghttp2_session_client_new2(&session->nghttp2, callbacks, session, option) == 0;
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return made;
}

bool http2_session_start(struct http2_session *session, struct error *err)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_MAX},
    };
    if (!make_session(session) ||
        nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof settings[0]) != 0 ||
        nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0)
        return error_set(err, "HTTP/2: cannot start a session");
    return true;
}
