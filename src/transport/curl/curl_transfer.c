#include "transport/curl/curl_transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/guard.h"

enum { URL_MAX = 8192, HEADER_LINE_MAX = 8192 };

/* In a function that returns const char *: leaves it with the option's name when libcurl refuses it. */
#define CURL_SET(easy, option, value)                                                                        \
    do {                                                                                                     \
        if (curl_easy_setopt((easy), option, (value)) != CURLE_OK)                                           \
            return "libcurl refused " #option;                                                               \
    } while (0)

/* The body is handed over by a function, and there is none to go back to its start: so libcurl, which repeats
 * a request by itself when a reused connection dies before an answer, ends with CURLE_SEND_FAIL_REWIND. */
static size_t on_read(char *data, size_t size, size_t count, void *arg)
{
    struct curl_transfer *transfer = arg;
    struct exchange *exchange = transfer->exchange;
    size_t room = size * count;
    size_t left = exchange->request.body_size - exchange->body_sent;
    if (left > room)
        left = room;
    if (left > 0)
        memcpy(data, exchange->request.body + exchange->body_sent, left);
    exchange->body_sent += left;
    return left;
}

static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
    struct curl_transfer *transfer = arg;
    exchange_keep_body(transfer->exchange, data, size * count);
    return size * count;
}

static void http_status_line(struct exchange *exchange, const char *line)
{
    const char *space = strchr(line, ' ');
    exchange_restart_response(exchange);
    exchange->response.status = space != NULL ? (int)strtol(space, NULL, 10) : 0;
}

static void http_field(struct exchange *exchange, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    if (colon == NULL)
        return;
    const char *value = colon + 1;
    const char *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    exchange_keep_header(exchange, line, (size_t)(colon - line), value, (size_t)(end - value));
}

static size_t on_http_header(char *data, size_t size, size_t count, void *arg)
{
    struct curl_transfer *transfer = arg;
    struct exchange *exchange = transfer->exchange;
    size_t length = size * count;
    char line[HEADER_LINE_MAX];
    if (exchange->final || length >= sizeof line)
        return size * count;
    memcpy(line, data, length);
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    line[length] = '\0';
    if (length == 0)
        exchange->final = exchange->response.status >= 200;
    else if (strncmp(line, "HTTP/", 5) == 0)
        http_status_line(exchange, line);
    else
        http_field(exchange, line, length);
    return size * count;
}

static const char *append_header(struct curl_transfer *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (longer == NULL)
        return "out of memory";
    transfer->headers = longer;
    return NULL;
}

static const char *http_headers(struct curl_transfer *transfer)
{
    const struct request *request = &transfer->exchange->request;
    /* No waiting for 100-continue. */
    const char *wrong = append_header(transfer, "Expect:");
    for (size_t i = 0; i < request->header_count && wrong == NULL; i++) {
        char line[HEADER_LINE_MAX];
        const struct header *header = &request->headers[i];
        /* libcurl takes "name;" for a header without a value. */
        const char *separator = header->value[0] != '\0' ? ": " : ";";
        int size = snprintf(line, sizeof line, "%s%s%s", header->name, separator, header->value);
        if (size < 0 || (size_t)size >= sizeof line || strpbrk(line, "\r\n") != NULL)
            return "bad header";
        wrong = append_header(transfer, line);
    }
    return wrong;
}

static const char *http_prepare(struct curl_transfer *transfer, const struct target *target)
{
    CURL *easy = transfer->easy;
    const struct request *request = &transfer->exchange->request;
    char url[URL_MAX];
    int size = snprintf(url, sizeof url, "https://%s%s", target->authority, request->path);
    if (size < 0 || (size_t)size >= sizeof url || request->path[0] != '/')
        return "bad path";
    const char *wrong = http_headers(transfer);
    if (wrong != NULL)
        return wrong;
    CURL_SET(easy, CURLOPT_URL, url);
    CURL_SET(easy, CURLOPT_PATH_AS_IS, 1L);
    CURL_SET(easy, CURLOPT_PROTOCOLS_STR, "https");
    CURL_SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    CURL_SET(easy, CURLOPT_HTTPHEADER, transfer->headers);
    CURL_SET(easy, CURLOPT_HEADERFUNCTION, on_http_header);
    if (request->body_size > 0 || strcmp(request->method, "POST") == 0) {
        CURL_SET(easy, CURLOPT_POST, 1L);
        CURL_SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    }
    CURL_SET(easy, CURLOPT_CUSTOMREQUEST, request->method);
    /* Without a body there is nothing that libcurl could not rewind; but it never repeats on a new
     * connection. */
    CURL_SET(easy, CURLOPT_FRESH_CONNECT, request->body_size == 0 ? 1L : 0L);
    return NULL;
}

