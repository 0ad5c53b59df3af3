/* What people and tests look at, over plain HTTP/1.1: a page, and what arrived as JSON. */
#ifndef PGOUTBOX_SANDBOX_VIEW_VIEW_H
#define PGOUTBOX_SANDBOX_VIEW_VIEW_H

#include "sandbox/store/store.h"
#include "sandbox/vendors/apns.h"
#include "sandbox/vendors/vendor.h"
#include "sandbox/wire/http.h"

struct view {
    struct store *store;
    struct apns *apns; /* whose tokens POST /reset forgets */
    struct vendors *vendors;
};

extern const struct http_service view_service; /* its arg is a struct view */

/* view_json.c: makers of the longer answers; the exchange owns them. query: the path's part behind '?'. */
struct http_pull *view_json_arrivals(struct store *store, const char *query); /* NULL: the query is bad */
struct http_pull *view_json_ids(struct store *store, const char *query);      /* NULL: the query is bad */
struct http_pull *view_json_repeats(struct store *store);
void view_json_stats(struct store *store, struct buf *out);

/* page.c: the HTML document. */
extern const char page_html[];
extern const char page_html_end[];

#endif
