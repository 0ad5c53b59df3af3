/*
 * The libcurl back end: HTTP/1.1 over TLS. curl_pool.c puts a multi handle on the loop; curl_transfer.c makes
 * an easy handle from an exchange and reads from its result what became of it.
 */
#ifndef PGOUTBOX_TRANSPORT_CURL_INTERNAL_H
#define PGOUTBOX_TRANSPORT_CURL_INTERNAL_H

#include <curl/curl.h>

#include "transport/transport_internal.h"

struct curl_transfer {
    TAILQ_ENTRY(curl_transfer) place; /* active or spare in its pool */
    struct curl_pool *pool;
    CURL *easy;
    struct exchange *exchange; /* NULL while spare */
    struct curl_slist *headers;
    bool refused;                /* an address was, by the guard */
    char error[CURL_ERROR_SIZE]; /* written by libcurl */
};

/* Sets all options of transfer->easy for transfer->exchange. Returns NULL, or what was refused and why. */
const char *curl_transfer_prepare(struct curl_transfer *transfer);
/* Ends the exchange as libcurl's result says. */
void curl_transfer_conclude(struct curl_transfer *transfer, CURLcode code);
/* Forgets the exchange; the easy handle may be used again. */
void curl_transfer_reset(struct curl_transfer *transfer);

/* In a function that returns const char *: leaves it with the option's name when libcurl refuses it. */
#define CURL_SET(easy, option, value)                                                                        \
    do {                                                                                                     \
        if (curl_easy_setopt((easy), option, (value)) != CURLE_OK)                                           \
            return "libcurl refused " #option;                                                               \
    } while (0)

#endif