/* libcurl connects to the very address that it shows here. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct curl_transfer *transfer = arg;
    if (guard_allows(&address->addr))
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    transfer->refused = true;
    return CURL_SOCKET_BAD;
}

const char *curl_transfer_prepare(struct curl_transfer *transfer, const struct backend_setup *setup)
{
    CURL *easy = transfer->easy;
    const struct endpoint_options *options = setup->options;
    if (options->ca_file != NULL) {
        CURL_SET(easy, CURLOPT_CAINFO, options->ca_file);
        CURL_SET(easy, CURLOPT_CAPATH, NULL); /* the system's authorities are not meant then */
    }
    if (options->guarded) {
        CURL_SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
        CURL_SET(easy, CURLOPT_OPENSOCKETDATA, transfer);
    }
    CURL_SET(easy, CURLOPT_NOSIGNAL, 1L);
    CURL_SET(easy, CURLOPT_PRIVATE, transfer);
    CURL_SET(easy, CURLOPT_ERRORBUFFER, transfer->error);
    CURL_SET(easy, CURLOPT_PROXY, "");
    CURL_SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    CURL_SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    CURL_SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    CURL_SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    CURL_SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    CURL_SET(easy, CURLOPT_READFUNCTION, on_read);
    CURL_SET(easy, CURLOPT_READDATA, transfer);
    CURL_SET(easy, CURLOPT_WRITEFUNCTION, on_write);
    CURL_SET(easy, CURLOPT_WRITEDATA, transfer);
    CURL_SET(easy, CURLOPT_HEADERDATA, transfer);
    return http_prepare(transfer, setup->target);
}

/* ---- results ---- */

/* Failures before the first octet of a request. */
static const struct early_failure {
    CURLcode code;
    enum send_fault fault;
} early_failures[] = {
    {CURLE_COULDNT_RESOLVE_PROXY, FAULT_RESOLVE}, {CURLE_COULDNT_RESOLVE_HOST, FAULT_RESOLVE},
    {CURLE_COULDNT_CONNECT, FAULT_CONNECT},       {CURLE_SSL_CONNECT_ERROR, FAULT_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, FAULT_TLS},  {CURLE_SSL_CACERT_BADFILE, FAULT_TLS},
    {CURLE_SSL_CERTPROBLEM, FAULT_TLS},
};

static const struct early_failure *early_failure(CURLcode code)
{
    for (size_t i = 0; i < sizeof early_failures / sizeof early_failures[0]; i++)
        if (early_failures[i].code == code)
            return &early_failures[i];
    return NULL;
}

static bool step_reached(const struct curl_transfer *transfer, CURLINFO step)
{
    curl_off_t time = 0;
    return curl_easy_getinfo(transfer->easy, step, &time) == CURLE_OK && time > 0;
}

static bool nothing_sent(const struct curl_transfer *transfer, CURLcode code)
{
    return early_failure(code) != NULL || !step_reached(transfer, CURLINFO_PRETRANSFER_TIME_T);
}

static bool is_refused(const struct curl_transfer *transfer, CURLcode code)
{
    return transfer->refused && code == CURLE_COULDNT_CONNECT;
}

static enum send_fault fault_of(const struct curl_transfer *transfer, CURLcode code)
{
    const struct early_failure *early = early_failure(code);
    if (is_refused(transfer, code))
        return FAULT_NOT_ALLOWED;
    /* A connection lost during the handshake is no fault of TLS: OpenSSL has no error of its own then. */
    if (code == CURLE_SSL_CONNECT_ERROR && strstr(transfer->error, "error:") == NULL)
        return FAULT_CONNECT;
    if (early != NULL)
        return early->fault;
    if (code == CURLE_OPERATION_TIMEDOUT) {
        if (step_reached(transfer, CURLINFO_PRETRANSFER_TIME_T))
            return FAULT_TIMEOUT;
        return step_reached(transfer, CURLINFO_NAMELOOKUP_TIME_T) ? FAULT_CONNECT : FAULT_RESOLVE;
    }
    bool lost = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
                code == CURLE_PARTIAL_FILE || code == CURLE_SEND_FAIL_REWIND;
    return lost ? FAULT_CONNECT : FAULT_PROTOCOL;
}

static const char *error_text(const struct curl_transfer *transfer, CURLcode code)
{
    if (is_refused(transfer, code))
        return "address not allowed";
    return transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
}

void curl_transfer_conclude(struct curl_transfer *transfer, CURLcode code)
{
    struct exchange *exchange = transfer->exchange;
    if (code == CURLE_OK && exchange->final) {
        exchange_answered(exchange);
        return;
    }
    enum send_state state = nothing_sent(transfer, code) ? SEND_UNSENT : SEND_IN_DOUBT;
    exchange_failed(exchange, state, fault_of(transfer, code), "%s", error_text(transfer, code));
}

void curl_transfer_reset(struct curl_transfer *transfer)
{
    curl_easy_reset(transfer->easy);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    transfer->exchange = NULL;
    transfer->refused = false;
    transfer->error[0] = '\0';
}
