/* One exchange on a libcurl easy handle: HTTP/1.1 over TLS, and what its result says about the exchange. */
#ifndef PGOUTBOX_TRANSPORT_CURL_TRANSFER_H
#define PGOUTBOX_TRANSPORT_CURL_TRANSFER_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "transport/backend.h"

struct curl_transfer {
    TAILQ_ENTRY(curl_transfer) place; /* active or spare at its curl_loop */
    struct curl_loop *curl;
    CURL *easy;
    struct exchange *exchange; /* NULL while spare */
    struct curl_slist *headers;
    bool refused;                /* an address was, by the guard */
    char error[CURL_ERROR_SIZE]; /* written by libcurl */
};

/* Sets all options of transfer->easy for transfer->exchange. Returns NULL, or what was refused and why. */
const char *curl_transfer_prepare(struct curl_transfer *transfer, const struct backend_setup *setup);
/* Ends the exchange as libcurl's result says. */
void curl_transfer_conclude(struct curl_transfer *transfer, CURLcode code);
/* Forgets the exchange; the easy handle may be used again. */
void curl_transfer_reset(struct curl_transfer *transfer);

#endif
